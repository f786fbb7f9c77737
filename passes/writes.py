"""Writes: what is written into a part of a tensor is in the tensor that is read afterwards.

::

    y = slice(x, 1, 0, 4)           y = slice(x, 1, 0, 4)
    z = copy_(y, h)                 z = copy_(y, h)
    linear(x, w)              ->    x1 = slice_scatter(x, z, 1, 0, 4)
                                    linear(x1, w)
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import fx

from mupfx.core.ops import packet
from mupfx.core.program import shape_of

aten = torch.ops.aten

Made = tuple[torch._ops.OpOverload, tuple[Any, ...]]
"""An op and its arguments."""
Back = Callable[[fx.Node, fx.Node, fx.Node], Made | None]
"""From a view's op, its source, and what the view now holds, to the source with that in it."""


def follow_writes(graph: fx.Graph) -> None:
    """Let every op after a write in place read what was written."""
    order = {node: i for i, node in enumerate(graph.nodes)}
    newest: dict[fx.Node, fx.Node] = {}
    for node in order:
        if node.op == "call_function" and _writes(node):
            _pass_up(graph, node, order, newest)


def _writes(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    if schema is None or not node.args or not isinstance(node.args[0], fx.Node):
        return False
    written = schema.arguments[0].alias_info
    return written is not None and written.is_write and shape_of(node) is not None


def _pass_up(
    graph: fx.Graph,
    write: fx.Node,
    order: Mapping[fx.Node, int],
    newest: dict[fx.Node, fx.Node],
) -> None:
    """Put what was written into each tensor that the written one is a view of."""
    view, new = _written(write), write
    while view is not None and (source := _source(view)) is not None:
        current = newest.get(source, source)
        made = _whole(view, current, new)
        if made is None:
            return
        later = [user for user in current.users if order.get(user, -1) > order[write]]
        with graph.inserting_after(new):
            new = graph.call_function(*made)
        new.meta = {**write.meta, "val": source.meta["val"]}
        for user in later:
            user.replace_input_with(current, new)
        newest[source] = new
        view = source


def _written(write: fx.Node) -> fx.Node | None:
    """The tensor that is written to; of several writes in a row, by the first."""
    view = write.args[0]
    while isinstance(view, fx.Node) and view.op == "call_function" and _writes(view):
        view = view.args[0]
    return view if isinstance(view, fx.Node) else None


def _source(view: fx.Node) -> fx.Node | None:
    """The tensor that a node may be a view of: behind a pick, that of the op with several."""
    op = view.args[0] if view.target is operator.getitem else view
    source = op.args[0] if isinstance(op, fx.Node) and op.args else None
    return source if isinstance(source, fx.Node) else None


def _whole(view: fx.Node, source: fx.Node, new: fx.Node) -> Made | None:
    if view.target is not operator.getitem:
        back = BACK.get(packet(view))
        return None if back is None else back(view, source, new)
    several, place = view.args
    assert isinstance(several, fx.Node)
    assert isinstance(place, int)
    return _piece(several, source, new, place) if packet(several) in SEVERAL else None


def _piece(op: fx.Node, source: fx.Node, new: fx.Node, place: int) -> Made:
    unbound = packet(op) is aten.unbind
    position = 1 if unbound else 2
    axis = op.args[position] if len(op.args) > position else op.kwargs.get("dim", 0)
    assert isinstance(axis, int)
    if unbound:
        return aten.select_scatter.default, (source, new, axis, place)
    sizes = [value.shape[axis] for value in op.meta["val"]]
    start = sum(sizes[:place])
    return aten.slice_scatter.default, (source, new, axis, start, start + sizes[place])


def _slice(op: fx.Node, source: fx.Node, new: fx.Node) -> Made:
    return aten.slice_scatter.default, (source, new, *op.args[1:])


def _narrow(op: fx.Node, source: fx.Node, new: fx.Node) -> Made | None:
    _, dim, start, length = op.args
    if not (isinstance(start, int) and isinstance(length, int)):
        return None
    return aten.slice_scatter.default, (source, new, dim, start, start + length)


def _select(op: fx.Node, source: fx.Node, new: fx.Node) -> Made:
    return aten.select_scatter.default, (source, new, *op.args[1:])


def _reshape(op: fx.Node, source: fx.Node, new: fx.Node) -> Made | None:
    """Regrouped axes are put back; a reshape of what lies scattered is a copy, and no view."""
    copies = packet(op) in (aten.reshape, aten.flatten) and not source.meta["val"].is_contiguous()
    return None if copies else (aten.reshape.default, (new, list(source.meta["val"].shape)))


def _swap(op: fx.Node, _: fx.Node, new: fx.Node) -> Made:
    assert isinstance(op.target, torch._ops.OpOverload)
    return op.target, (new, *op.args[1:])


def _permute(op: fx.Node, _: fx.Node, new: fx.Node) -> Made:
    dims = op.args[1]
    assert isinstance(dims, list | tuple)
    rank = len(dims)
    places = {int(d) % rank: i for i, d in enumerate(dims)}
    return aten.permute.default, (new, [places[i] for i in range(rank)])


def _same(_: fx.Node, __: fx.Node, new: fx.Node) -> Made:
    return aten.alias.default, (new,)


SEVERAL = frozenset({aten.split, aten.split_with_sizes, aten.chunk, aten.unbind})
BACK: Mapping[object, Back] = {
    aten.slice: _slice,
    aten.narrow: _narrow,
    aten.select: _select,
    **dict.fromkeys(
        (aten.view, aten.reshape, aten.flatten, aten.unflatten, aten.unsqueeze, aten.squeeze),
        _reshape,
    ),
    **dict.fromkeys((aten.transpose, aten.swapaxes, aten.t, aten.numpy_T, aten.mT), _swap),
    aten.permute: _permute,
    **dict.fromkeys((aten.detach, aten.alias), _same),
}
"""Views, with the way back from what was written to one."""

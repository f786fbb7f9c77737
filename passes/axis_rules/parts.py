"""Parts of axes: taken out by slice, index and split, put together by cat and stack."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch
from torch import fx

from mupfx.core.vocabulary import Reason
from mupfx.passes.axis_rules.call import Call
from mupfx.passes.axis_rules.factors import (
    Dim,
    Dims,
    Factor,
    Piece,
    Size,
    expand,
    fresh,
    mark,
    minus,
    part,
    regroup,
)
from mupfx.passes.axis_rules.tracker import Rules, Tracker
from mupfx.passes.axis_rules.view import source

aten = torch.ops.aten


def select(_: Tracker, call: Call) -> Dims:
    """One index of an axis: the axis is as long as the code says."""
    dims = list(call.dims(source(call)))
    gone = dims.pop(call["dim"] % len(dims))
    mark(gone, Reason.PARTS, f"{call.node.name} picks one of it by number")
    return tuple(dims)


def slice_(tracker: Tracker, call: Call) -> Dims:
    """A range of an axis: a part of it, or every n-th."""
    node = source(call)
    tracker.through(call, node)
    dims = list(call.dims(node))
    axis = call["dim"] % len(dims)
    whole, out = call.sizes(node)[axis], call.out[axis]
    if whole == out:
        return tuple(dims)
    if call["step"] not in (None, 1):  # narrow has none
        dims[axis] = _strided(tracker, call, dims[axis], whole, out)
        return tuple(dims)
    starts = (_start(call["start"], whole[0]), _start(call.at_base("start"), whole[-1]))
    start = starts[: len(whole)]
    stop = tuple(a + n for a, n in zip(start, out, strict=True))
    dims[axis] = cut(tracker, dims[axis], start, stop, whole)
    return tuple(dims)


def _start(value: object, size: int) -> int:
    return slice(value, None).indices(size)[0] if isinstance(value, int) else 0


def _strided(tracker: Tracker, call: Call, dim: Dim, whole: Size, out: Size) -> Dim:
    step = tuple(call["step"] for _ in whole)
    halves = regroup([dim], [out, step])
    if halves is None:
        return apart(tracker, dim, out)
    mark(halves[1], Reason.PARTS, f"{call.node.name} takes every {call['step']}th")
    return halves[0]


def cut(tracker: Tracker, dim: Dim, start: Size, stop: Size, whole: Size) -> Dim:
    """A part of a dimension; where it crosses factors, only finiteness is inherited."""
    piece = part(dim, start, stop, whole)
    length = tuple(b - a for a, b in zip(start, stop, strict=True))
    return apart(tracker, dim, length) if piece is None else piece


def apart(tracker: Tracker, dim: Dim, size: Size) -> Dim:
    """A new dimension that is finite if ``dim`` is."""
    made = fresh(size)
    if made:
        tracker.depends.append((expand(dim), made))
    return made


LISTS = ("split_size", "split_sizes", "indices")
"""Arguments of split's overloads that name each piece."""


def take_apart(tracker: Tracker, call: Call) -> list[Dims]:
    """``split`` and ``chunk``: equal pieces make a factor of their own, unequal ones are parts.

    Pieces of sizes that the code lists are parts, also where the sizes agree.
    """
    tracker.through(call, source(call))
    return _pieces(tracker, call, call["dim"] % len(call.dims(source(call))))


def _pieces(tracker: Tracker, call: Call, axis: int) -> list[Dims]:
    node = source(call)
    dims = call.dims(node)
    sizes = [out[axis] for out in call.outs]
    count = tuple(len(sizes) for _ in sizes[0])
    listed = any(isinstance(call[name], Sequence) for name in LISTS)
    equal = len(set(sizes)) == 1 and not listed
    halves = regroup([dims[axis]], [count, sizes[0]]) if equal else None
    if halves is not None:
        mark(halves[0], Reason.PARTS, f"{call.node.name} takes {len(sizes)} pieces apart")
        return [(*dims[:axis], halves[1], *dims[axis + 1 :]) for _ in sizes]
    whole = call.sizes(node)[axis]
    start = tuple(0 for _ in whole)
    result = []
    for size in sizes:
        stop = tuple(a + n for a, n in zip(start, size, strict=True))
        result.append(
            (*dims[:axis], cut(tracker, dims[axis], start, stop, whole), *dims[axis + 1 :])
        )
        start = stop
    return result


def unbind(_: Tracker, call: Call) -> list[Dims]:
    """An axis dropped, one result for each index."""
    dims = call.dims(source(call))
    axis = call["dim"] % len(dims)
    mark(dims[axis], Reason.PARTS, f"{call.node.name} takes it apart by number")
    return [(*dims[:axis], *dims[axis + 1 :]) for _ in call.outs]


def cat(tracker: Tracker, call: Call) -> Dims:
    """A whole made of parts; the other axes are joined."""
    nodes = [n for n in call["tensors"] if len(call.sizes(n)) == len(call.out)]
    axis = call["dim"] % len(call.out)
    others = [i for i in range(len(call.out)) if i != axis]
    result: list[Dim] = [() for _ in call.out]
    for node in nodes:
        dims = call.dims(node)
        for i in others:
            if result[i] and dims[i]:
                tracker.unify(call, result[i], dims[i])
                result[i] = tracker.merge_origins(result[i], dims[i])
            result[i] = result[i] or dims[i]
    result[axis] = _whole(call, nodes, axis)
    tracker.meet(call, nodes)
    return tuple(result)


def _whole(call: Call, nodes: Sequence[fx.Node], axis: int) -> Dim:
    return whole([call.dims(n)[axis] for n in nodes], [call.sizes(n)[axis] for n in nodes])


def whole(dims: Sequence[Dim], sizes: Sequence[Size]) -> Dim:
    """A dimension put together of others, in order."""
    total = tuple(sum(counts) for counts in zip(*sizes, strict=True))
    sole = next((d for d, size in zip(dims, sizes, strict=True) if size == total), None)
    if sole is not None:  # the others are empty
        return sole
    factor = Factor(total)
    start = tuple(0 for _ in total)
    for dim, size in zip(dims, sizes, strict=True):
        stop = tuple(a + n for a, n in zip(start, size, strict=True))
        factor.parts[(start, stop)] = dim
        start = stop
    return (Piece(factor, frozenset(o for dim in dims for p in dim for o in p.origins)),)


def glu(tracker: Tracker, call: Call) -> Dims:
    """``a * sigmoid(b)`` of the two halves of an axis."""
    dims = list(call.dims(source(call)))
    axis = call["dim"] % len(dims)
    two = tuple(2 for _ in call.out[axis])
    count, dims[axis] = tracker.reshape(call, [dims[axis]], [two, call.out[axis]])
    mark(count, Reason.PARTS, f"{call.node.name} takes two halves apart")
    return tuple(dims)


def stack(tracker: Tracker, call: Call) -> Dims:
    """A new axis, as long as the list in the code."""
    nodes = list(call["tensors"])
    axis = call["dim"] % len(call.out)
    inner = [size for i, size in enumerate(call.out) if i != axis]
    dims = list(tracker.broadcast(call, nodes, inner))
    tracker.meet(call, nodes)
    made = fresh(call.out[axis])
    mark(made, Reason.PARTS, f"{call.node.name} puts {len(nodes)} tensors together")
    dims.insert(axis, made)
    return tuple(dims)


def pile(tracker: Tracker, call: Call) -> Dims:
    """``hstack``, ``vstack``, ``dstack``, ``column_stack``: ``cat`` of tensors made of that rank.

    Axes of size one are put before or after, until each has as many axes as the result.
    """
    nodes, rank = list(call["tensors"]), len(call.out)
    axis = PILED[call.node.target.overloadpacket]  # type: ignore[union-attr]
    axis = min(axis, rank - 1)
    dims = [_lifted(call.dims(n), rank, axis, ()) for n in nodes]
    one = tuple(1 for _ in call.out[0])
    sizes = [_lifted(call.sizes(n), rank, axis, one) for n in nodes]
    others = [i for i in range(rank) if i != axis]
    result: list[Dim] = [next((d[i] for d in dims if d[i]), ()) for i in range(rank)]
    for mine in dims:
        tracker.join(call, [result[i] for i in others], [mine[i] for i in others])
    result[axis] = whole([d[axis] for d in dims], [s[axis] for s in sizes])
    tracker.meet(call, nodes)
    return tuple(result)


T = TypeVar("T")


def _lifted(axes: Sequence[T], rank: int, axis: int, one: T) -> list[T]:
    """Axes of a tensor of rank one or two made of a higher rank, as numpy's stacks do it."""
    after = max(rank - max(len(axes), 2), 0) if axis == DEEP else axis * (rank - len(axes))
    return [*(one for _ in range(rank - len(axes) - after)), *axes, *(one for _ in range(after))]


DEEP = 2
PILED: Mapping[object, int] = {
    aten.hstack: 1, aten.column_stack: 1, aten.vstack: 0, aten.row_stack: 0, aten.dstack: DEEP,
}  # fmt: skip
"""Along which axis each op puts tensors together."""


def blocks(_: Tracker, call: Call) -> Dims:
    """``block_diag``: both axes put together."""
    nodes = [n for n in call["tensors"] if len(call.sizes(n)) == 2]
    if len(nodes) != len(call["tensors"]):
        return tuple(fresh(size) for size in call.out)
    rows, columns = (
        whole([call.dims(n)[i] for n in nodes], [call.sizes(n)[i] for n in nodes]) for i in (0, 1)
    )
    return rows, columns


def apart_along(tracker: Tracker, call: Call) -> list[Dims]:
    """``hsplit``, ``vsplit``, ``dsplit``: pieces along the axis that changed size."""
    node = source(call)
    tracker.through(call, node)
    mine = call.sizes(node)
    axis = next((i for i, n in enumerate(call.outs[0]) if n != mine[i]), None)
    return [call.dims(node) for _ in call.outs] if axis is None else _pieces(tracker, call, axis)


def pad(tracker: Tracker, call: Call) -> Dims:
    """An axis that changed size has the old one as a part."""
    node = source(call)
    result = []
    for i, (dim, old, new) in enumerate(
        zip(call.dims(node), call.sizes(node), call.out, strict=True)
    ):
        before = _before(call, len(call.out) - 1 - i, new)
        after = minus(minus(new, old), before)
        if old == new:
            result.append(dim)
        elif call["pad"] is None or any(n < 0 for n in (*before, *after)):
            result.append(apart(tracker, dim, new))
        else:
            made = [apart(tracker, dim, before), dim, apart(tracker, dim, after)]
            result.append(whole(made, [before, old, after]))
            tracker.depends.append((expand(dim), result[-1]))
    return tuple(result)


def _before(call: Call, place: int, size: Size) -> Size:
    """How much a dimension is padded at its beginning, by its place from the last."""
    lists = (call["pad"] or (), call.at_base("pad") or ())[: len(size)]
    return tuple(pads[2 * place] if len(pads) > 2 * place else 0 for pads in lists)


def difference(tracker: Tracker, call: Call) -> Dims:
    """``diff``: each entry less the one before; what is put before or after lies beside it."""
    dims = call.dims(source(call))
    axis = call["dim"] % len(dims)
    for node in map(call.tensor, ("prepend", "append")):
        if node is not None:
            theirs = call.dims(node)
            tracker.join(call, dims[:axis], theirs[:axis])
            tracker.join(call, dims[axis + 1 :], theirs[axis + 1 :])
    return pad(tracker, call)


def running(tracker: Tracker, call: Call) -> Dims:
    """``cumulative_trapezoid``: one entry less; places, if given, lie beside the values."""
    places = call.tensor("x")
    if places is not None:
        tracker.join(call, call.dims(source(call))[::-1], call.dims(places)[::-1])
    return pad(tracker, call)


RULES: Rules = {
    aten.select: select,
    **dict.fromkeys((aten.slice, aten.narrow), slice_),
    **dict.fromkeys(
        (
            aten.split, aten.split_with_sizes, aten.chunk, aten.tensor_split, aten.unsafe_split,
            aten.unsafe_split_with_sizes, aten.unsafe_chunk,
        ),
        take_apart,
    ),
    **dict.fromkeys((aten.hsplit, aten.vsplit, aten.dsplit), apart_along),
    aten.unbind: unbind,
    **dict.fromkeys((aten.cat, aten.concat, aten.concatenate), cat),
    **dict.fromkeys(PILED, pile),
    aten.block_diag: blocks,
    aten.diff: difference,
    aten.cumulative_trapezoid: running,
    aten.glu: glu,
    aten.stack: stack,
    aten._stack: stack,
    **dict.fromkeys(
        (
            aten.pad, aten.constant_pad_nd, aten._pad_circular, aten._pad_enum,
            aten.reflection_pad1d, aten.reflection_pad2d, aten.reflection_pad3d,
            aten.replication_pad1d, aten.replication_pad2d, aten.replication_pad3d,
        ),
        pad,
    ),
}  # fmt: skip

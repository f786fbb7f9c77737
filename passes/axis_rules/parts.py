"""Parts of axes: taken out by slice, index and split, put together by cat and stack."""

from collections.abc import Sequence

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
        return _apart(tracker, dim, out)
    mark(halves[1], Reason.PARTS, f"{call.node.name} takes every {call['step']}th")
    return halves[0]


def cut(tracker: Tracker, dim: Dim, start: Size, stop: Size, whole: Size) -> Dim:
    """A part of a dimension; where it crosses factors, only finiteness is inherited."""
    piece = part(dim, start, stop, whole)
    length = tuple(b - a for a, b in zip(start, stop, strict=True))
    return _apart(tracker, dim, length) if piece is None else piece


def _apart(tracker: Tracker, dim: Dim, size: Size) -> Dim:
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
    node = source(call)
    tracker.through(call, node)
    dims = call.dims(node)
    axis = call["dim"] % len(dims)
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
            result[i] = result[i] or dims[i]
    result[axis] = _whole(call, nodes, axis)
    tracker.meet(call, nodes)
    return tuple(result)


def _whole(call: Call, nodes: Sequence[fx.Node], axis: int) -> Dim:
    sole = next((n for n in nodes if call.sizes(n)[axis] == call.out[axis]), None)
    if sole is not None:  # the others are empty
        return call.dims(sole)[axis]
    factor = Factor(call.out[axis])
    start = tuple(0 for _ in call.out[axis])
    origins = frozenset(o for n in nodes for p in call.dims(n)[axis] for o in p.origins)
    for node in nodes:
        size = call.sizes(node)[axis]
        stop = tuple(a + n for a, n in zip(start, size, strict=True))
        factor.parts[(start, stop)] = call.dims(node)[axis]
        start = stop
    return (Piece(factor, origins),)


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


def pad(tracker: Tracker, call: Call) -> Dims:
    """An axis that changed size has the old one as a part."""
    node = source(call)
    result = []
    for dim, old, new in zip(call.dims(node), call.sizes(node), call.out, strict=True):
        result.append(dim if old == new else _apart(tracker, dim, new))
    return tuple(result)


RULES: Rules = {
    aten.select: select,
    **dict.fromkeys((aten.slice, aten.narrow), slice_),
    **dict.fromkeys((aten.split, aten.split_with_sizes, aten.chunk, aten.tensor_split), take_apart),
    aten.unbind: unbind,
    **dict.fromkeys((aten.cat, aten.concat), cat),
    aten.glu: glu,
    aten.stack: stack,
    **dict.fromkeys((aten.pad, aten.constant_pad_nd), pad),
}

"""Views: axes regrouped, moved, cut into parts and put together; no value changes."""

from collections.abc import Sequence

import torch
from torch import fx

from mupfx.core.vocabulary import Reason
from mupfx.passes.axis_rules.call import Call
from mupfx.passes.axis_rules.factors import (
    Dim,
    Dims,
    Piece,
    Size,
    expand,
    fresh,
    is_one,
    mark,
    part,
    regroup,
)
from mupfx.passes.axis_rules.tracker import REPEATED, Rules, Tracker

aten = torch.ops.aten


def source(call: Call) -> fx.Node:
    """The tensor that is viewed: the schema's first argument."""
    node: fx.Node = next(iter(call.arguments.values()))
    return node


def same(tracker: Tracker, call: Call) -> Dims:
    """The result has its first argument's axes."""
    node = source(call)
    tracker.through(call, node)
    return call.dims(node)


def same_axes(_: Tracker, call: Call) -> Dims:
    """The same, for an op that is not linear."""
    return call.dims(source(call))


def reshape(tracker: Tracker, call: Call) -> Dims:
    """Axes regrouped into the result's sizes."""
    node = source(call)
    tracker.through(call, node)
    return tracker.reshape(call, call.dims(node), call.out)


def permute(tracker: Tracker, call: Call) -> Dims:
    """``y[i, j, k] = x[k, i, j]``."""
    tracker.through(call, source(call))
    dims = call.dims(source(call))
    return tuple(dims[d] for d in call["dims"])


def transpose(tracker: Tracker, call: Call) -> Dims:
    """Two axes swapped."""
    tracker.through(call, source(call))
    dims = list(call.dims(source(call)))
    first, second = (
        call[n] for n in (("dim0", "dim1") if "dim0" in call.arguments else ("axis0", "axis1"))
    )
    dims[first], dims[second] = dims[second], dims[first]
    return tuple(dims)


def reverse(_: Tracker, call: Call) -> Dims:
    """Axes in reverse order."""
    return call.dims(source(call))[::-1]


def last_two(_: Tracker, call: Call) -> Dims:
    """The last two axes swapped."""
    dims = call.dims(source(call))
    return (*dims[:-2], dims[-1], dims[-2])


def movedim(_: Tracker, call: Call) -> Dims:
    """``torch.movedim``."""
    dims = call.dims(source(call))
    origin, target = (
        x if isinstance(x, Sequence) else [x] for x in (call["source"], call["destination"])
    )
    rank = len(dims)
    placed = {t % rank: o % rank for o, t in zip(origin, target, strict=True)}
    rest = iter(i for i in range(rank) if i not in placed.values())
    return tuple(dims[placed[i] if i in placed else next(rest)] for i in range(rank))


def unsqueeze(tracker: Tracker, call: Call) -> Dims:
    """A new axis of size one."""
    tracker.through(call, source(call))
    dims = list(call.dims(source(call)))
    dims.insert(call["dim"] % (len(dims) + 1), ())
    return tuple(dims)


def squeeze(tracker: Tracker, call: Call) -> Dims:
    """Axes of size one dropped."""
    node = source(call)
    tracker.through(call, node)
    dims, sizes = call.dims(node), call.sizes(node)
    chosen = call["dim"]
    picked = range(len(dims)) if chosen is None else [chosen] if isinstance(chosen, int) else chosen
    gone = {d % max(len(dims), 1) for d in picked}
    return tuple(
        dim
        for i, (dim, size) in enumerate(zip(dims, sizes, strict=True))
        if i not in gone or size[0] != 1
    )


def expand_to(tracker: Tracker, call: Call) -> Dims:
    """Axes of size one repeated; what they become is a number in the code."""
    node = source(call)
    out = tracker.broadcast(call, [node], call.out)
    old = call.sizes(node)
    offset = len(out) - len(old)
    for i, dim in enumerate(out):
        if i < offset or is_one(old[i - offset]):
            mark(dim, REPEATED, call.node.name)
    return out


def repeat(tracker: Tracker, call: Call) -> Dims:
    """Each axis ``times x axis``."""
    node = source(call)
    dims, old = call.dims(node), call.sizes(node)
    offset = len(call.out) - len(dims)
    result = []
    for i, size in enumerate(call.out):
        dim = dims[i - offset] if i >= offset else ()
        had = old[i - offset] if i >= offset else tuple(1 for _ in size)
        times = fresh(tuple(a // b for a, b in zip(size, had, strict=True)))
        mark(times, REPEATED, call.node.name)
        result.append((*times, *dim))
    return tuple(result)


def repeat_interleave(_: Tracker, call: Call) -> Dims:
    """One axis becomes ``axis x times``."""
    node = source(call)
    dims, old = list(call.dims(node)), call.sizes(node)
    dim = call["dim"] % len(dims) if call["dim"] is not None else 0
    size = call.out[dim]
    if not all(b % a == 0 for a, b in zip(old[dim], size, strict=True)):
        dims[dim] = fresh(size)
        return tuple(dims)
    times = fresh(tuple(b // a for a, b in zip(old[dim], size, strict=True)))
    mark(times, REPEATED, call.node.name)
    dims[dim] = (*dims[dim], *times)
    return tuple(dims)


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
    if call["step"] != 1:
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


def take_apart(tracker: Tracker, call: Call) -> list[Dims]:
    """``split`` and ``chunk``: equal pieces make a factor of their own, unequal ones are parts."""
    node = source(call)
    tracker.through(call, node)
    dims = call.dims(node)
    axis = call["dim"] % len(dims)
    sizes = [out[axis] for out in call.outs]
    count = tuple(len(sizes) for _ in sizes[0])
    halves = regroup([dims[axis]], [count, sizes[0]]) if len(set(sizes)) == 1 else None
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
    made = fresh(call.out[axis])
    if not made:
        return made
    factor = made[0].factor
    start = tuple(0 for _ in call.out[axis])
    origins = frozenset(o for n in nodes for p in call.dims(n)[axis] for o in p.origins)
    for node in nodes:
        size = call.sizes(node)[axis]
        stop = tuple(a + n for a, n in zip(start, size, strict=True))
        factor.parts[(start, stop)] = call.dims(node)[axis]
        start = stop
    return (Piece(factor, origins),)


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


def diagonal(_: Tracker, call: Call) -> Dims:
    """Two axes become the diagonal, last."""
    dims = list(call.dims(source(call)))
    gone = sorted(d % len(dims) for d in (call["dim1"], call["dim2"]))
    first = dims[gone[0]]
    for d in reversed(gone):
        dims.pop(d)
    return (*dims, first)


def unfold(_: Tracker, call: Call) -> Dims:
    """Sliding windows: a spatial axis, and the window last."""
    dims = list(call.dims(source(call)))
    axis = call["dimension"] % max(len(dims), 1)
    window, count = fresh(call.out[-1]), fresh(call.out[axis])
    for made in (window, count):
        mark(made, Reason.SPATIAL, f"{call.node.name} slides a window")
    dims[axis] = count
    return (*dims, window)


def pad(tracker: Tracker, call: Call) -> Dims:
    """An axis that changed size has the old one as a part."""
    node = source(call)
    result = []
    for dim, old, new in zip(call.dims(node), call.sizes(node), call.out, strict=True):
        result.append(dim if old == new else _apart(tracker, dim, new))
    return tuple(result)


def window(_: Tracker, call: Call) -> Dims:
    """Pooling and resampling: axes that changed size are spatial."""
    node = source(call)
    result = []
    for dim, old, new in zip(call.dims(node), call.sizes(node), call.out, strict=True):
        made = dim if old == new else fresh(new)
        if old != new:
            mark(made, Reason.SPATIAL, f"{call.node.name} resamples it")
        result.append(made)
    return tuple(result)


RULES: Rules = {
    **dict.fromkeys(
        (
            aten.view,
            aten.reshape,
            aten._unsafe_view,
            aten.flatten,
            aten.unflatten,
            aten.pixel_shuffle,
            aten.view_as,
            aten.reshape_as,
        ),
        reshape,
    ),
    aten.permute: permute,
    **dict.fromkeys((aten.transpose, aten.swapaxes, aten.swapdims), transpose),
    **dict.fromkeys((aten.t, aten.numpy_T), reverse),
    **dict.fromkeys((aten.mT, aten.adjoint, aten.matrix_H), last_two),
    aten.movedim: movedim,
    aten.unsqueeze: unsqueeze,
    aten.squeeze: squeeze,
    **dict.fromkeys((aten.expand, aten.expand_as, aten.broadcast_to), expand_to),
    aten.repeat: repeat,
    aten.repeat_interleave: repeat_interleave,
    aten.select: select,
    **dict.fromkeys((aten.slice, aten.narrow), slice_),
    **dict.fromkeys((aten.split, aten.split_with_sizes, aten.chunk, aten.tensor_split), take_apart),
    aten.unbind: unbind,
    **dict.fromkeys((aten.cat, aten.concat), cat),
    aten.stack: stack,
    aten.diagonal: diagonal,
    aten.unfold: unfold,
    **dict.fromkeys((aten.pad, aten.constant_pad_nd), pad),
    **dict.fromkeys(
        (
            aten.max_pool1d,
            aten.max_pool2d,
            aten.max_pool3d,
            aten.avg_pool1d,
            aten.avg_pool2d,
            aten.avg_pool3d,
            aten.adaptive_avg_pool1d,
            aten.adaptive_avg_pool2d,
            aten._adaptive_avg_pool2d,
            aten.adaptive_avg_pool3d,
            aten.upsample_nearest1d,
            aten.upsample_nearest2d,
            aten.upsample_nearest3d,
            aten.upsample_bilinear2d,
            aten.upsample_bicubic2d,
            aten.upsample_linear1d,
            aten.upsample_trilinear3d,
            aten._upsample_bilinear2d_aa,
            aten._upsample_bicubic2d_aa,
            aten._upsample_nearest_exact2d,
            aten.max_pool2d_with_indices,
            aten.adaptive_max_pool2d,
            aten.adaptive_max_pool1d,
        ),
        window,
    ),
    **dict.fromkeys(
        (
            aten.clone,
            aten.contiguous,
            aten.to,
            aten._to_copy,
            aten.detach,
            aten.alias,
            aten.lift_fresh_copy,
            aten.lift_fresh,
            aten.type_as,
            aten.dropout,
            aten.feature_dropout,
            aten.alpha_dropout,
            aten.native_dropout,
            aten.roll,
            aten.flip,
            aten.tril,
            aten.triu,
            aten.cumsum,
            aten.resolve_conj,
            aten.resolve_neg,
        ),
        same,
    ),
    **dict.fromkeys(
        (
            aten.softmax,
            aten._softmax,
            aten.log_softmax,
            aten._log_softmax,
            aten.cumprod,
            aten.cummax,
            aten.logcumsumexp,
            aten.zeros_like,
            aten.ones_like,
            aten.empty_like,
            aten.full_like,
            aten.rand_like,
            aten.randn_like,
            aten.bernoulli,
            aten.fill,
            aten.zero,
            aten.normal_,
            aten.uniform_,
            aten.exponential_,
            aten.random_,
            aten.nan_to_num,
            aten.rrelu,
            aten.renorm,
        ),
        same_axes,
    ),
}

"""Views: axes regrouped, moved and repeated; no value changes, or each by itself."""

from collections.abc import Sequence

import torch
from torch import fx

from mupfx.core.vocabulary import Reason
from mupfx.passes.axis_rules.call import Call
from mupfx.passes.axis_rules.factors import Dims, fresh, is_one, mark
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


def reshape_as(tracker: Tracker, call: Call) -> Dims:
    """Axes regrouped into another tensor's."""
    dims = reshape(tracker, call)
    tracker.join(call, dims, call.dims(call["other"]))
    return dims


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
    if dims:
        dims[first], dims[second] = dims[second], dims[first]
    return tuple(dims)


def reverse(tracker: Tracker, call: Call) -> Dims:
    """Axes in reverse order."""
    tracker.through(call, source(call))
    return call.dims(source(call))[::-1]


def last_two(tracker: Tracker, call: Call) -> Dims:
    """The last two axes swapped."""
    tracker.through(call, source(call))
    dims = call.dims(source(call))
    return (*dims[:-2], dims[-1], dims[-2])


def movedim(tracker: Tracker, call: Call) -> Dims:
    """``torch.movedim``."""
    tracker.through(call, source(call))
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


def expand_as(tracker: Tracker, call: Call) -> Dims:
    """Axes of size one repeated along another tensor's."""
    return tracker.broadcast(call, [source(call), call["other"]], call.out)


def repeat(tracker: Tracker, call: Call) -> Dims:
    """Each axis ``times x axis``."""
    node = source(call)
    dims, old = call.dims(node), call.sizes(node)
    offset = len(call.out) - len(dims)
    result = []
    for i, size in enumerate(call.out):
        dim = dims[i - offset] if i >= offset else ()
        had = old[i - offset] if i >= offset else tuple(1 for _ in size)
        times = fresh(tuple(a // b if b else 1 for a, b in zip(size, had, strict=True)))
        mark(times, REPEATED, call.node.name)
        result.append((*times, *dim))
    return tuple(result)


def repeat_interleave(_: Tracker, call: Call) -> Dims:
    """One axis becomes ``axis x times``."""
    node = source(call)
    dims, old = list(call.dims(node)), call.sizes(node)
    if len(dims) != len(call.out):
        return tuple(fresh(size) for size in call.out)
    dim = call["dim"] % len(dims) if call["dim"] is not None else 0
    size = call.out[dim]
    if not all(b % a == 0 for a, b in zip(old[dim], size, strict=True)):
        dims[dim] = fresh(size)
        return tuple(dims)
    times = fresh(tuple(b // a for a, b in zip(old[dim], size, strict=True)))
    mark(times, REPEATED, call.node.name)
    dims[dim] = (*dims[dim], *times)
    return tuple(dims)


def diagonal(_: Tracker, call: Call) -> Dims:
    """Two axes become the diagonal, last."""
    dims = list(call.dims(source(call)))
    second = 1 if call["dim2"] is None else call["dim2"]
    gone = sorted(d % len(dims) for d in (call["dim1"] or 0, second))
    sizes = call.sizes(source(call))
    kept = next((dims[d] for d in gone if sizes[d] == call.out[-1]), None)
    for d in reversed(gone):
        dims.pop(d)
    return (*dims, fresh(call.out[-1]) if kept is None else kept)


def as_complex(_: Tracker, call: Call) -> Dims:
    """Pairs of numbers, last, become one complex number."""
    *rest, pair = call.dims(source(call))
    mark(pair, Reason.PARTS, f"{call.node.name} takes real and imaginary part")
    return tuple(rest)


def as_real(_: Tracker, call: Call) -> Dims:
    """A complex number becomes a pair, last."""
    pair = fresh(call.out[-1])
    mark(pair, Reason.PARTS, f"{call.node.name} makes real and imaginary part")
    return (*call.dims(source(call)), pair)


RULES: Rules = {
    aten.view_as_complex: as_complex,
    aten.view_as_real: as_real,
    **dict.fromkeys(
        (
            aten.view, aten.reshape, aten._unsafe_view, aten.flatten, aten.unflatten,
            aten.ravel, aten._reshape_alias, aten.atleast_1d, aten.atleast_2d,
            aten.atleast_3d,
        ),
        reshape,
    ),
    **dict.fromkeys((aten.view_as, aten.reshape_as), reshape_as),
    aten.permute: permute,
    **dict.fromkeys((aten.transpose, aten.swapaxes, aten.swapdims), transpose),
    **dict.fromkeys((aten.t, aten.numpy_T), reverse),
    **dict.fromkeys((aten.mT, aten.mH, aten.adjoint, aten.matrix_H), last_two),
    **dict.fromkeys((aten.movedim, aten.moveaxis), movedim),
    aten.unsqueeze: unsqueeze,
    aten.squeeze: squeeze,
    **dict.fromkeys((aten.expand, aten.broadcast_to), expand_to),
    aten.expand_as: expand_as,
    **dict.fromkeys((aten.repeat, aten.tile), repeat),
    aten.repeat_interleave: repeat_interleave,
    **dict.fromkeys((aten.diagonal, aten.linalg_diagonal), diagonal),
    **dict.fromkeys(
        (
            aten.clone, aten.contiguous, aten.to, aten._to_copy, aten.detach, aten.alias,
            aten.lift_fresh_copy, aten.lift_fresh, aten.type_as, aten.dropout,
            aten.feature_dropout, aten.alpha_dropout, aten.native_dropout, aten.roll, aten.flip,
            aten.tril, aten.triu, aten.cumsum, aten.resolve_conj, aten.resolve_neg, aten.fliplr,
            aten.flipud, aten.feature_alpha_dropout, aten._fused_dropout, aten.pin_memory,
            aten._autocast_to_full_precision, aten._autocast_to_reduced_precision, aten._cast_Float,
            aten.fft_fftshift, aten.fft_ifftshift, aten.lift,
        ),
        same,
    ),
    **dict.fromkeys(
        (
            aten.softmax, aten._softmax, aten.log_softmax, aten._log_softmax, aten.cumprod,
            aten.cummax, aten.logcumsumexp, aten.zeros_like, aten.ones_like, aten.empty_like,
            aten.full_like, aten.rand_like, aten.randn_like, aten.bernoulli, aten.fill, aten.zero,
            aten.normal_, aten.uniform_, aten.exponential_, aten.random_, aten.nan_to_num,
            aten.rrelu, aten.renorm, aten.cummin, aten.randint_like, aten._safe_softmax,
            aten._masked_softmax, aten.special_softmax, aten.special_log_softmax,
            aten.embedding_renorm, aten.uniform, aten.exponential, aten.geometric, aten.cauchy,
            aten.log_normal, aten.log_normal_, aten.cauchy_, aten.geometric_, aten.random,
            aten.rrelu_with_noise, aten.fill_diagonal_, aten.dequantize,
        ),
        same_axes,
    ),
}  # fmt: skip

"""Ops over positions: pooling, resampling, windows, and channels folded into space."""

import torch

from mupfx.core.vocabulary import Reason
from mupfx.passes.axis_rules.call import Call
from mupfx.passes.axis_rules.factors import Dims, fresh, mark
from mupfx.passes.axis_rules.tracker import Rules, Tracker
from mupfx.passes.axis_rules.view import source

aten = torch.ops.aten


def unfold(_: Tracker, call: Call) -> Dims:
    """Sliding windows: a spatial axis, and the window last."""
    dims = list(call.dims(source(call)))
    if not dims:
        return tuple(fresh(size) for size in call.out)
    axis = call["dimension"] % len(dims)
    window, count = fresh(call.out[-1]), fresh(call.out[axis])
    for made in (window, count):
        mark(made, Reason.SPATIAL, f"{call.node.name} slides a window")
    dims[axis] = count
    return (*dims, window)


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


def beside(tracker: Tracker, call: Call) -> Dims:
    """Unpooling beside its indices; pooling at random places beside its samples."""
    node, indices = source(call), call.tensor("indices")
    if indices is not None:
        tracker.join(call, call.dims(node), call.dims(indices))
    samples = call.tensor("random_samples")
    if samples is not None:
        tracker.join(call, call.dims(node)[:2], call.dims(samples)[:2])
    return window(tracker, call)


def pixel_shuffle(tracker: Tracker, call: Call) -> Dims:
    """``(c r s), h, w -> c, (h r), (w s)``."""
    node = source(call)
    *lead, channels, height, width = call.dims(node)
    factor = tuple(a // b for a, b in zip(call.out[-1], call.sizes(node)[-1], strict=True))
    kept, rows, columns = tracker.reshape(call, [channels], [call.out[-3], factor, factor])
    mark((*rows, *columns), Reason.SPATIAL, f"{call.node.name} folds it into space")
    return (*lead, kept, (*height, *rows), (*width, *columns))


def pixel_unshuffle(tracker: Tracker, call: Call) -> Dims:
    """``c, (h r), (w s) -> (c r s), h, w``."""
    node = source(call)
    *lead, channels, height, width = call.dims(node)
    factor = tuple(call["downscale_factor"] for _ in call.out[-1])
    height, rows = tracker.reshape(call, [height], [call.out[-2], factor])
    width, columns = tracker.reshape(call, [width], [call.out[-1], factor])
    mark((*rows, *columns), Reason.SPATIAL, f"{call.node.name} folds it out of space")
    return (*lead, (*channels, *rows, *columns), height, width)


def channel_shuffle(tracker: Tracker, call: Call) -> Dims:
    """``(g c) -> (c g)``."""
    batch, channels, *space = call.dims(source(call))
    groups = tuple(call["groups"] if i == 0 else call.at_base("groups") for i in _models(call))
    each = tuple(n // g for n, g in zip(call.out[1], groups, strict=True))
    outer, inner = tracker.reshape(call, [channels], [groups, each])
    return (batch, (*inner, *outer), *space)


def _models(call: Call) -> range:
    return range(len(call.out[0]))


def patches(_: Tracker, call: Call) -> Dims:
    """``im2col``: ``c h w -> (c kernel) places``."""
    *lead, channels, _height, _width = call.dims(source(call))
    size = call.sizes(source(call))[-3]
    kernel = fresh(tuple(a // b for a, b in zip(call.out[-2], size, strict=True)))
    places = fresh(call.out[-1])
    mark((*kernel, *places), Reason.SPATIAL, f"{call.node.name} cuts patches out of space")
    return (*lead, (*channels, *kernel), places)


def from_patches(tracker: Tracker, call: Call) -> Dims:
    """``col2im``: ``(c kernel) places -> c h w``."""
    *lead, rows, _ = call.dims(source(call))
    channels = call.out[-3]
    kernel = tuple(a // b for a, b in zip(call.sizes(source(call))[-2], channels, strict=True))
    kept, gone = tracker.reshape(call, [rows], [channels, kernel])
    space = tuple(fresh(size) for size in call.out[-2:])
    for dim in (gone, *space):
        mark(dim, Reason.SPATIAL, f"{call.node.name} puts patches into space")
    return (*lead, kept, *space)


def sample(tracker: Tracker, call: Call) -> Dims:
    """``grid_sample``: ``n c ..., n y x 2 -> n c y x``; of a parameter, a look-up by place."""
    node, grid = source(call), call["grid"]
    batch, channels, *space = call.dims(node)
    theirs, *places, point = call.dims(grid)
    tracker.join(call, [batch], [theirs])
    mark(point, Reason.PARTS, f"{call.node.name} reads coordinates from it")
    for dim in space:
        mark(dim, Reason.SPATIAL, f"{call.node.name} samples it")
    if tracker.is_weight(node) and not tracker.is_weight(grid):
        tracker.look_up(call, node, range(2, 2 + len(space)), [grid])
    tracker.meet(call, [grid])
    return (batch or theirs, channels, *places)


def grid(_: Tracker, call: Call) -> Dims:
    """``affine_grid``: ``n 2 3 -> n y x 2``."""
    batch = call.dims(source(call))[0]
    made = tuple(fresh(size) for size in call.out[1:])
    for dim in made:
        mark(dim, Reason.SPATIAL, f"{call.node.name} makes places")
    return (batch, *made)


def windows(_: Tracker, call: Call) -> Dims:
    """``stft``: ``... t -> ... f n``, real and imaginary parts last where they are apart."""
    lead = call.dims(source(call))[:-1]
    made = tuple(fresh(size) for size in call.out[len(lead) :])
    for dim in made:
        mark(dim, Reason.SPATIAL, f"{call.node.name} slides a window")
    return (*lead, *made)


def from_windows(_: Tracker, call: Call) -> Dims:
    """``istft``: ``... f n -> ... t``."""
    made = fresh(call.out[-1])
    mark(made, Reason.SPATIAL, f"{call.node.name} adds windows up")
    return (*call.dims(source(call))[: len(call.out) - 1], made)


RULES: Rules = {
    aten.unfold: unfold,
    aten.pixel_shuffle: pixel_shuffle,
    aten.pixel_unshuffle: pixel_unshuffle,
    **dict.fromkeys((aten.channel_shuffle, aten.native_channel_shuffle), channel_shuffle),
    aten.im2col: patches,
    aten.col2im: from_patches,
    **dict.fromkeys(
        (
            aten.grid_sampler, aten.grid_sampler_2d, aten.grid_sampler_3d,
            aten._grid_sampler_2d_cpu_fallback,
        ),
        sample,
    ),
    **dict.fromkeys(
        (
            aten.max_unpool2d, aten.max_unpool3d, aten.fractional_max_pool2d,
            aten.fractional_max_pool3d,
        ),
        beside,
    ),
    aten.affine_grid_generator: grid,
    aten.stft: windows,
    aten.istft: from_windows,
    **dict.fromkeys(
        (
            aten.max_pool1d, aten.max_pool2d, aten.max_pool3d, aten.avg_pool1d, aten.avg_pool2d,
            aten.avg_pool3d, aten.adaptive_avg_pool1d, aten.adaptive_avg_pool2d,
            aten._adaptive_avg_pool2d, aten.adaptive_avg_pool3d, aten.upsample_nearest1d,
            aten.upsample_nearest2d, aten.upsample_nearest3d, aten.upsample_bilinear2d,
            aten.upsample_bicubic2d, aten.upsample_linear1d, aten.upsample_trilinear3d,
            aten._upsample_bilinear2d_aa, aten._upsample_bicubic2d_aa,
            aten._upsample_nearest_exact2d, aten.max_pool2d_with_indices, aten.adaptive_max_pool2d,
            aten.adaptive_max_pool1d, aten.adaptive_max_pool3d, aten._adaptive_avg_pool3d,
            aten.max_pool1d_with_indices, aten.max_pool3d_with_indices,
            aten._upsample_nearest_exact1d, aten._upsample_nearest_exact3d,
            aten._upsample_lanczos2d_aa,
        ),
        window,
    ),
}  # fmt: skip

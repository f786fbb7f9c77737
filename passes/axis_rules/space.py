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
    axis = call["dimension"] % max(len(dims), 1)
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


def pixel_shuffle(tracker: Tracker, call: Call) -> Dims:
    """``(c r s), h, w -> c, (h r), (w s)``."""
    node = source(call)
    *lead, channels, height, width = call.dims(node)
    factor = tuple(a // b for a, b in zip(call.out[-1], call.sizes(node)[-1], strict=True))
    kept, rows, columns = tracker.reshape(call, [channels], [call.out[-3], factor, factor])
    mark((*rows, *columns), Reason.SPATIAL, f"{call.node.name} folds it into space")
    return (*lead, kept, (*height, *rows), (*width, *columns))


RULES: Rules = {
    aten.unfold: unfold,
    aten.pixel_shuffle: pixel_shuffle,
    **dict.fromkeys(
        (
            aten.max_pool1d, aten.max_pool2d, aten.max_pool3d, aten.avg_pool1d, aten.avg_pool2d,
            aten.avg_pool3d, aten.adaptive_avg_pool1d, aten.adaptive_avg_pool2d,
            aten._adaptive_avg_pool2d, aten.adaptive_avg_pool3d, aten.upsample_nearest1d,
            aten.upsample_nearest2d, aten.upsample_nearest3d, aten.upsample_bilinear2d,
            aten.upsample_bicubic2d, aten.upsample_linear1d, aten.upsample_trilinear3d,
            aten._upsample_bilinear2d_aa, aten._upsample_bicubic2d_aa,
            aten._upsample_nearest_exact2d, aten.max_pool2d_with_indices, aten.adaptive_max_pool2d,
            aten.adaptive_max_pool1d,
        ),
        window,
    ),
}  # fmt: skip

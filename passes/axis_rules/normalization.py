"""Normalisation: gains and biases lie along the normalised axes; the input's scale is lost."""

from collections.abc import Sequence

import torch

from mupfx.passes.axis_rules.call import Call
from mupfx.passes.axis_rules.factors import Dim, Dims, fresh
from mupfx.passes.axis_rules.tracker import Rules, Tracker
from mupfx.passes.axis_rules.view import source

aten = torch.ops.aten

AFFINE = ("weight", "bias", "running_mean", "running_var")


def trailing(tracker: Tracker, call: Call) -> Dims:
    """``layer_norm``, ``rms_norm``: gains lie along the last axes."""
    node = source(call)
    dims = call.dims(node)
    _affine(tracker, call, dims[-len(call["normalized_shape"]) :])
    return dims


def channel(tracker: Tracker, call: Call) -> Dims:
    """``batch_norm``, ``group_norm``, ``instance_norm``: gains lie along axis one."""
    dims = call.dims(source(call))
    _affine(tracker, call, dims[1:2])
    return dims


def channels(tracker: Tracker, call: Call) -> list[Dims]:
    """The same for kernels that also return statistics."""
    dims = channel(tracker, call)
    return [dims, *(tuple(fresh(size) for size in sizes) for sizes in call.outs[1:])]


def _affine(tracker: Tracker, call: Call, axes: Sequence[Dim]) -> None:
    nodes = [n for n in (call.tensor(name) for name in AFFINE) if n is not None]
    for node in nodes:
        for mine, theirs in zip(axes, call.dims(node), strict=True):
            if mine and theirs:
                tracker.unify(call, mine, theirs)
    tracker.meet(call, [source(call), *nodes])


def weight_norm(tracker: Tracker, call: Call) -> Dims:
    """``w = g * v / |v|``: a direction and its length along one axis."""
    direction, length = call["v"], call["g"]
    return tracker.broadcast(call, [direction, length], call.sizes(direction))


RULES: Rules = {
    **dict.fromkeys((aten.layer_norm, aten.rms_norm, aten._fused_rms_norm), trailing),
    **dict.fromkeys(
        (
            aten.batch_norm, aten.group_norm, aten.instance_norm, aten._native_batch_norm_legit,
            aten.native_batch_norm, aten.cudnn_batch_norm,
            aten._native_batch_norm_legit_no_training,
        ),
        channel,
    ),
    aten._batch_norm_impl_index: channels,
    aten.native_group_norm: channels,
    **dict.fromkeys((aten._weight_norm, aten._weight_norm_interface), weight_norm),
}  # fmt: skip

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


def trailing_kernel(tracker: Tracker, call: Call) -> list[Dims]:
    """The same for kernels that also return the statistics, of size one along those axes."""
    dims = trailing(tracker, call)
    count = len(call["normalized_shape"])
    statistics = (*dims[: len(dims) - count], *(() for _ in range(count)))
    return [dims, *(statistics for _ in call.outs[1:])]


def channel_kernel(tracker: Tracker, call: Call) -> list[Dims]:
    """The same for kernels that also return the statistics: one entry a channel, or none."""
    dims = channel(tracker, call)
    size = call.sizes(source(call))[1]
    rest = [
        dims[1:2] if sizes == [size] else tuple(fresh(s) for s in sizes) for sizes in call.outs[1:]
    ]
    return [dims, *rest]


def group_kernel(tracker: Tracker, call: Call) -> list[Dims]:
    """``native_group_norm``: statistics of each row and group."""
    dims = channel(tracker, call)
    return [dims, *((dims[0], fresh(sizes[1])) for sizes in call.outs[1:])]


def _affine(tracker: Tracker, call: Call, axes: Sequence[Dim]) -> None:
    nodes = [n for n in (call.tensor(name) for name in AFFINE) if n is not None]
    for node in nodes:
        tracker.join(call, axes, call.dims(node))
    tracker.meet(call, [source(call), *nodes])


def lengths(_: Tracker, call: Call) -> Dims:
    """``norm_except_dim``: one length along one axis, of size one along the others."""
    dims = call.dims(source(call))
    return tuple(dim if i == call["dim"] else () for i, dim in enumerate(dims[: len(call.out)]))


def weight_norm(tracker: Tracker, call: Call) -> Dims:
    """``w = g * v / |v|``: a direction and its length along one axis."""
    direction, length = call["v"], call["g"]
    return tracker.broadcast(call, [direction, length], call.sizes(direction))


RULES: Rules = {
    **dict.fromkeys((aten.layer_norm, aten.rms_norm), trailing),
    **dict.fromkeys((aten.native_layer_norm, aten._fused_rms_norm), trailing_kernel),
    **dict.fromkeys((aten.batch_norm, aten.group_norm, aten.instance_norm), channel),
    **dict.fromkeys(
        (
            aten._native_batch_norm_legit, aten._native_batch_norm_legit_functional,
            aten._native_batch_norm_legit_no_training, aten.native_batch_norm,
            aten._batch_norm_with_update, aten._batch_norm_with_update_functional,
            aten._batch_norm_no_update, aten.cudnn_batch_norm, aten.miopen_batch_norm,
            aten._batch_norm_impl_index,
        ),
        channel_kernel,
    ),
    aten.native_group_norm: group_kernel,
    **dict.fromkeys((aten._weight_norm, aten._weight_norm_interface), weight_norm),
    aten.norm_except_dim: lengths,
}  # fmt: skip

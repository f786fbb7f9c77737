"""Elementwise ops: axes are joined from the right, as broadcasting lines them up.

Which ops these are is read off ``torch.Tag.pointwise``; the table lists only those that torch does
not tag.
"""

import torch

from mupfx.passes.axis_rules.call import Call
from mupfx.passes.axis_rules.factors import Dims
from mupfx.passes.axis_rules.tracker import Rules, Tracker

aten = torch.ops.aten


def elementwise(tracker: Tracker, call: Call) -> Dims:
    """``y[i, j] = f(a[i, j], b[j], ...)``."""
    nodes = call.tensors()
    dims = tracker.broadcast(call, nodes, call.out)
    tracker.meet(call, nodes)
    return dims


def add(tracker: Tracker, call: Call) -> Dims:
    """The same; a parameter added to a product of a weight is that weight's bias."""
    nodes = call.tensors()
    dims = tracker.broadcast(call, nodes, call.out)
    beside = next((tracker.producer[n] for n in nodes if n in tracker.producer), None)
    tracker.meet(call, nodes, companion=beside)
    return dims


def prelu(tracker: Tracker, call: Call) -> Dims:
    """Slopes lie along axis one, whatever comes after."""
    node, slopes = call["self"], call["weight"]
    dims = call.dims(node)
    tracker.join(call, dims[1:2], call.dims(slopes))
    tracker.meet(call, [node, slopes])
    return dims


RULES: Rules = {
    **dict.fromkeys((aten.add, aten.sub), add),
    aten.prelu: prelu,
    **dict.fromkeys(
        (
            aten.mul, aten.where, aten.pow, aten.__and__, aten.__or__, aten.__xor__,
            aten.copy, aten.masked_fill, aten.bitwise_not, aten.isin, aten.complex, aten.polar,
            aten.real, aten.imag, aten.angle, aten.gelu, aten.softplus, aten.mish,
            aten.celu, aten.relu6, aten.hardtanh, aten.selu, aten.rsub, aten.square, aten.clamp,
            aten.lerp, aten.log_sigmoid, aten.min.other, aten.max.other,
        ),
        elementwise,
    ),
}  # fmt: skip

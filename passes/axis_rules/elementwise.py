"""Elementwise ops: axes are joined from the right, as broadcasting lines them up.

Which ops these are is read off ``torch.Tag.pointwise``; the table lists only those that torch does
not tag.
"""

from collections.abc import Sequence

import torch
from torch import fx

from mupfx.passes.axis_rules.call import Call
from mupfx.passes.axis_rules.factors import Dims, mark
from mupfx.passes.axis_rules.swaps import swaps
from mupfx.passes.axis_rules.tracker import ADDED, Rules, Tracker

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
    product = next((n for n in nodes if n in tracker.producer), None)
    tracker.meet(call, nodes, companion=tracker.producer[product] if product else None)
    if product is not None and not any(n in tracker.active for n in nodes if n is not product):
        tracker.through(call, product)
    if _is_residual(tracker, nodes) and not swaps(call.node):
        mark([piece for dim in dims for piece in dim], ADDED, call.node.name)
        tracker.basis[call.node] = frozenset({call.node})
    return dims


def _is_residual(tracker: Tracker, nodes: Sequence[fx.Node]) -> bool:
    """Whether what a weight made is added to an activation that is not made of it alone."""
    stands = [tracker.basis.get(n, frozenset({n})) for n in nodes if n in tracker.active]
    return len(set(stands)) > 1 and any(n in tracker.before for on in stands for n in on)


def prelu(tracker: Tracker, call: Call) -> Dims:
    """Slopes lie along axis one, whatever comes after."""
    node, slopes = call["self"], call["weight"]
    dims = call.dims(node)
    tracker.join(call, dims[1:2], call.dims(slopes))
    tracker.meet(call, [node, slopes])
    return dims


ALIASES = (
    aten.absolute, aten.arccos, aten.arccosh, aten.arcsin, aten.arcsinh, aten.arctan, aten.arctan2,
    aten.arctanh, aten.divide, aten.fix, aten.greater, aten.greater_equal, aten.less,
    aten.less_equal, aten.multiply, aten.negative, aten.not_equal, aten.special_digamma,
    aten.special_erf, aten.special_erfc, aten.special_erfinv, aten.special_exp2,
    aten.special_expit, aten.special_expm1, aten.special_gammainc, aten.special_gammaincc,
    aten.special_gammaln, aten.special_i0, aten.special_log1p, aten.special_logit,
    aten.special_multigammaln, aten.special_ndtr, aten.special_polygamma, aten.special_psi,
    aten.special_round, aten.special_sinc, aten.special_xlogy, aten.true_divide, aten.clip,
    aten._conj, aten.conj, aten.isreal, aten.chalf, aten._neg_view,
)  # fmt: skip
"""Other names of elementwise ops, which torch does not tag."""

RULES: Rules = {
    **dict.fromkeys((aten.add, aten.sub, aten.subtract), add),
    **dict.fromkeys(ALIASES, elementwise),
    aten.prelu: prelu,
    **dict.fromkeys(
        (
            aten.mul, aten.where, aten.pow, aten.__and__, aten.__or__, aten.__xor__,
            aten.copy, aten.masked_fill, aten.bitwise_not, aten.isin, aten.complex, aten.polar,
            aten.real, aten.imag, aten.angle, aten.gelu, aten.softplus, aten.mish,
            aten.celu, aten.relu6, aten.hardtanh, aten.selu, aten.rsub, aten.square, aten.clamp,
            aten.lerp, aten.log_sigmoid, aten.log_sigmoid_forward, aten.min.other, aten.max.other,
            aten.hardswish, aten.threshold, aten._prelu_kernel, aten.floor_divide, aten.isclose,
            aten.fake_quantize_per_tensor_affine,
            aten.fake_quantize_per_tensor_affine_cachemask, aten.normal, aten.normal_functional,
            aten.poisson, aten.binomial, aten._masked_scale,
        ),
        elementwise,
    ),
}  # fmt: skip

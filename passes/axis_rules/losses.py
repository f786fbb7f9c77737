"""Losses: predictions against targets, whose axes are joined and then summed or kept.

``cross_entropy(b c t, b t) -> b t`` without a reduction, one number with one.
"""

import torch
from torch import fx

from mupfx.core.vocabulary import Reason
from mupfx.passes.axis_rules.call import Call
from mupfx.passes.axis_rules.factors import Dims, mark
from mupfx.passes.axis_rules.tracker import Rules, Tracker
from mupfx.passes.axis_rules.view import source

aten = torch.ops.aten


def pointwise(tracker: Tracker, call: Call) -> Dims:
    """``mse_loss``: tensors compared entry by entry."""
    nodes = call.tensors()
    sizes = [max(column) for column in _columns(call, nodes)]
    dims = tracker.broadcast(call, nodes, sizes)
    tracker.meet(call, nodes)
    return dims if call.out else ()


def _columns(call: Call, nodes: list[fx.Node]) -> list[list[tuple[int, ...]]]:
    rank = max(len(call.sizes(n)) for n in nodes)
    one = tuple(1 for _ in range(2 if call.base else 1))
    shapes = [[one] * (rank - len(call.sizes(n))) + call.sizes(n) for n in nodes]
    return [list(column) for column in zip(*shapes, strict=True)]


def by_class(tracker: Tracker, call: Call) -> Dims:
    """``cross_entropy``: classes lie along axis one, or stand alone; targets may be indices."""
    scores, target = source(call), call["target"]
    dims = call.dims(scores)
    place = min(len(dims), 2) - 1
    classes, rest = dims[place], (*dims[:place], *dims[place + 1 :])
    indices = len(call.sizes(target)) < len(dims)
    tracker.join(call, rest if indices else dims, call.dims(target))
    if indices:
        mark(classes, Reason.INDEX, f"{call.node.name} counts classes along it")
    weight = call.tensor("weight")
    if weight is not None:
        tracker.join(call, [classes], call.dims(weight))
    return rest if call.out else ()


def by_class_kernel(tracker: Tracker, call: Call) -> list[Dims]:
    """The same for kernels that also return the total weight."""
    return [by_class(tracker, call), ()]


RULES: Rules = {
    **dict.fromkeys(
        (
            aten.mse_loss, aten.l1_loss, aten.smooth_l1_loss, aten.huber_loss, aten.kl_div,
            aten.binary_cross_entropy, aten.binary_cross_entropy_with_logits,
            aten.hinge_embedding_loss, aten.soft_margin_loss,
            aten.poisson_nll_loss, aten.margin_ranking_loss,
        ),
        pointwise,
    ),
    **dict.fromkeys(
        (aten.cross_entropy_loss, aten.nll_loss, aten.nll_loss_nd, aten.nll_loss2d), by_class
    ),
    **dict.fromkeys((aten.nll_loss_forward, aten.nll_loss2d_forward), by_class_kernel),
}  # fmt: skip

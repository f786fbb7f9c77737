"""Reductions drop axes, or leave them with size one."""

from collections.abc import Sequence

import torch
from torch import fx

from mupfx.core.vocabulary import Reason
from mupfx.passes.axis_rules.call import Call, is_tensor
from mupfx.passes.axis_rules.contraction import by_hand
from mupfx.passes.axis_rules.factors import Dims, mark
from mupfx.passes.axis_rules.tracker import Rules, Tracker
from mupfx.passes.axis_rules.view import source

aten = torch.ops.aten

PRODUCTS = (aten.mul.Tensor, aten.mul_.Tensor)
INDICES = (aten.argmax.default, aten.argmin.default)


def reduce(_: Tracker, call: Call) -> Dims:
    """``y[i] = sum_j x[i, j]``."""
    dims = call.dims(source(call))
    gone = _reduced(call, len(dims))
    if len(call.out) == len(dims):
        return tuple(() if i in gone else dim for i, dim in enumerate(dims))
    return tuple(dim for i, dim in enumerate(dims) if i not in gone)


def _reduced(call: Call, rank: int) -> set[int]:
    chosen = call["dim"]
    if chosen is None or (isinstance(chosen, Sequence) and not chosen):
        return set(range(rank))
    return {d % max(rank, 1) for d in ([chosen] if isinstance(chosen, int) else chosen)}


def total(tracker: Tracker, call: Call) -> Dims:
    """A sum; of a product of two tensors, it is a contraction written by hand."""
    product = source(call)
    if product.target in PRODUCTS:
        operands = [n for n in product.all_input_nodes if n in tracker.env]
        gone = _reduced(call, len(call.dims(product)))
        by_hand(tracker, call, product, operands, gone)
    return reduce(tracker, call)


def choose(tracker: Tracker, call: Call) -> Dims:
    """``argmax``: a reduction whose axis is selected from; ``max`` too, if the index is read."""
    dims = call.dims(source(call))
    for i in _reduced(call, len(dims)) if _selects(call.node) else ():
        mark(dims[i], Reason.SELECTION, f"{call.node.name} selects along it")
    return reduce(tracker, call)


def _selects(node: fx.Node) -> bool:
    if is_tensor(node):
        return node.target in INDICES
    return any(pick.args[1:] != (0,) and pick.users for pick in node.users)


RULES: Rules = {
    aten.sum: total,
    **dict.fromkeys(
        (
            aten.mean, aten.amax, aten.amin, aten.var, aten.std, aten.prod, aten.any,
            aten.all, aten.norm, aten.linalg_vector_norm, aten.logsumexp, aten.var_mean,
            aten.std_mean, aten.count_nonzero, aten.nansum, aten.nanmean, aten.special_logsumexp,
        ),
        reduce,
    ),
    **dict.fromkeys((aten.argmax, aten.argmin, aten.max, aten.min, aten.mode, aten.median), choose),
}  # fmt: skip

"""Ops that make a tensor from numbers: nothing is known of its axes until they meet others."""

import torch

from mupfx.core.vocabulary import Reason
from mupfx.passes.axis_rules.call import Call
from mupfx.passes.axis_rules.factors import Dims, fresh, mark
from mupfx.passes.axis_rules.tracker import Rules, Tracker

aten = torch.ops.aten


def made(_: Tracker, call: Call) -> Dims:
    """Axes as long as the code says."""
    return tuple(fresh(size) for size in call.out)


def counted(_: Tracker, call: Call) -> Dims:
    """Axes that count something in the data: bins, true places."""
    dims = tuple(fresh(size) for size in call.out)
    for dim in dims:
        mark(dim, Reason.SELECTION, f"{call.node.name} counts into it")
    return dims


RULES: Rules = {
    **dict.fromkeys(
        (
            aten.arange, aten.zeros, aten.ones, aten.empty, aten.full, aten.rand, aten.randn,
            aten.randint, aten.randperm, aten.eye, aten.linspace, aten.new_zeros, aten.new_ones,
            aten.new_empty, aten.new_full, aten.scalar_tensor, aten.tensor, aten.empty_strided,
            aten.tril_indices, aten.triu_indices,
        ),
        made,
    ),
    **dict.fromkeys((aten.histc, aten.bincount, aten.nonzero, aten._unique2), counted),
}  # fmt: skip

"""One table from op to rule: the union of the families beside this file.

Adding an op is adding a row to a family's table. Lookup goes from the overload's packet to its
functional twin (``add_`` to ``add``), then to ``torch.Tag.pointwise``; what is left is probed.
"""

from functools import cache

import torch

from mupfx.passes.axis_rules import (
    arrange,
    attention,
    convolution,
    create,
    elementwise,
    gradients,
    indexing,
    losses,
    matrices,
    normalization,
    parts,
    products,
    recurrent,
    reduction,
    space,
    spectral,
    strided,
    view,
)
from mupfx.passes.axis_rules.tracker import Rule, Rules


def _union(*tables: Rules) -> dict[object, Rule]:
    rules: dict[object, Rule] = {}
    for table in tables:
        for op, rule in table.items():
            if op in rules:
                raise ValueError(f"{op} has two rules: {rules[op].__name__} and {rule.__name__}")
            rules[op] = rule
    return rules


RULES = _union(
    arrange.RULES,
    attention.RULES,
    convolution.RULES,
    create.RULES,
    elementwise.RULES,
    gradients.RULES,
    indexing.RULES,
    losses.RULES,
    matrices.RULES,
    normalization.RULES,
    parts.RULES,
    products.RULES,
    recurrent.RULES,
    reduction.RULES,
    space.RULES,
    spectral.RULES,
    strided.RULES,
    view.RULES,
)


@cache
def rule_of(op: torch._ops.OpOverload) -> Rule | None:
    """The rule of an overload; None where it has to be probed."""
    twin = _functional(op.overloadpacket)
    found = RULES.get(op) or RULES.get(op.overloadpacket) or RULES.get(twin)
    same = getattr(twin, op._overloadname, None)
    return found or (elementwise.elementwise if _is_pointwise(op) or _is_pointwise(same) else None)


def _is_pointwise(op: object) -> bool:
    return isinstance(op, torch._ops.OpOverload) and torch.Tag.pointwise in op.tags


SUFFIXES = ("_copy", "_")
"""What an op in place, or one that copies where its twin views, has behind its twin's name."""


def _functional(packet: torch._ops.OpOverloadPacket) -> object:
    space, _, name = str(packet).rpartition(".")
    namespace = getattr(torch.ops, space)
    names = [name.removesuffix(s) for s in SUFFIXES if name.endswith(s) and name.strip("_")]
    return next((getattr(namespace, n) for n in names if hasattr(namespace, n)), None)

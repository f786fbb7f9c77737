"""One table from op to rule: the union of the families beside this file.

Adding an op is adding a row to a family's table. Lookup goes from the overload's packet to its
functional twin (``add_`` to ``add``), then to ``torch.Tag.pointwise``; what is left is probed.
"""

from functools import cache

import torch

from mupfx.passes.axis_rules import (
    attention,
    contraction,
    convolution,
    create,
    elementwise,
    indexing,
    normalization,
    parts,
    recurrent,
    reduction,
    space,
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
    attention.RULES,
    contraction.RULES,
    convolution.RULES,
    create.RULES,
    elementwise.RULES,
    indexing.RULES,
    normalization.RULES,
    parts.RULES,
    recurrent.RULES,
    reduction.RULES,
    space.RULES,
    view.RULES,
)


@cache
def rule_of(op: torch._ops.OpOverload) -> Rule | None:
    """The rule of an overload; None where it has to be probed."""
    packet = op.overloadpacket
    found = RULES.get(op) or RULES.get(packet) or RULES.get(_functional(packet))
    if found is None and torch.Tag.pointwise in op.tags:
        return elementwise.elementwise
    return found


def _functional(packet: torch._ops.OpOverloadPacket) -> object:
    name = str(packet).rpartition(".")[2]
    namespace = getattr(torch.ops, str(packet).partition(".")[0])
    return getattr(namespace, name[:-1], None) if name.endswith("_") else None

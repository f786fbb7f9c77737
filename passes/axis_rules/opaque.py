"""Nodes that no rule speaks for: what can still be said of them, and why no more.

A custom op is probed. One that writes into its arguments and returns nothing is probed for which
axes it ties together. Of a Triton kernel and of a higher-order op that capture does not enter,
nothing is known but what goes in; both are reported, with the user's line.
"""

from typing import Any

import torch
from torch import fx

from mupfx.core.program import source_line
from mupfx.passes.axis_rules.call import Call
from mupfx.passes.axis_rules.factors import Dims
from mupfx.passes.axis_rules.probe import probe, tie
from mupfx.passes.axis_rules.tracker import Tracker
from mupfx.tables.op_standing import UNSUPPORTED

NO_RULE = "has no axis rule and its fake kernel refuses other sizes"
NOT_ENTERED = "is a higher-order op that capture does not enter"
TRITON = "is a Triton kernel: which axes of its tensors are equal is not known"
WRITES = "writes into its arguments and ties no axes of theirs"
WRONG_SIZES = "has an axis rule that gave other sizes than the op did"


def note(tracker: Tracker, node: fx.Node, why: str) -> None:
    """Report an op whose axes are not known, and the user's line."""
    tracker.unknown[node.name] = f"{node.target} {why}, at {source_line(node) or node.name}"


def ask(tracker: Tracker, call: Call) -> Dims | list[Dims] | None:
    """Axes of an op without a rule; None, and a note, where they cannot be found out."""
    target, found = call.node.target, None
    reason = UNSUPPORTED.get(getattr(target, "overloadpacket", None))
    if not isinstance(target, torch._ops.OpOverload):
        why = NOT_ENTERED
    elif reason is not None:
        why = f"is not supported: {reason}"
    else:
        why, found = NO_RULE, probe(tracker, call)
    if found is None:
        note(tracker, call.node, why)
    return found


def written(tracker: Tracker, call: Call) -> None:
    """An op that returns no tensor: what it writes into lies beside what it reads."""
    node = call.node
    if not writes(node):
        return
    if not tie(tracker, call):
        note(tracker, node, TRITON if _is_triton(node) else WRITES)
    given = call.tensors()
    if any(n in tracker.active for n in given):
        tracker.meet(call, given)
        tracker.active |= {n for n in given if not tracker.is_weight(n)}


def writes(node: fx.Node) -> bool:
    """Whether a node that returns nothing may write into a tensor."""
    if isinstance(node.target, torch._ops.OpOverload):
        return node.target._schema.is_mutable and node.target.namespace != "aten"
    return isinstance(node.target, torch._ops.HigherOrderOperator)


def _is_triton(node: fx.Node) -> bool:
    return "triton" in str(node.target)


def by_name(tracker: Tracker, call: Call) -> list[Dims]:
    """A Triton kernel that returns what it wrote, by the names of its arguments."""
    note(tracker, call.node, TRITON)
    given: Any = call.node.kwargs["kwargs"]
    return [call.dims(given[name]) for name in call.node.meta["val"]]

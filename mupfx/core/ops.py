"""Small questions about nodes that several passes ask."""

import operator
from collections.abc import Container
from math import prod

import torch
from torch import fx
from torch._ops import OpOverload

from mupfx.core.program import shape_of


def packet(node: fx.Node) -> object:
    """The op of a node without its overload; None for anything that is no ATen call."""
    return node.target.overloadpacket if isinstance(node.target, OpOverload) else None


def is_pointwise(node: fx.Node) -> bool:
    """Whether torch says that an op works entry by entry."""
    return isinstance(node.target, OpOverload) and torch.Tag.pointwise in node.target.tags


def is_pick(node: fx.Node) -> bool:
    """Whether a node takes one result of an op with several."""
    return node.target is operator.getitem


def holds_floats(node: fx.Node) -> bool:
    """Whether a node holds a tensor of floating point numbers."""
    value = node.meta.get("val")
    return isinstance(value, torch.Tensor) and value.dtype.is_floating_point


SPELLINGS = {
    "aten.multiply": "aten.mul",
    "aten.divide": "aten.div",
    "aten.true_divide": "aten.div",
}
"""Other names of the same ops."""


def constant_factor(node: fx.Node) -> float | None:
    """``c`` where the node is ``x * c``, ``c * x`` or ``x / (1/c)``, in place too; else None.

    ``c`` is a number, or a tensor of one that neither inputs nor parameters have a part in.
    """
    op = str(packet(node)).removesuffix("_")
    op = SPELLINGS.get(op, op)
    if op not in ("aten.mul", "aten.div") or len(node.args) < 2:
        return None
    first, other = node.args[:2]
    value = _number(other)
    if value is None and op == "aten.mul":
        value = _number(first)
    if value is None or (op == "aten.div" and (value == 0 or node.kwargs.get("rounding_mode"))):
        return None
    return value if op == "aten.mul" else 1 / value


def _number(argument: object) -> float | None:
    if isinstance(argument, int | float) and not isinstance(argument, bool):
        return float(argument)
    value = _computed(argument) if isinstance(argument, fx.Node) else None
    return None if value is None or value.is_meta else float(value)


CONSTANT = "constant"
"""Key of a placeholder's ``meta`` under which capture notes the value of a buffer of one number."""
FILLED = ("aten.full", "aten.scalar_tensor")


def _computed(node: fx.Node) -> torch.Tensor | None:
    """The value of a tensor of one number that is made of constants alone; else None."""
    value = node.meta.get("val")
    if not isinstance(value, torch.Tensor) or prod(shape_of(node) or ()) != 1:
        return None
    if CONSTANT in node.meta:
        return torch.tensor(node.meta[CONSTANT], dtype=value.dtype)
    if (
        not isinstance(node.target, OpOverload)
        or torch.Tag.nondeterministic_seeded in node.target.tags
    ):
        return None
    sources = {n: _computed(n) for n in node.all_input_nodes}
    if any(v is None for v in sources.values()) or not (sources or str(packet(node)) in FILLED):
        return None
    args, kwargs = fx.map_arg((node.args, dict(node.kwargs)), lambda n: sources[n])
    made: torch.Tensor = node.target(*args, **kwargs | {k: "cpu" for k in kwargs if k == "device"})
    return made


def data_inputs(node: fx.Node) -> list[fx.Node]:
    """Operands that hold floats and are no constants."""
    return [n for n in node.all_input_nodes if _carries_data(n) and _computed(n) is None]


def _carries_data(node: fx.Node) -> bool:
    if is_pick(node) or isinstance(node.meta.get("val"), tuple | list):
        return True
    return holds_floats(node)


def learned(graph: fx.Graph, parameters: Container[str]) -> frozenset[fx.Node]:
    """Nodes that depend on a parameter, given the placeholders that are parameters."""
    found: set[fx.Node] = set()
    for node in graph.nodes:
        if node.name in parameters or any(n in found for n in node.all_input_nodes):
            found.add(node)
    return frozenset(found)

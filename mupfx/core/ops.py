"""Small questions about nodes that several passes ask."""

import operator
from collections.abc import Container

import torch
from torch import fx
from torch._ops import OpOverload


def packet(node: fx.Node) -> object:
    """The op of a node without its overload; None for anything that is no ATen call."""
    return node.target.overloadpacket if isinstance(node.target, OpOverload) else None


def is_pick(node: fx.Node) -> bool:
    """Whether a node takes one result of an op with several."""
    return node.target is operator.getitem


def holds_floats(node: fx.Node) -> bool:
    """Whether a node holds a tensor of floating point numbers."""
    value = node.meta.get("val")
    return isinstance(value, torch.Tensor) and value.dtype.is_floating_point


def constant_factor(node: fx.Node) -> float | None:
    """``c`` where the node is ``x * c`` or ``x / (1/c)`` with a number, in place too; else None."""
    op = str(packet(node)).removesuffix("_")
    if op not in ("aten.mul", "aten.div") or len(node.args) < 2:
        return None
    other = node.args[1]
    value = _number(other)
    if value is None or (op == "aten.div" and (value == 0 or node.kwargs.get("rounding_mode"))):
        return None
    return value if op == "aten.mul" else 1 / value


def _number(argument: object) -> float | None:
    if isinstance(argument, int | float) and not isinstance(argument, bool):
        return float(argument)
    if isinstance(argument, fx.Node) and str(packet(argument)) in (
        "aten.full",
        "aten.scalar_tensor",
    ):
        fill = argument.args[-1] if str(packet(argument)) == "aten.full" else argument.args[0]
        return float(fill) if isinstance(fill, int | float) else None
    return None


def data_inputs(node: fx.Node) -> list[fx.Node]:
    """Operands that hold floats and are no placeholders of parameters or buffers."""
    return [n for n in node.all_input_nodes if _carries_data(n)]


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

"""A graph as plain rows, one a node, which pickle; ops are written by name.

::

    Row("call_function", "mul", Op("aten.mul.Tensor"), (Ref("x"), 0.5), {}, {...})
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx
from torch.fx.node import map_aggregate

KEPT = ("nn_module_stack", "stack_trace", "shape", "multiplier")
"""What is kept of what is known about a node."""


@dataclass(frozen=True, slots=True)
class Ref:
    """Another node, by name."""

    name: str


@dataclass(frozen=True, slots=True)
class Op:
    """An op of torch's, by its path below ``torch.ops``."""

    path: str


@dataclass(frozen=True, slots=True)
class Row:
    """One node."""

    op: str
    name: str
    target: Any
    args: Any
    kwargs: Any
    meta: dict[str, Any]


def to_rows(graph: fx.Graph) -> list[Row]:
    """Every node, in order."""
    return [
        Row(
            node.op,
            node.name,
            _named(node.target),
            map_aggregate(node.args, _reference),
            map_aggregate(dict(node.kwargs), _reference),
            {key: node.meta[key] for key in KEPT if key in node.meta},
        )
        for node in graph.nodes
    ]


def from_rows(rows: Sequence[Row]) -> fx.Graph:
    """The graph that was written down."""
    graph = fx.Graph()
    nodes: dict[str, fx.Node] = {}

    def found(value: Any) -> Any:
        return nodes[value.name] if isinstance(value, Ref) else value

    for row in rows:
        args, kwargs = map_aggregate(row.args, found), map_aggregate(row.kwargs, found)
        node = graph.create_node(row.op, _op(row.target), args, kwargs, row.name)
        node.meta = dict(row.meta)
        nodes[row.name] = node
    return graph


def _reference(value: Any) -> Any:
    return Ref(value.name) if isinstance(value, fx.Node) else value


def _named(target: Any) -> Any:
    if isinstance(target, torch._ops.OpOverload):
        return Op(str(target))
    if isinstance(target, torch._ops.HigherOrderOperator):
        return Op(f"higher_order.{target._name}")
    return target


def _op(target: Any) -> Any:
    if not isinstance(target, Op):
        return target
    found: Any = torch.ops
    for part in target.path.split("."):
        found = getattr(found, part)
    return found

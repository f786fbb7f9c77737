"""Types and devices that the code takes from its tensors, taken from them by the graph as well.

Traced, they are constants. Which follow the model shows its graph in another type, elsewhere::

    to(x, torch.float32)  |  to(x, torch.bfloat16)   ->   to(x, weight.dtype)
    to(x, torch.float32)  |  to(x, torch.float32)    ->   to(x, torch.float32)
"""

import operator
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx
from torch.fx.passes.infra.pass_base import PassBase, PassResult

from mupfx.core.ops import packet
from mupfx.passes.rewrite.differences import Difference, give

OTHER = {
    torch.float32: torch.bfloat16,
    torch.bfloat16: torch.float32,
    torch.float16: torch.float32,
    torch.float64: torch.float32,
}
"""The type that a model is looked at in beside its own."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What differs in a graph of the model in another type, on another device."""

    found: tuple[Difference, ...]
    dtype: torch.dtype
    other: torch.dtype
    parameter: str
    """Placeholder of a parameter of that type."""

    @property
    def typed(self) -> bool:
        """Whether it is another type, and not only another device."""
        return self.other is not self.dtype


def unexplained(elsewhere: Elsewhere) -> str:
    """The first difference that follows from neither type nor device; none is empty."""
    for each in elsewhere.found:
        pair = each.mine, each.theirs
        numbers = all(isinstance(v, int | float) for v in pair) and elsewhere.typed
        devices = all(isinstance(v, torch.device) for v in pair)
        if not (numbers or devices or pair == (elsewhere.dtype, elsewhere.other)):
            return f"{each.node}: {each.mine}, and {each.theirs} elsewhere"
    return ""


class FollowTensors(PassBase):
    """Let types and devices be asked of a parameter."""

    def __init__(self, elsewhere: Elsewhere) -> None:
        self.elsewhere = elsewhere
        self.asked: dict[str, fx.Node] = {}

    def call(self, graph_module: fx.GraphModule) -> PassResult:
        """Replace every such constant, and drop what asserts that they are as traced."""
        graph = graph_module.graph
        for each in sorted(self.elsewhere.found, key=lambda d: d.node):
            give(each, self._value(each))
        for node in list(graph.nodes):
            if packet(node) is not torch.ops.aten._assert_tensor_metadata:
                continue
            if self.elsewhere.typed:
                graph.erase_node(node)
            else:
                node.kwargs = {k: v for k, v in node.kwargs.items() if k != "device"}
        return PassResult(graph_module, modified=True)

    def _value(self, each: Difference) -> fx.Node:
        if isinstance(each.mine, torch.device):
            return self._ask(each.node, "device")
        dtype = self._ask(each.node, "dtype")
        if isinstance(each.mine, torch.dtype):
            return dtype
        known = {self.elsewhere.dtype: each.mine, self.elsewhere.other: each.theirs}
        args: Any = (known, dtype)
        with each.node.graph.inserting_before(each.node):
            name = f"{each.node.name}_in_type"
            return each.node.graph.create_node("call_function", operator.getitem, args, name=name)

    def _ask(self, node: fx.Node, what: str) -> fx.Node:
        if what not in self.asked:
            parameter = next(n for n in node.graph.nodes if n.name == self.elsewhere.parameter)
            with node.graph.inserting_before(node):
                self.asked[what] = node.graph.create_node(
                    "call_function", getattr, (parameter, what), name=what
                )
        return self.asked[what]

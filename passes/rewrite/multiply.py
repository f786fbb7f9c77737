"""Multipliers as nodes: one for each of the plan, named for what it is, on what its use reads.

::

    linear = linear(h, lm_head_weight)   ->   times_readout = mul(h, 0.25)
                                              linear = linear(times_readout, lm_head_weight)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import fx
from torch.fx.passes.infra.pass_base import PassBase, PassResult

aten = torch.ops.aten

META = "multiplier"
GAUGE = "gauge, the effective weight over the stored one"


@dataclass(frozen=True, slots=True)
class Multiplier:
    """What a node multiplies by, and why; kept with the node."""

    what: str
    """The site or the parameter."""
    value: float
    power: str
    source: str

    def __str__(self) -> str:
        """As a printed graph shows it."""
        rule = "" if self.power in ("", "1") else f" = {self.power}"
        return f"{self.what} * {self.value:.12g}{rule}: {self.source.partition(': ')[0]}"


@dataclass(frozen=True, slots=True)
class Insertion:
    """A multiplier, and where it goes: arguments of nodes, or all uses of a parameter."""

    multiplier: Multiplier
    uses: tuple[tuple[fx.Node | None, fx.Node], ...] = ()
    """Node, and what it reads that is to be multiplied; None is all that read it."""


def node_name(what: str) -> str:
    """The name of the node that multiplies something."""
    return "times_" + "".join(c if c.isalnum() else "_" for c in what)


class Multiply(PassBase):
    """Insert every multiplier."""

    def __init__(self, insertions: Sequence[Insertion]) -> None:
        self.insertions = insertions
        self.made: dict[str, tuple[str, ...]] = {}
        """Names of nodes, by what they multiply."""

    def call(self, graph_module: fx.GraphModule) -> PassResult:
        """One node for each multiplier and value that it is on."""
        for insertion in self.insertions:
            if insertion.multiplier.value != 1.0:
                self.made[insertion.multiplier.what] = tuple(_insert(insertion))
        return PassResult(graph_module, bool(self.made))


def _insert(insertion: Insertion) -> list[str]:
    made: dict[fx.Node, fx.Node] = {}
    for reader, operand in insertion.uses:
        if operand not in made:
            made[operand] = times(reader, operand, insertion.multiplier)
        if reader is None:
            _all_read_instead(operand, made[operand])
        else:
            _read_instead(reader, operand, made[operand])
    return [node.name for node in made.values()]


def times(before: fx.Node | None, operand: fx.Node, multiplier: Multiplier) -> fx.Node:
    """A node that multiplies one value: at once, or before a node that reads it."""
    with operand.graph.inserting_before(before or operand.next):
        node = operand.graph.create_node(
            "call_function",
            aten.mul.Tensor,
            (operand, multiplier.value),
            name=node_name(multiplier.what),
        )
    node.meta = {k: v for k, v in operand.meta.items() if k in ("val", "shape", "nn_module_stack")}
    node.meta[META] = multiplier
    return node


def _all_read_instead(operand: fx.Node, product: fx.Node) -> None:
    for user in [u for u in operand.users if u is not product and u.target is not getattr]:
        user.replace_input_with(operand, product)


def _read_instead(reader: fx.Node, operand: fx.Node, product: fx.Node) -> None:
    """Let the first argument of a node that is a value be its product."""
    todo = [operand]

    def swapped(node: fx.Node) -> fx.Node:
        if node is operand and todo:
            todo.clear()
            return product
        return node

    reader.args = fx.map_arg(reader.args, swapped)
    reader.kwargs = fx.map_arg(reader.kwargs, swapped)


def multiply_parameter(graph_module: fx.GraphModule, names: Sequence[str], growth: float) -> None:
    """Multiply what is read of a parameter, under every name, further by ``growth``."""
    for node in [n for n in graph_module.graph.nodes if n.op == "get_attr" and n.target in names]:
        product = _product_of(node)
        value = growth * (1.0 if product is None else product.meta[META].value)
        made = Multiplier(str(node.target), value, "", GAUGE)
        if product is None:
            product = times(None, node, made)
            _all_read_instead(node, product)
        product.args, product.meta[META] = (node, value), made
        if value == 1.0:
            product.replace_all_uses_with(node)
            graph_module.graph.erase_node(product)
    graph_module.graph.lint()
    graph_module.recompile()


def _product_of(node: fx.Node) -> fx.Node | None:
    """The node that multiplies all that is read of a parameter, if it is there."""
    for user in node.users:
        if META in user.meta and user.meta[META].source == GAUGE:
            return user
    return None

"""The graph of a model that is observed, and what its nodes are.

Of ``linear(x, t(weight))``::

    x: DATA    weight, t: PARAMETER    linear: DATA, and mixes
"""

import operator
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from inspect import Signature
from typing import Any

import torch
from torch import fx, nn

from mupfx.core.ops import holds_floats, packet
from mupfx.passes.rewrite.module import Rewritten
from mupfx.tables.linear_ops import KEEPING, PARTIAL


class Kind(Enum):
    """What the value of a node depends on."""

    FIXED = "neither"
    PARAMETER = "parameters alone"
    DATA = "inputs"


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the model a node is."""

    block: str = ""
    parameter: str = ""


@dataclass(frozen=True, slots=True)
class Layer:
    """A value that features are: of a residual stream, or of a layer outside of branches."""

    node: fx.Node
    through: frozenset[str]
    """Parameters whose every way to the output leads through it."""
    beside: frozenset[str]
    """Parameters that reach it and the output past it, too."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A node as it is run."""

    node: fx.Node
    flat: bool
    """Nothing of its operands is nested."""
    overwritten: bool
    """An op writes over its value, which a watch may have kept: it gets a copy to write to."""
    writes: tuple[fx.Node, ...]
    """Nodes whose values its op writes to."""
    last: tuple[fx.Node, ...]
    """Nodes that nothing after it reads."""

    def operands(self, value: Callable[[fx.Node], Any]) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """Its arguments, with values in the place of nodes."""
        args, kwargs = self.node.args, self.node.kwargs
        if not self.flat:
            return fx.map_arg((tuple(args), dict(kwargs)), value)
        found = [value(a) if a.__class__ is fx.Node else a for a in args]
        return found, kwargs


@dataclass(frozen=True, slots=True)
class ModelGraph:
    """The graph of one size of a model, with what is known of its nodes."""

    module: Rewritten
    kinds: Mapping[fx.Node, Kind]
    places: Mapping[fx.Node, Place]
    layers: tuple[Layer, ...]
    features: fx.Node | None
    """What the last weight layer reads."""
    readout: tuple[str, ...]
    """Parameters of the last weight layer."""
    streams: tuple[tuple[fx.Node, ...], ...]
    """Values of every residual stream, first to last."""
    output: fx.Node | None
    """The first tensor of the result."""
    notes: tuple[str, ...] = ()
    depth: int = 0
    """Residual adds, and weight layers outside of branches."""
    shown: frozenset[fx.Node] = field(default_factory=frozenset)
    """Nodes of which there are rows."""
    turns: tuple[Turn, ...] = ()
    """All nodes, as they are run."""
    signature: Signature = field(default_factory=Signature)
    """Of the model's forward."""

    def mixes(self, node: fx.Node) -> bool:
        """Whether a node brings parameters and data together."""
        kinds = {self.kinds[n] for n in node.all_input_nodes}
        return kinds >= {Kind.DATA, Kind.PARAMETER}


def turns_of(graph: fx.Graph) -> tuple[Turn, ...]:
    """What there is to run, in order."""
    after: set[fx.Node] = set()
    found = []
    for node in reversed(list(graph.nodes)):
        read = dict.fromkeys((*node.all_input_nodes, node))
        last = tuple(n for n in read if n not in after and node.op != "output")
        after |= read.keys()
        found.append(Turn(node, _is_flat(node), _is_overwritten(node), _written(node), last))
    return tuple(reversed(found))


def _is_flat(node: fx.Node) -> bool:
    nested = (tuple, list, dict, slice)
    args, kwargs = node.args, node.kwargs.values()
    return not any(isinstance(a, nested) for a in args) and not any(
        isinstance(a, (fx.Node, *nested)) for a in kwargs
    )


def _is_overwritten(node: fx.Node) -> bool:
    if node.op != "call_function" or not isinstance(node.meta.get("val"), torch.Tensor):
        return False
    return any(_schema(user) is not None and _schema(user).is_mutable for user in node.users)


def _written(node: fx.Node) -> tuple[fx.Node, ...]:
    schema = _schema(node)
    if schema is None or not schema.is_mutable:
        return ()
    given = [
        node.args[at] if at < len(node.args) else node.kwargs.get(argument.name)
        for at, argument in enumerate(schema.arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    ]
    return tuple(operand for operand in given if isinstance(operand, fx.Node))


def _schema(node: fx.Node) -> Any:
    """What an op says of its arguments; functions of Python say nothing."""
    return getattr(node.target, "_schema", None)


def first_names(model: nn.Module) -> dict[str, str]:
    """First name of every parameter, by each of its names."""
    first: dict[int, str] = {}
    named = model.named_parameters(remove_duplicate=False)
    return {name: first.setdefault(id(value), name) for name, value in named}


def kinds_of(graph: fx.Graph, parameters: Container[str]) -> dict[fx.Node, Kind]:
    """What every node depends on."""
    found: dict[fx.Node, Kind] = {}
    for node in graph.nodes:
        if node.op == "placeholder":
            found[node] = Kind.DATA
        elif node.op == "get_attr":
            found[node] = Kind.PARAMETER if str(node.target) in parameters else Kind.FIXED
        else:
            kinds = [found[n] for n in node.all_input_nodes]
            found[node] = max(kinds, key=_ORDER.index, default=Kind.FIXED)
    return found


_ORDER = (Kind.FIXED, Kind.PARAMETER, Kind.DATA)


def shown_of(graph: fx.Graph, kinds: Mapping[fx.Node, Kind]) -> frozenset[fx.Node]:
    """Nodes that compute numbers of data: views and parts of other values are left out."""
    return frozenset(
        node
        for node in graph.nodes
        if node.op == "call_function"
        and kinds[node] is Kind.DATA
        and holds_floats(node)
        and packet(_whole(node)) not in KEEPING | PARTIAL
    )


def _whole(node: fx.Node) -> fx.Node:
    """What a node takes one of several results of, else itself."""
    return node.all_input_nodes[0] if node.target is operator.getitem else node


def ancestors(node: fx.Node) -> set[fx.Node]:
    """A node and all that it is made of."""
    found, queue = {node}, [node]
    while queue:
        for source in queue.pop().all_input_nodes:
            if source not in found:
                found.add(source)
                queue.append(source)
    return found


def layer(graph: fx.Graph, node: fx.Node, parameters: Mapping[str, str]) -> Layer:
    """A value with the parameters that it is made of, by whether they go past it.

    Args:
        graph: The graph.
        node: The value.
        parameters: First name of every parameter, by each of its names.
    """
    past: set[fx.Node] = set()
    for other in reversed(list(graph.nodes)):
        read = other is not node and any(user in past for user in other.users)
        if other.op == "output" or read:
            past.add(other)
    mine = _named(ancestors(node), parameters)
    beside = mine & _named(past, parameters)
    return Layer(node, mine - beside, beside)


def _named(nodes: set[fx.Node], parameters: Mapping[str, str]) -> frozenset[str]:
    found = {parameters.get(str(n.target), "") for n in nodes if n.op == "get_attr"}
    return frozenset(found - {""})

"""A graph that can be run in a model's place, and what its ends mean to the model's caller.

``Shape`` is how a value is put together of tensors, as data: what ``forward`` takes and gives::

    {"a": x, "b": (y, z)}   ->   Shape(dict, ("a", "b"), (Leaf(0), Shape(tuple, (0, 1), ...)))
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx
from torch._ops import HigherOrderOperator


@dataclass(frozen=True, slots=True)
class Leaf:
    """The n-th tensor."""

    index: int


@dataclass(frozen=True, slots=True)
class Shape:
    """A container of a class, by key, index or field, of leaves, constants and containers."""

    kind: Any
    keys: tuple[Any, ...]
    members: tuple[Any, ...]
    """Of ``Leaf``, ``Shape``, or a constant."""
    fields: bool = False
    """Whether members are attributes, not entries."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One parameter of ``forward`` that was given."""

    name: str
    value: Any
    """A ``Leaf``, a ``Shape`` or a constant."""
    star: str = ""
    """``*`` or ``**`` for the rest of the arguments."""


@dataclass(frozen=True, slots=True)
class Runnable:
    """A graph of ATen ops with placeholders for all that it reads, and one list for an output."""

    graph: fx.Graph
    parameters: Mapping[str, str]
    """Placeholder to a name of the parameter."""
    buffers: Mapping[str, str]
    constants: Mapping[str, torch.Tensor]
    """Placeholder to a tensor that the code made of numbers."""
    inputs: tuple[str, ...]
    """Placeholders of the leaves of the arguments, in order."""
    paths: tuple[str, ...]
    """Where in the arguments they are."""
    arguments: tuple[Argument, ...]
    output: Any
    """A ``Leaf``, a ``Shape`` or a constant."""
    sizes: tuple[tuple[int | str, ...], ...] = ()
    """Of the leaves of the arguments: a number, or what it is called."""
    writes: Mapping[str, str] = field(default_factory=dict)
    """Output that is written back to a buffer, to the buffer's name."""
    guards: tuple[str, ...] = ()
    """What must hold of the sizes of inputs, as Python over ``L['leaves'][0].size()[1]``."""
    way: str = ""
    """Which axes of inputs are open, in words; empty is all."""
    notes: tuple[str, ...] = ()


def body_of(node: fx.Node, owner: fx.GraphModule | None) -> fx.GraphModule | None:
    """The body of a higher-order op that runs exactly one; None for any other node."""
    if not isinstance(node.target, HigherOrderOperator) or owner is None:
        return None
    bodies = [
        getattr(owner, str(a.target))
        for a in node.args
        if isinstance(a, fx.Node) and a.op == "get_attr"
    ]
    bodies = [b for b in bodies if isinstance(b, fx.GraphModule)]
    return bodies[0] if len(bodies) == 1 else None


def every_node(graph: fx.Graph) -> Iterator[fx.Node]:
    """Nodes in the order they run, those of regions in their place."""
    for node in graph.nodes:
        body = body_of(node, graph.owning_module)
        if body is not None:
            yield from every_node(body.graph)
        yield node

"""A model's graph that is run node by node over tensors given by name, and what its nodes are.

Nothing of the model is hooked or written to: a run takes parameters, buffers and arguments, and
tells a ``Watch`` the value of every node. Of ``linear(x, t(weight))``::

    x: DATA    weight, t: PARAMETER    linear: DATA, and mixes
"""

import warnings
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol, Self

import torch
from torch import fx, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from mupfx.core.ops import holds_floats, packet
from mupfx.passes.rewrite.module import Rewritten
from mupfx.tables.linear_ops import KEEPING, PARTIAL

Values = Mapping[str, torch.Tensor]
"""Parameters and buffers by name, under every name that they have."""


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

    def mixes(self, node: fx.Node) -> bool:
        """Whether a node brings parameters and data together."""
        kinds = {self.kinds[n] for n in node.all_input_nodes}
        return kinds >= {Kind.DATA, Kind.PARAMETER}


class Watch(Protocol):
    """Is told values as they are made."""

    def see(self, node: fx.Node, value: Any, inputs: "Inputs") -> None:
        """One node was run."""


class Inputs(Protocol):
    """Values of what a node reads, while it is run."""

    def value(self, node: fx.Node) -> Any:
        """Of an operand."""


class Run(fx.Interpreter):
    """One run of a graph; values are dropped after their last use."""

    def __init__(self, module: fx.GraphModule, values: Values, watch: Watch | None = None) -> None:
        super().__init__(module)
        self.values = values
        self.watch = watch
        self.given: Mapping[str, Any] = {}

    def on(self, arguments: Mapping[str, Any]) -> Any:
        """The result for arguments by name."""
        self.given = arguments
        return super().run(enable_io_processing=False)

    def placeholder(self, target: Any, args: Any, kwargs: Any) -> Any:
        """An argument, or its default."""
        del kwargs
        name = str(target).lstrip("*")
        return self.given[name] if name in self.given else args[0]

    def get_attr(self, target: Any, args: Any, kwargs: Any) -> Any:
        """A tensor that was given; a constant of the graph's own otherwise."""
        found = self.values.get(str(target))
        return super().get_attr(target, args, kwargs) if found is None else found

    def run_node(self, n: fx.Node) -> Any:
        """Run a node and tell its value."""
        value = super().run_node(n)
        if self.watch is not None:
            self.watch.see(n, value, self)
        return value

    def value(self, node: fx.Node) -> Any:
        """Of an operand of the node that is being run."""
        return self.env[node]


def values_of(model: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers of a model."""
    named = dict(model.named_parameters(remove_duplicate=False))
    return {**named, **dict(model.named_buffers(remove_duplicate=False))}


def first_names(model: nn.Module) -> dict[str, str]:
    """First name of every parameter, by each of its names."""
    first: dict[int, str] = {}
    named = model.named_parameters(remove_duplicate=False)
    return {name: first.setdefault(id(value), name) for name, value in named}


def apart(values: Values, parameters: Values) -> dict[str, torch.Tensor]:
    """Values in which buffers are copies, so that a further run leaves the model as it is.

    Args:
        values: Of the model.
        parameters: What to put in the place of parameters, by name.
    """
    return {
        name: parameters[name] if name in parameters else value.detach().clone()
        for name, value in values.items()
        if name in parameters or not isinstance(value, nn.Parameter)
    }


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
        and packet(node) not in KEEPING | PARTIAL
    )


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


def first_tensor(value: Any) -> torch.Tensor | None:
    """The first tensor of floats in a value."""
    if isinstance(value, torch.Tensor):
        return value if value.is_floating_point() else None
    members: Sequence[Any] = ()
    if isinstance(value, Mapping):
        members = tuple(value.values())
    elif isinstance(value, tuple | list):
        members = value
    return next((t for m in members if (t := first_tensor(m)) is not None), None)


@dataclass(frozen=True, slots=True)
class RandomState:
    """Of every generator that a model may draw from."""

    cpu: torch.Tensor
    cuda: tuple[torch.Tensor, ...]

    @classmethod
    def now(cls) -> Self:
        """As it is."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else ()
        return cls(torch.random.get_rng_state(), tuple(cuda))

    def restore(self) -> None:
        """Draw from here on again."""
        torch.random.set_rng_state(self.cpu)
        for device, state in enumerate(self.cuda):
            torch.cuda.set_rng_state(state, device)


@contextmanager
def again(random: RandomState) -> Iterator[None]:
    """While open, kernels can be differentiated forwards, and random numbers are those of a state.

    Args:
        random: As it was before another run.
    """
    with sdpa_kernel(SDPBackend.MATH), torch.random.fork_rng(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*torch.jit.script", DeprecationWarning)  # torch's own
        random.restore()
        yield


class Several:
    """Tells several watches."""

    def __init__(self, *watches: Watch) -> None:
        self.watches = watches

    def see(self, node: fx.Node, value: Any, inputs: Inputs) -> None:
        """One node was run."""
        for watch in self.watches:
            watch.see(node, value, inputs)

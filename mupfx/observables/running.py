"""A graph that is run node by node, over tensors that are given by name.

Nothing of the model is hooked or written to: a run takes parameters, buffers and arguments, and
tells a ``Watch`` the value of every node::

    Run(graph, {"0.weight": w}, watch).on({"input": x})
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Protocol, Self

import torch
from torch import fx, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from mupfx.observables.graph import ModelGraph, Turn

Values = Mapping[str, torch.Tensor]
"""Parameters and buffers by name, under every name that they have."""


class Watch(Protocol):
    """Is told values as they are made."""

    def see(self, node: fx.Node, value: Any, inputs: "Inputs") -> None:
        """One node was run."""


class Inputs(Protocol):
    """Values of what a node reads, while it is run."""

    def value(self, node: fx.Node) -> Any:
        """Of an operand."""


class Run:
    """One run of a graph; values are dropped after their last use."""

    def __init__(self, graph: ModelGraph, values: Values, watch: Watch | None = None) -> None:
        self.graph = graph
        self.values = values
        self.watch = watch
        self.env: dict[fx.Node, Any] = {}
        self.before: dict[fx.Node, Any] = {}
        """What was written over in this moment."""

    def on(self, arguments: Mapping[str, Any]) -> Any:
        """The result for arguments by name."""
        env, watch = self.env, self.watch
        for turn in self.graph.turns:
            node = turn.node
            if node.op == "output":
                return turn.operands(env.__getitem__)[0][0]
            if turn.writes or self.before:
                self.before = {n: env[n].detach().clone() for n in turn.writes}
            made = self._made(turn, arguments)
            if watch is not None:
                watch.see(node, made, self)
                made = made.clone() if turn.overwritten else made
            env[node] = made
            for unread in turn.last:
                del env[unread]
        return None

    def value(self, node: fx.Node) -> Any:
        """Of an operand of the node that is run, or was just now: as it was before."""
        return self.before[node] if node in self.before else self.env[node]

    def _made(self, turn: Turn, arguments: Mapping[str, Any]) -> Any:
        node = turn.node
        if node.op == "call_function":
            args, kwargs = turn.operands(self.env.__getitem__)
            return node.target(*args, **kwargs)  # type: ignore[operator]
        name = str(node.target)
        if node.op == "get_attr":
            found = self.values.get(name)
            return attrgetter(name)(self.graph.module) if found is None else found
        name = name.lstrip("*")
        return arguments[name] if name in arguments else node.args[0]


def values_of(model: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers of a model."""
    named = dict(model.named_parameters(remove_duplicate=False))
    return {**named, **dict(model.named_buffers(remove_duplicate=False))}


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
        there = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
        cuda = torch.cuda.get_rng_state_all() if there else ()
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

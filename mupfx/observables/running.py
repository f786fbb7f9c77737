"""A graph that is run node by node, over tensors that are given by name.

Nothing of the model is hooked or written to: a run takes parameters, buffers and arguments, and
tells a ``Watch`` the value of every node::

    Run(graph.module, {"0.weight": w}, watch).on({"input": x})
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch
from torch import fx, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

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
        if self.watch is None:
            return value
        self.watch.see(n, value, self)
        return value.clone() if _is_overwritten(n) else value

    def value(self, node: fx.Node) -> Any:
        """Of an operand of the node that is being run."""
        return self.env[node]


def _is_overwritten(node: fx.Node) -> bool:
    """Whether an op writes over a value that a watch may have kept: it gets a copy to write to."""
    if node.op != "call_function" or not isinstance(node.meta.get("val"), torch.Tensor):
        return False
    schemas = (getattr(user.target, "_schema", None) for user in node.users)
    return any(schema is not None and schema.is_mutable for schema in schemas)


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

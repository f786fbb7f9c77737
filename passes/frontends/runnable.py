"""A graph that can be run in the model's place: exported, as general in its sizes as torch can.

Every axis of every input is left open (``Dim.AUTO``); where that fails, all are as in the example,
and a note says so. What must hold of open sizes is kept, to be asserted whenever the graph is run.
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from mupfx.core.runnable import Argument, Runnable
from mupfx.errors import LoweringError
from mupfx.passes.frontends.nest import Nest, put, together
from mupfx.passes.frontends.regions import inline_regions
from mupfx.passes.frontends.values import signature_of


@dataclass(frozen=True, slots=True)
class Taken:
    """The arguments of a call, taken apart."""

    arguments: tuple[Argument, ...]
    leaves: list[torch.Tensor]
    paths: tuple[str, ...]


SIZES = "the graph holds for inputs of these sizes only"


class Seen:
    """What tracing saw; the exporter puts attributes of modules back as they were."""

    output: Any = None


class Leaves(nn.Module):
    """The user's model, called with the tensors of its arguments, giving those of its result."""

    def __init__(self, model: nn.Module, arguments: Sequence[Argument]) -> None:
        super().__init__()
        self.model = model
        self.arguments = arguments
        self.training = model.training
        self.seen = Seen()

    def forward(self, *leaves: torch.Tensor) -> list[Any]:
        """Tensors of the model's output, in order."""
        args, kwargs = call_of(self.model, self.arguments, leaves)
        nest = Nest("the output")
        self.seen.output = nest.take(self.model(*args, **kwargs), "")
        return nest.leaves


def taken_apart(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Taken:
    """The arguments of a call as they stand in ``forward``, and their tensors.

    Raises:
        LoweringError: One holds tensors in a way that a graph cannot take.
    """
    signature = signature_of(model)
    if signature is None:
        raise LoweringError("the arguments of forward are not written anywhere")
    nest = Nest("the input")
    found = []
    for name, value in signature.bind(*args, **kwargs).arguments.items():
        kind = signature.parameters[name].kind
        star = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
        found.append(Argument(name, nest.take(value, name), star.get(kind, "")))
    return Taken(tuple(found), _distinct(nest.leaves), tuple(nest.paths))


def _distinct(leaves: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Tensors of which no two are one: a graph would take them for one argument ever after."""
    seen: set[int] = set()
    found = []
    for leaf in leaves:
        again = id(leaf) in seen
        seen.add(id(leaf))
        wants = leaf.requires_grad
        found.append(leaf.detach().clone().requires_grad_(wants) if again else leaf)
    return found


def call_of(
    model: nn.Module, arguments: Sequence[Argument], leaves: Sequence[Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments for other tensors."""
    signature = signature_of(model)
    assert signature is not None
    values = {a.name: put(a.value, leaves, together) for a in arguments}
    bound = inspect.BoundArguments(signature, values)  # type: ignore[arg-type]
    return bound.args, bound.kwargs


def runnable(
    model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], *, dynamic: bool = True
) -> Runnable:
    """The graph of a model in the mode that it is in, with all of its inputs' axes open.

    Raises:
        LoweringError: Inputs or outputs are of a kind that a graph cannot have.
    """
    taken = taken_apart(model, args, kwargs)
    flat, leaves = Leaves(model, taken.arguments), taken.leaves
    if not dynamic:
        return _runnable(_exported(flat, leaves, None), flat, taken.paths, (SIZES,))
    try:
        opened = {"leaves": tuple(_open(leaf) for leaf in leaves)}
        exported = _exported(flat, leaves, opened)
        notes: tuple[str, ...] = ()
    except LoweringError:
        raise
    except Exception as error:  # noqa: BLE001 - the exporter raises whatever the model raises
        exported = _exported(flat, leaves, None)
        reason = str(error).strip().splitlines()[0][:120]
        notes = (f"{SIZES}: {reason}",)
    return _runnable(exported, flat, taken.paths, notes)


def _open(leaf: torch.Tensor) -> dict[int, Any] | None:
    return dict.fromkeys(range(leaf.dim()), torch.export.Dim.AUTO) or None


def _exported(
    flat: Leaves, leaves: Sequence[torch.Tensor], opened: Any
) -> torch.export.ExportedProgram:
    return torch.export.export(flat, tuple(leaves), strict=False, dynamic_shapes=opened)


def _runnable(
    exported: torch.export.ExportedProgram,
    flat: Leaves,
    paths: tuple[str, ...],
    notes: tuple[str, ...],
) -> Runnable:
    signature = exported.graph_signature
    graph = exported.graph_module.graph
    inline_regions(graph)
    lifted = signature.inputs_to_lifted_tensor_constants
    return Runnable(
        graph=graph,
        parameters=_own(signature.inputs_to_parameters),
        buffers=_own(signature.inputs_to_buffers),
        constants={place: exported.constants[name] for place, name in lifted.items()},
        inputs=tuple(signature.user_inputs),
        paths=paths,
        arguments=tuple(flat.arguments),
        output=flat.seen.output,
        sizes=tuple(_sizes(graph, name) for name in signature.user_inputs),
        writes={
            out: name.removeprefix("model.") for out, name in signature.buffers_to_mutate.items()
        },
        guards=tuple(getattr(exported, "_guards_code", None) or ()),
        notes=notes,
    )


def _sizes(graph: fx.Graph, name: str) -> tuple[int | str, ...]:
    value = next(node.meta["val"] for node in graph.nodes if node.name == name)
    return tuple(d if isinstance(d, int) else str(d.node.expr) for d in value.shape)


def _own(table: Mapping[str, str]) -> dict[str, str]:
    return {place: name.removeprefix("model.") for place, name in table.items()}

"""A graph that can be run in the model's place: exported, as general in its sizes as torch can.

Every axis of every input is left open (``Dim.AUTO``); where that fails, the first one; else none,
and a note says so. What must hold of open sizes is kept, to be asserted whenever the graph is run.
"""

import inspect
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
BATCHES = "of the sizes of inputs, only the first may be another"
WAYS = {"": 99, BATCHES: 1, SIZES: 0}
"""What a note says, and how many axes of every input are left open."""

STARS: Mapping[object, str] = {
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}


class Seen:
    """What tracing saw; the exporter puts attributes of modules back as they were."""

    output: Any = None


class Leaves(nn.Module):
    """The user's model, called with the tensors of its arguments, giving those of its result."""

    def __init__(
        self, model: nn.Module, arguments: Sequence[Argument], *, whole: bool = True
    ) -> None:
        super().__init__()
        self.whole = whole
        self.model = model
        self.arguments = arguments
        self.training = model.training
        self.seen = Seen()

    def forward(self, *leaves: torch.Tensor) -> list[Any]:
        """Tensors of the model's output, in order."""
        args, kwargs = call_of(self.model, self.arguments, leaves)
        nest = Nest("the output", whole=self.whole)
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
        star = STARS.get(signature.parameters[name].kind, "")
        found.append(Argument(name, nest.take(value, name), star))
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
    bound = inspect.BoundArguments(signature, OrderedDict(values))
    return bound.args, bound.kwargs


def runnable(
    model: nn.Module,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    ways: Sequence[str] = tuple(WAYS),
    whole: bool = True,
) -> Runnable:
    """The graph of a model in the mode that it is in, as open in its sizes as it can be.

    Args:
        model: The model.
        args: Positional example inputs.
        kwargs: Keyword example inputs.
        ways: Which axes of inputs to leave open, by the notes of ``WAYS``; the first that works.
        whole: Refuse parts of the output that a graph cannot make (a cache); else they are None.

    Raises:
        LoweringError: Inputs or outputs are of a kind that a graph cannot have.
    """
    taken = taken_apart(model, args, kwargs)
    flat = Leaves(model, taken.arguments, whole=whole)
    refused = ""
    for what in ways:
        try:
            opened = {"leaves": tuple(_opened(leaf, WAYS[what]) for leaf in taken.leaves)}
            exported = _exported(flat, taken.leaves, opened)
        except LoweringError:
            raise
        except Exception as error:
            if what == ways[-1]:
                raise
            refused = refused or str(error).strip().partition("\n")[0][:120]
            continue
        note = f"{what}: {refused}" if refused else what
        made = _runnable(exported, flat, taken.paths)
        return replace(made, way=what, notes=(note,) if note else ())
    raise AssertionError("there is no way to try")


def _opened(leaf: torch.Tensor, most: int) -> dict[int, Any] | None:
    dims = range(min(leaf.dim(), most))
    return dict.fromkeys(dims, torch.export.Dim.AUTO) or None


def _exported(
    flat: Leaves, leaves: Sequence[torch.Tensor], opened: Any
) -> torch.export.ExportedProgram:
    """The exporter leaves marks on tensors: it gets others over the same memory."""
    given = tuple(leaf.detach().requires_grad_(leaf.requires_grad) for leaf in leaves)
    return torch.export.export(flat, given, strict=False, dynamic_shapes=opened)


def _runnable(
    exported: torch.export.ExportedProgram, flat: Leaves, paths: tuple[str, ...]
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
    )


def _sizes(graph: fx.Graph, name: str) -> tuple[int | str, ...]:
    value = next(node.meta["val"] for node in graph.nodes if node.name == name)
    return tuple(d if isinstance(d, int) else str(d.node.expr) for d in value.shape)


def _own(table: Mapping[str, str]) -> dict[str, str]:
    return {place: name.removeprefix("model.") for place, name in table.items()}

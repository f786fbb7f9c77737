"""``torch.export``, non-strict and not decomposed; again with the answers of a run if it asks.

The exporter sees the model behind ``Flat``, which returns nothing but tensors.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from mupfx.passes.frontends.answers import Answers
from mupfx.passes.frontends.bodies import require_ops
from mupfx.passes.frontends.lines import every_line
from mupfx.passes.frontends.traced import Subject, Traced, numbers
from mupfx.passes.frontends.untouched import unwritten
from mupfx.passes.frontends.values import tensors


class Flat(nn.Module):
    """The user's model, returning nothing but tensors."""

    def __init__(self, model: nn.Module, answers: Answers | None = None) -> None:
        super().__init__()
        self.model = model
        self.answers = answers
        self.training = model.training

    def forward(self, *args: Any, **kwargs: Any) -> list[torch.Tensor]:
        """Tensors of the model's output, in order."""
        with self.answers.given() if self.answers else nullcontext():
            return tensors(self.model(*args, **kwargs))


def export(subject: Subject) -> Traced:
    """The graph that ``torch.export`` makes of the model as it is."""
    return _traced(_exported(subject, None))


def export_after_a_run(subject: Subject) -> Traced:
    """The same, where the model's Python asks for values: as one run answers."""
    answers = _answers(subject)
    if answers is None:
        raise NotImplementedError("nothing was asked in a run, or there are no values to ask for")
    return _traced(_exported(subject, answers))


def _exported(subject: Subject, answers: Answers | None) -> torch.export.ExportedProgram:
    flat = Flat(subject.model, answers)
    with every_line():
        return torch.export.export(flat, subject.args, dict(subject.kwargs), strict=False)


def _answers(subject: Subject) -> Answers | None:
    """Questions of one run that changes nothing; None without questions or values."""
    model, args, kwargs = subject.model, subject.args, dict(subject.kwargs)
    leaves = pytree.tree_leaves((args, kwargs, list(model.parameters()), list(model.buffers())))
    if any(isinstance(leaf, torch.Tensor) and leaf.is_meta for leaf in leaves):
        return None
    answers = Answers()
    with unwritten(), answers:
        model(*args, **kwargs)
    return answers if answers.noted else None


def _traced(exported: torch.export.ExportedProgram) -> Traced:
    signature = exported.graph_signature
    require_ops(exported.graph_module.graph)
    buffers = signature.inputs_to_buffers | signature.inputs_to_lifted_tensor_constants
    return Traced(
        graph=exported.graph_module.graph,
        parameters=_own(signature.inputs_to_parameters),
        buffers=_own(buffers),
        inputs=tuple(signature.user_inputs),
        constants=_constants(exported, buffers),
    )


def _own(table: Mapping[str, str]) -> dict[str, str]:
    return {place: name.removeprefix("model.") for place, name in table.items()}


def _constants(
    exported: torch.export.ExportedProgram, places: Mapping[str, str]
) -> dict[str, float]:
    """Values of buffers and literals that are one number each, by placeholder."""
    values = {**exported.constants, **exported.state_dict}
    found = {place: values.get(name) for place, name in places.items()}
    return numbers({k: v if isinstance(v, torch.Tensor) else None for k, v in found.items()})

"""A model and its base side by side: captured alike, then lined up by what they compute.

Where values are only passed on in another way, the base's shapes serve instead, by the order of
use; where it does not run on the inputs, by the names that two instances of one class share. Where
sizes decide that one has an op more, what both have is lined up.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from mupfx.core.program import Program
from mupfx.errors import BaseError, CaptureError
from mupfx.passes.align import Twins, align, apart, least_apart, shapes_by_uses
from mupfx.passes.axes import infer_axes
from mupfx.passes.capture import capture, from_here, kind_of
from mupfx.passes.insertions import align_inserted
from mupfx.passes.normalize import normalize
from mupfx.pipeline.bases import Given
from mupfx.pipeline.standing import with_stand_ins

BY_NAME = "the base does not run on these inputs: its shapes are read by parameter name"
BY_USE = (
    "the base passes values on in another way: its shapes are read in the order of their use, and "
    "what they leave open, such as the size of heads, is as without a base model"
)


class Captures:
    """Graphs of a base that several models are lined up with, by what it was called with."""

    def __init__(self) -> None:
        self._known: list[tuple[nn.Module, object, Sequence[str], Program]] = []

    def of(self, model: nn.Module, call: tuple[Any, ...], frontends: Sequence[str]) -> Program:
        """Capture it, if it was not captured already in this way."""
        for known, inputs, ways, program in self._known:
            if known is model and ways == frontends and _equal(inputs, call):
                return program
        program = capture(model, *call, frontends=frontends)
        self._known.append((model, call, frontends, program))
        return program


def _equal(one: object, other: object) -> bool:
    """The same inputs: values count, for a model's Python may ask for them."""
    (mine, form), (theirs, their_form) = pytree.tree_flatten(one), pytree.tree_flatten(other)
    return form == their_form and all(map(_same, mine, theirs))


def _same(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one is other or (_laid(one) == _laid(other) is not None and torch.equal(one, other))
    plain = type(one) is type(other) and isinstance(one, int | float | str | None)
    return one is other or (plain and one == other)


def _laid(tensor: Tensor) -> tuple[object, ...] | None:
    """How it lies in memory, if it does."""
    if tensor.layout is not torch.strided or tensor.is_meta:
        return None
    return type(tensor), tensor.dtype, tensor.device, tensor.requires_grad, tensor.stride()


def captured_pair(
    model: nn.Module,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    base: Given | None,
    captures: Captures | None = None,
) -> tuple[Program, Program | None, Given | None]:
    """The model's graph, its base's, and the base as it can be used.

    Both are captured in the same way: ways differ in what ops they show. Inputs may be as wide as
    the model, so that the base does not run on them.
    """
    call, captures = (args, kwargs), captures or Captures()
    mine = capture(model, args, kwargs)
    if base is None or base.model is None:
        return mine, None, base
    try:
        beside = _alike(base.model, model)
        theirs = captures.of(beside, call, from_here(mine.frontend))
    except CaptureError:
        shapes = {name: tuple(p.shape) for name, p in base.model.named_parameters()}
        if shapes == mine.shapes or shapes.keys() != mine.shapes.keys():
            raise
        return mine, None, Given(shapes=shapes, note=BY_NAME)
    while kind_of(mine.frontend) != kind_of(theirs.frontend):
        if theirs.frontend in from_here(mine.frontend):
            mine = capture(model, args, kwargs, frontends=from_here(theirs.frontend))
        else:
            theirs = captures.of(beside, call, from_here(mine.frontend))
    return mine, normalize(theirs), base


def _alike(base: nn.Module, model: nn.Module) -> nn.Module:
    """The base in the model's mode and of its type, if it has one: casts and dropout are ops."""
    own, types = _types(base), _types(model)
    other = len(own) == len(types) == 1 and own != types
    if not other and base.training == model.training:
        return base
    made = copy.deepcopy(base).train(model.training)
    return made.to(types.pop()) if other else made


def _types(model: nn.Module) -> set[torch.dtype]:
    return {p.dtype for p in model.parameters() if p.is_floating_point()}


@dataclass(frozen=True, slots=True)
class Lined:
    """A base lined up with a model."""

    base: Given | None
    twins: Twins = field(default_factory=dict)
    told: tuple[str, ...] = ()
    """What only one of the two has."""
    inserted: bool = False
    """Whether one has ops more than the other; layer for layer they are the same."""


def line_up(base: Given | None, program: Program, beside: Program | None, grow: str) -> Lined:
    """Twins where the graphs are alike, or but for ops that sizes decide; else the base's shapes.

    Raises:
        BaseError: The base is of another architecture.
    """
    if beside is None:
        return Lined(base)
    try:
        twins = align(program, beside)
        more = apart(program, beside, twins)
        if more == least_apart(program, beside):
            return Lined(base, twins)
        return _inserted(base, program, beside, grow, below=more) or Lined(base, twins)
    except BaseError:
        mine = infer_axes(program, grow=grow)
        shapes = shapes_by_uses(program, mine, beside, infer_axes(beside, grow=grow))
        found = None if shapes is not None else _inserted(base, program, beside, grow)
        if shapes is None and found is None:
            raise
        return found or Lined(Given(shapes=shapes, note=BY_USE))


def _inserted(
    base: Given | None, program: Program, beside: Program, grow: str, below: int | None = None
) -> Lined | None:
    """The two lined up with ops more, if there are such, and fewer of them than ``below``."""
    found = align_inserted(program, beside)
    if found is None or (below is not None and len(found.here) + len(found.there) >= below):
        return None
    twins, unknown = with_stand_ins(program, infer_axes(program, grow=grow), found)
    return Lined(base, twins, (*found.told(), *unknown), inserted=True)

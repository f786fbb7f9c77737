"""What one trial trains: the target's model, converted or as it is, with optimizers and data.

A target is called as for a check, and with ``lr`` where it declares it. Where it makes optimizers
they are rebuilt over the plan's groups; where it makes none, there is one of the recipe's class.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, repeat
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from mupfx.core.drawn import Drawn
from mupfx.core.parametrization import Parametrization
from mupfx.core.report import Size
from mupfx.core.setup import Loss
from mupfx.core.transfer import OWN, SP, Recipe, Trial
from mupfx.errors import TargetError, did_you_mean
from mupfx.passes.groups import build_groups, construct
from mupfx.passes.preflight import preflight
from mupfx.pipeline.analysis import Options, run_analysis
from mupfx.pipeline.bases import made_by, read_base
from mupfx.pipeline.checking.returns import Made, read_made
from mupfx.pipeline.checking.surroundings import seed_all
from mupfx.pipeline.checking.target import Factory, Target, read_target
from mupfx.pipeline.checking.watching import first_call
from mupfx.pipeline.lowering import conversions, converted, lower
from mupfx.pipeline.planning import Request, make_plan
from mupfx.pipeline.unconverted import as_written
from mupfx.tables.parametrizations import parametrization

Call = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and keyword."""
RATE = "lr"
_STREAM, _HELD_OUT = "batches", "held_out"
FORMS = "model, and batch or batches with loss; optimizer, scheduler and held_out if it likes"


@dataclass(frozen=True, slots=True)
class Data:
    """What a target trains on."""

    batches: Iterable[Any]
    loss: Loss
    held_out: Any
    """A batch that is not trained on; None where there is none."""


@dataclass(frozen=True, slots=True)
class Task:
    """All that one training takes."""

    model: nn.Module
    optimizers: tuple[Optimizer, ...]
    schedulers: tuple[Any, ...]
    batches: Iterator[Any]
    loss: Loss
    held_out: Any


def target_of(factory: Factory, recipe: Recipe, size: Size, lr: float) -> Target:
    """How the target is called at one rate.

    Raises:
        TargetError: It cannot be called with a size.
    """
    axes = tuple(axis for axis in ("width", "depth") if getattr(size, axis) is not None)
    rate = {RATE: lr} if takes_rate(factory) else {}
    given = {**recipe.arguments, **rate}
    return read_target(factory, axes, name=recipe.target, arguments=given)


def task_of(factory: Factory, recipe: Recipe, trial: Trial) -> Task:
    """Make the model of a trial in its parametrization, and what trains it.

    Raises:
        TargetError: The target brings no data, or an optimizer whose rate cannot be set.
        MupfxError: The model cannot be converted.
    """
    target = target_of(factory, recipe, trial.size, trial.lr)
    seen: list[tuple[Made, Data]] = []
    make = partial(_make, target, trial.size, trial.seed, seen)
    if trial.parametrization in {OWN, SP}:
        with as_written() if trial.parametrization == SP else nullcontext():
            make()
        made, data = seen[0]
        optimizers = made.optimizers or (_supplied(made.model, recipe, trial.lr),)
    else:
        model, drawn = made_by(make)
        made, data = seen[0]
        _require_free(model, trial, recipe)
        table = parametrization(trial.parametrization)
        base = partial(_make, target, base_of(trial, recipe, table), trial.seed, [])
        convert(model, call_of(made, data), _request(base, table, drawn))
        optimizers = _scaled(made, recipe, trial.lr)
    _require_rate(made, factory, recipe)
    seed_all(trial.seed)  # what follows draws alike however much was drawn before
    batches = chain.from_iterable(_rounds(data.batches))
    return Task(made.model, optimizers, made.schedulers, batches, data.loss, data.held_out)


def base_of(trial: Trial, recipe: Recipe, table: Parametrization) -> Size:
    """The size that rates are relative to; as deep as the trial where depth has no rule."""
    return recipe.base if _by_depth(table) else replace(recipe.base, depth=trial.size.depth)


def _by_depth(table: Parametrization) -> bool:
    return table.depth is not None or table.plain is not None


def _request(
    base: Callable[[], nn.Module], table: Parametrization, drawn: Mapping[str, Drawn]
) -> Request:
    return Request(table, read_base(base), strict=True, hooks=True, init={}, drawn=drawn)


def convert(model: nn.Module, call: Call, request: Request) -> None:
    """Convert a model in place, as ``mupfx.convert`` does.

    Raises:
        MupfxError: It cannot be converted.
    """
    preflight(model)
    table = request.parametrization
    options = Options(None, infer_depth=_by_depth(table), layers=table.plain is not None)
    analysis = run_analysis(model, *call, request.base, options)
    lower(model, make_plan(model, analysis, request))


def takes_rate(factory: Factory) -> bool:
    """Whether a factory declares ``lr``; what it takes without naming it does not count."""
    try:
        return RATE in inspect.signature(factory).parameters
    except ValueError:  # written in C
        return False


def call_of(made: Made, data: Data) -> Call:
    """What the loss calls the model with, seen without running it.

    Raises:
        TargetError: It does not call it.
    """
    found = first_call(made.model, made.batch, data.loss)
    if found is None:
        raise TargetError("`loss(model, batch)` never calls the model", expected="model(...) in it")
    return found


def _make(target: Target, size: Size, seed: int, seen: list[tuple[Made, Data]]) -> nn.Module:
    """Call the target; what else it returns beside the model is put aside."""
    made = read(target.call(size, seed), target.name)
    seen.append(made)
    return made[0].model


def read(returned: object, name: str) -> tuple[Made, Data]:
    """Sort out what a target returned, and the data in it.

    Raises:
        TargetError: There is nothing to train on.
    """
    stream = held_out = None
    if isinstance(returned, Mapping):
        returned = dict(returned)
        stream, held_out = returned.pop(_STREAM, None), returned.pop(_HELD_OUT, None)
        if stream is not None:
            stream = _peeked(stream, name)
            returned.setdefault("batch", stream[0])
            stream = stream[1]
    made = read_made(returned, name)
    if made.loss is None:
        raise TargetError(
            f"`{name}` brings nothing to train on",
            expected=f"a dict with {FORMS}",
            hint="{'model': model, 'batches': DataLoader(...), 'loss': loss}, where "
            "loss(model, batch) is a scalar",
        )
    return made, Data(repeat(made.batch) if stream is None else stream, made.loss, held_out)


def _peeked(stream: object, name: str) -> tuple[Any, Iterable[Any]]:
    """The first batch, and all of them."""
    if not isinstance(stream, Iterable):
        raise TargetError(
            f"`{name}` returned batches that are none",
            expected="a DataLoader, or any iterable or iterator of batches",
            found=type(stream).__name__,
        )
    if not isinstance(stream, Iterator):
        return next(iter(stream), None), stream
    first = next(stream, None)
    return first, chain((first,), stream)


def _rounds(batches: Iterable[Any]) -> Iterator[Iterable[Any]]:
    """Once through an iterator; anything else again and again."""
    yield batches
    while not isinstance(batches, Iterator):
        yield batches


def _optimizer_class(recipe: Recipe) -> type[Optimizer]:
    found = getattr(torch.optim, recipe.optimizer, None)
    if isinstance(found, type) and issubclass(found, Optimizer):
        return found
    names = [name for name in vars(torch.optim) if name[0].isupper()]
    raise TargetError(
        f"torch.optim has no `{recipe.optimizer}`",
        hint=did_you_mean(recipe.optimizer, names)
        or "let the target make the optimizer: def target(width, lr)",
    )


def _require_free(model: nn.Module, trial: Trial, recipe: Recipe) -> None:
    if any(conversions(model)):
        raise TargetError(
            f"`{recipe.target}` converts its model itself, and {trial.parametrization!r} would "
            "convert it again",
            hint=f"--parametrization {OWN},{SP} trains it as it is, and as if it did not convert",
        )


def _supplied(model: nn.Module, recipe: Recipe, lr: float) -> Optimizer:
    """One of the recipe's class: over the plan's groups, where the model has a plan."""
    cls, given = _optimizer_class(recipe), {RATE: lr, **recipe.hyperparameters}
    if any(conversions(model)):
        return _over_plan(model, cls, given, None)
    build: Any = cls
    made: Optimizer = build(model.parameters(), **given)
    return made


def _scaled(made: Made, recipe: Recipe, lr: float) -> tuple[Optimizer, ...]:
    """The target's own optimizers with every group in the parametrization, or the recipe's."""
    if made.schedulers:
        raise TargetError(
            f"`{recipe.target}` returned a scheduler of an optimizer that is not in the "
            "parametrization",
            hint="leave the schedule to the sweep: --warmup and --decay",
        )
    if made.optimizers is None:
        return (_supplied(made.model, recipe, lr),)
    return tuple(
        _over_plan(made.model, type(each), dict(each.defaults), each.param_groups)
        for each in made.optimizers
    )


def _over_plan(
    model: nn.Module, cls: type[Optimizer], given: Mapping[str, Any], groups: object
) -> Optimizer:
    module, conversion = converted(model)
    built = build_groups(
        conversion.plan, module.named_parameters(), cls, given, user_groups=groups, alone=False
    )
    made: Optimizer = construct(cls, built, given)
    return made


def _require_rate(made: Made, factory: Factory, recipe: Recipe) -> None:
    if made.optimizers is None or takes_rate(factory):
        return
    raise TargetError(
        f"`{recipe.target}` makes an optimizer and takes no learning rate",
        expected="an argument `lr`, which the sweep varies",
        hint="def target(width, lr): ...; or return no optimizer: --optimizer says which",
    )

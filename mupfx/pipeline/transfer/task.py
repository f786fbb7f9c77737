"""What one trial trains: the target's model, converted or as it is, with optimizers and data.

A target is called as for a check, and with ``lr`` where it declares it. Where it makes optimizers
they are rebuilt over the plan's groups; where it makes none, there is one of the recipe's class.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any

from torch import nn
from torch.optim import Optimizer

from mupfx.core.drawn import Drawn
from mupfx.core.parametrization import Parametrization
from mupfx.core.report import Size
from mupfx.core.setup import Loss
from mupfx.core.transfer import OWN, SP, Recipe, Trial
from mupfx.errors import TargetError
from mupfx.passes.preflight import preflight
from mupfx.pipeline.analysis import Options, run_analysis
from mupfx.pipeline.bases import made_by, read_base
from mupfx.pipeline.checking.returns import Made
from mupfx.pipeline.checking.setups import spelled
from mupfx.pipeline.checking.surroundings import seed_all
from mupfx.pipeline.checking.target import Factory, Target, Words, read_target
from mupfx.pipeline.checking.trainable import guarded, require_plain
from mupfx.pipeline.lowering import conversions, lower
from mupfx.pipeline.planning import Request, make_plan
from mupfx.pipeline.transfer.data import Call, Data, call_of, read, rounds
from mupfx.pipeline.transfer.optimizers import RATE, require_rate, scaled, supplied, takes_rate
from mupfx.pipeline.unconverted import as_written
from mupfx.tables.parametrizations import parametrization


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
    words = Words(given=False)
    return read_target(factory, axes, name=recipe.target, words=words, arguments=given)


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
        optimizers = made.optimizers or (supplied(made.model, recipe, trial.lr),)
    else:
        model, drawn = made_by(make)
        made, data = seen[0]
        _require_free(model, trial, recipe)
        table = parametrization(trial.parametrization)
        base = partial(_make, target, base_of(trial, recipe, table), trial.seed, [])
        convert(model, call_of(made, data), _request(base, table, drawn))
        optimizers = scaled(made, recipe, trial.lr)
    require_rate(made, factory, recipe)
    for optimizer in optimizers:
        require_plain(optimizer)
    seed_all(trial.seed)  # what follows draws alike however much was drawn before
    batches = chain.from_iterable(rounds(data.batches))
    loss = guarded(data.loss, recipe.target, spelled(trial.size))
    return Task(made.model, optimizers, made.schedulers, batches, loss, data.held_out)


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


def _make(target: Target, size: Size, seed: int, seen: list[tuple[Made, Data]]) -> nn.Module:
    """Call the target; what else it returns beside the model is put aside."""
    made = read(target.call(size, seed), target.name)
    seen.append(made)
    return made[0].model


def _require_free(model: nn.Module, trial: Trial, recipe: Recipe) -> None:
    if any(conversions(model)):
        raise TargetError(
            f"`{recipe.target}` converts its model itself, and {trial.parametrization!r} would "
            "convert it again",
            hint=f"--parametrization {OWN},{SP} trains it as it is, and as if it did not convert",
        )

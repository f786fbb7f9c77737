"""Optimizers of a trial: the target's own, or one of the recipe's class, at the trial's rate."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from mupfx.core.transfer import Recipe
from mupfx.errors import TargetError, did_you_mean
from mupfx.passes.groups import build_groups, construct
from mupfx.pipeline.checking.returns import Made
from mupfx.pipeline.checking.target import Factory
from mupfx.pipeline.lowering import conversions, converted

RATE = "lr"


def takes_rate(factory: Factory) -> bool:
    """Whether a factory declares ``lr``; what it takes without naming it does not count."""
    try:
        return RATE in inspect.signature(factory).parameters
    except ValueError:  # written in C
        return False


def require_rate(made: Made, factory: Factory, recipe: Recipe) -> None:
    """Refuse an optimizer whose rate is the target's own affair.

    Raises:
        TargetError: It is.
    """
    if made.optimizers is None or takes_rate(factory):
        return
    raise TargetError(
        f"`{recipe.target}` makes an optimizer and takes no learning rate",
        expected="an argument `lr`, which the sweep varies",
        hint="def target(width, lr): ...; or return no optimizer: --optimizer says which",
    )


def supplied(model: nn.Module, recipe: Recipe, lr: float) -> Optimizer:
    """One of the recipe's class: over the plan's groups, where the model has a plan.

    Raises:
        TargetError: There is no such class, or it does not take these arguments.
    """
    cls, given = _optimizer_class(recipe), {RATE: lr, **recipe.hyperparameters}
    build: Any = cls
    try:
        made: Optimizer = build(model.parameters(), **given)
    except (TypeError, ValueError) as error:
        raise TargetError(
            f"torch.optim.{recipe.optimizer} cannot be made of these arguments",
            expected=f"{recipe.optimizer}{inspect.signature(cls)}",
            found=str(error),
        ) from error
    return _over_plan(model, cls, given, None) if any(conversions(model)) else made


def scaled(made: Made, recipe: Recipe, lr: float) -> tuple[Optimizer, ...]:
    """The target's own optimizers with every group in the parametrization, or the recipe's.

    Raises:
        TargetError: A scheduler of the target's drives an optimizer that is no longer there.
    """
    if made.schedulers:
        raise TargetError(
            f"`{recipe.target}` returned a scheduler of an optimizer that is not in the "
            "parametrization",
            hint="leave the schedule to the sweep: --warmup and --decay",
        )
    if made.optimizers is None:
        return (supplied(made.model, recipe, lr),)
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


def _optimizer_class(recipe: Recipe) -> type[Optimizer]:
    found = getattr(torch.optim, recipe.optimizer, None)
    if isinstance(found, type) and issubclass(found, Optimizer) and found is not Optimizer:
        return found
    names = [name for name in vars(torch.optim) if name[0].isupper()]
    raise TargetError(
        f"torch.optim has no `{recipe.optimizer}`",
        hint=did_you_mean(recipe.optimizer, names)
        or "let the target make the optimizer: def target(width, lr)",
    )

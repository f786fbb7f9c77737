"""What groups cannot say, or no factor can set right: one warning each."""

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from mupfx.core.optimizer_family import Decay, OptimizerFamily
from mupfx.core.plan import ParameterPlan
from mupfx.errors import MupfxWarning
from mupfx.passes.groups.factors import grew, read
from mupfx.tables.optimizers import DECOUPLED_CLASSES

Member = tuple[ParameterPlan, OptimizerFamily, Mapping[str, Any]]
"""A parameter's plan, its family and the hyperparameters in force for it."""


def warn_of(members: Iterable[Member], optimizer_class: type[Any], *, alone: bool) -> None:
    """Say once what the groups of some parameters do not do; the caller's caller's caller.

    Args:
        members: Every parameter.
        optimizer_class: The optimizer's class.
        alone: Nothing follows that does more than the groups.
    """
    changed = [m for m in members if grew(m[0]) or m[0].multiplier != 1]
    for message in (
        _coupled([member for member in changed if grew(member[0])], optimizer_class),
        *_cautions(changed, optimizer_class),
        _capped(changed, optimizer_class),
        _alone(changed, optimizer_class) if alone else None,
    ):
        if message is not None:
            warnings.warn(message, MupfxWarning, stacklevel=4)


def _coupled(grown: list[Member], optimizer_class: type[Any]) -> str | None:
    names = [
        row.name
        for row, family, settings in grown
        if family.decay is Decay.COUPLED and float(settings.get("weight_decay") or 0) > 0
    ]
    if not names:
        return None
    return (
        f"{optimizer_class.__name__} adds weight decay to the gradient, and no factor makes that "
        f"keep its effect as the model grows: weight_decay is left as it is for {len(names)} "
        f"parameters ({names[0]}, ...); use {_decoupled(optimizer_class)}"
    )


def _decoupled(optimizer_class: type[Any]) -> str:
    found = (DECOUPLED_CLASSES.get(base.__name__) for base in optimizer_class.__mro__)
    return next((way for way in found if way), "weight_decay=0, or torch.optim.AdamW")


def _cautions(changed: list[Member], optimizer_class: type[Any]) -> list[str]:
    found: dict[str, str] = {}
    for _, family, settings in changed:
        for key, caution in family.cautions.items():
            value = read(settings, key)
            if value is None or value > caution.harmless:
                name = key.replace(".", "[") + "]" * ("." in key)
                found[key] = f"{optimizer_class.__name__}'s {name} is {value}: {caution.why}"
    return list(found.values())


def _capped(changed: list[Member], optimizer_class: type[Any]) -> str | None:
    larger = [
        row.name
        for row, family, settings in changed
        if family.cap and (found := family.factors(row, settings)["lr"]) and found[0] > 1
    ]
    if not larger:
        return None
    return (
        f"{optimizer_class.__name__} takes no learning rate above 1/sqrt(step), whatever the "
        f"factor: {len(larger)} parameters ({larger[0]}, ...) are to learn faster than at the "
        "base, and will not once that is reached"
    )


def _alone(changed: list[Member], optimizer_class: type[Any]) -> str | None:
    for _, family, settings in changed:
        if found := _beyond(family, settings):
            return (
                f"{optimizer_class.__name__} needs more than groups can say: {found}; build it "
                f"with mupfx.optimizer({optimizer_class.__name__}, model, ...)"
            )
    return None


def _beyond(family: OptimizerFamily, settings: Mapping[str, Any]) -> str | None:
    if family.unrectified:
        return "its first steps take another learning rate"
    if family.initial_state and settings.get("initial_accumulator_value"):
        return "its accumulators start at one value for all"
    if family.cap:
        return "it takes no learning rate above 1/sqrt(step), whatever a group's factor"
    return None

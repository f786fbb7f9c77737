"""The factors of one parameter for one optimizer, and what multiplying by them means."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mupfx.core.optimizer_family import DecayRule, OptimizerFamily
from mupfx.core.plan import ParameterPlan, Plan
from mupfx.errors import OptimizerError

Factors = Mapping[str, float | None]
"""Factor of each hyperparameter; None where there is no rule."""


def planned(plan: Plan, name: str) -> ParameterPlan:
    """The plan of a parameter, by any of its names.

    Raises:
        OptimizerError: It came to the model after the plan was made.
    """
    found = plan.parameters.get(plan.aliases.get(name, name))
    if found is not None:
        return found
    raise OptimizerError(
        "a parameter of the model is not in its plan",
        where=name,
        expected="the parameters that the model had when it was converted",
        hint="convert the model again after changing it",
    )


def decay_rule(name: str) -> DecayRule:
    """What weight decay keeps.

    Raises:
        OptimizerError: There is no such rule.
    """
    if name in set(DecayRule):
        return DecayRule(name)
    raise OptimizerError(
        "no rule of this name for weight decay",
        where="wd_rule",
        expected=", ".join(repr(str(rule)) for rule in DecayRule),
        found=repr(name),
    )


def factors_of(
    row: ParameterPlan, family: OptimizerFamily, settings: Mapping[str, Any], rule: DecayRule
) -> Factors:
    """What the plan says of a parameter under one family."""
    found = family.factors(row, settings, rule)
    numbers = {key: None if factor is None else factor[0] for key, factor in found.items()}
    if "weight_decay" in numbers and numbers["weight_decay"] is None and row.multiplier != 1:
        numbers["weight_decay"] = row.multiplier ** float(family.moved("weight_decay"))
    return numbers


def grew(row: ParameterPlan) -> bool:
    """Whether any scale of a parameter is another than at the base."""
    scales = row.scales
    powers = (scales.lr_adam, scales.gradient, scales.init_std)
    return any(power.value(row.symbols) != 1 for power in powers)


def scale(value: Any, factor: float | None) -> Any:
    """Multiply; by one, or by nothing, the very same value, but never the same tensor.

    >>> scale(1, 1.0), scale(0.5, None), scale(1, 0.25)
    (1, 0.5, 0.25)
    """
    if factor is None or factor == 1.0:
        return value.clone() if isinstance(value, Tensor) else value
    return value * factor


def read(settings: Mapping[str, Any], key: str) -> Any:
    """A hyperparameter, or an entry of one that is a tuple; None where it is not there.

    >>> read({"eps": (None, 1e-3)}, "eps.1"), read({"lr": 0.1}, "eps")
    (0.001, None)
    """
    name, _, index = key.partition(".")
    value = settings.get(name)
    if not index:
        return None if isinstance(value, tuple | list) else value
    return value[int(index)] if isinstance(value, tuple | list) else None


def write(settings: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """The settings with one changed; a tuple stays one.

    >>> write({"eps": (None, 1e-3)}, "eps.1", 0.5)
    {'eps': (None, 0.5)}
    """
    name, _, index = key.partition(".")
    if not index:
        return {**settings, name: value}
    entries = list(settings[name])
    entries[int(index)] = value
    return {**settings, name: type(settings[name])(entries)}

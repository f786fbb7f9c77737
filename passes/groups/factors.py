"""The factors of one parameter for one optimizer, and what multiplying by them means."""

import warnings
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mupfx.core.plan import ParameterPlan, Plan
from mupfx.errors import MupfxWarning, OptimizerError
from mupfx.passes.groups.ratios import SCALED

Factors = Mapping[str, float | None]
"""Factor of ``lr``, ``weight_decay`` and ``eps``; None where there is no rule."""


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


def factors_of(row: ParameterPlan, family: str) -> Factors:
    """What the plan says of a parameter under one family.

    Raises:
        OptimizerError: The plan knows nothing of this family.
    """
    if family not in row.optimizers:
        raise OptimizerError(
            f"the plan has no factors for the optimizer family {family!r}",
            where=row.name,
            expected=", ".join(row.optimizers),
            hint="convert the model again with this version",
        )
    found = row.optimizers[family]
    return {key: getattr(found, key) for key in SCALED}


def scale(value: Any, factor: float | None) -> Any:
    """Multiply; by one, or by nothing, the very same value, but never the same tensor.

    >>> scale(1, 1.0), scale(0.5, None), scale(1, 0.25)
    (1, 0.5, 0.25)
    """
    if factor is None or factor == 1.0:
        return value.clone() if isinstance(value, Tensor) else value
    return value * factor


def lacks_rule(factors: Factors, settings: Mapping[str, Any]) -> bool:
    """Whether weight decay should change by a factor that nobody knows."""
    decays = float(settings.get("weight_decay") or 0) > 0
    changed = any(factor not in {None, 1.0} for factor in factors.values())
    return decays and changed and factors["weight_decay"] is None


def warn_coupled(names: list[str], optimizer_class: type[Any]) -> None:
    """Say once for which parameters weight decay was left alone; the caller's caller's caller."""
    if not names:
        return
    warnings.warn(
        f"{optimizer_class.__name__} adds weight decay to the gradient, and no factor makes that "
        f"keep its effect as the model grows: weight_decay is left as it is for {len(names)} "
        f"parameters ({names[0]}, ...); use torch.optim.AdamW, or decoupled_weight_decay=True",
        MupfxWarning,
        stacklevel=4,
    )

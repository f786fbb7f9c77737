"""Split the user's groups by the plan's factors, into the fewest groups that they allow."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from mupfx.core.plan import ParameterPlan, Plan
from mupfx.core.vocabulary import Role
from mupfx.passes.groups.arguments import arguments_of, require_class, require_known, require_lr
from mupfx.passes.groups.factors import (
    Factors,
    factors_of,
    lacks_rule,
    planned,
    scale,
    warn_coupled,
)
from mupfx.passes.groups.given import Given, read_groups
from mupfx.passes.groups.ratios import SCALED
from mupfx.tables.optimizers import family_of


@dataclass(frozen=True, slots=True)
class Part:
    """Members of one given group whose factors are equal."""

    group: Given
    settings: Mapping[str, Any]
    """Every hyperparameter in force: the group's, the user's, the optimizer's own."""
    factors: Factors
    members: list[tuple[ParameterPlan, str | None, Tensor]] = field(default_factory=list)
    """Plan, the user's label where one was given, and the parameter itself."""


def build_groups(  # noqa: PLR0913 - what a user says of an optimizer
    plan: Plan,
    named_parameters: Iterable[tuple[str, Tensor]],
    optimizer_class: type[Any],
    hyperparameters: Mapping[str, Any],
    *,
    user_groups: object = None,
    family: str | None = None,
) -> list[dict[str, Any]]:
    """Make groups for ``optimizer_class`` in which every hyperparameter is scaled by the plan.

    Args:
        plan: The plan of the model.
        named_parameters: ``model.named_parameters()``.
        optimizer_class: The optimizer's class.
        hyperparameters: What the user would pass to it; what is left out is its own default.
        user_groups: The user's groups, in any form torch takes; they are split, not changed.
        family: The family to treat an unlisted class as.

    Raises:
        OptimizerError: The optimizer, a hyperparameter or a group cannot be used.
    """
    arguments = arguments_of(require_class(optimizer_class))
    require_known(arguments, hyperparameters, optimizer_class)
    parts: list[Part] = []
    for group in read_groups(user_groups, dict(named_parameters)):
        settings = {**arguments.defaults, **hyperparameters, **group.options}
        require_lr(settings)
        parts += _split(plan, group, settings, family_of(optimizer_class, settings, family).name)
    left_alone = [p for p in parts if lacks_rule(p.factors, p.settings)]
    warn_coupled([row.name for p in left_alone for row, _, _ in p.members], optimizer_class)
    return _distinct([_group(part, hyperparameters) for part in parts])


def _split(plan: Plan, group: Given, settings: Mapping[str, Any], family: str) -> list[Part]:
    """Members with equal factors together; equal means to twelve digits."""
    parts: dict[tuple[str, ...], Part] = {}
    for name, label, tensor in group.members:
        row = planned(plan, name)
        factors = factors_of(row, family)
        key = tuple("" if factor is None else f"{factor:.12g}" for factor in factors.values())
        part = parts.setdefault(key, Part(group, settings, factors))
        part.members.append((row, label, tensor))
    return list(parts.values())


def _group(part: Part, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    factors, options = part.factors, part.group.options
    values = {key: part.settings[key] for key in SCALED if key in part.settings}
    group = {
        "params": [(label, tensor) if label else tensor for _, label, tensor in part.members],
        **hyperparameters,
        **options,
        **{key: scale(value, factors[key]) for key, value in values.items()},
    }
    if "initial_lr" in options:
        group["initial_lr"] = scale(options["initial_lr"], factors["lr"])
    roles = _roles(part)
    return group | {
        "name": f"{part.group.prefix}{'+'.join(roles)}.lr={factors['lr']:.4g}",
        "mupfx": {
            "roles": roles,
            **factors,
            "parameters": [row.name for row, _, _ in part.members],
            "base": {key: float(value) for key, value in values.items()},
        },
    }


def _roles(part: Part) -> list[str]:
    found = {row.role for row, _, _ in part.members}
    return [role.value for role in Role if role in found]


def _distinct(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Number the names that are taken."""
    taken: set[str] = set()
    for group in groups:
        name, count = group["name"], 1
        while group["name"] in taken:
            count += 1
            group["name"] = f"{name}.{count}"
        taken.add(group["name"])
    return groups

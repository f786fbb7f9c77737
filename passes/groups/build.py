"""Split the user's groups by the plan's factors, into the fewest groups that they allow."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from mupfx.core.optimizer_family import DecayRule, OptimizerFamily
from mupfx.core.plan import ParameterPlan, Plan
from mupfx.core.vocabulary import Role
from mupfx.errors import OptimizerError
from mupfx.passes.groups.arguments import arguments_of, require_class, require_known, require_lr
from mupfx.passes.groups.factors import (
    Factors,
    decay_rule,
    factors_of,
    planned,
    read,
    scale,
    write,
)
from mupfx.passes.groups.given import Given, read_groups
from mupfx.passes.groups.warn import warn_of
from mupfx.tables.optimizers import family_of

Family = str | OptimizerFamily | None


@dataclass(frozen=True, slots=True)
class Part:
    """Members of one given group whose factors are equal."""

    group: Given
    settings: Mapping[str, Any]
    """Every hyperparameter in force: the group's, the user's, the optimizer's own."""
    family: OptimizerFamily
    factors: Factors
    more: Mapping[str, Any]
    """What else the group records: of a state that is filled, of steps that differ."""
    members: list[tuple[ParameterPlan, str | None, Tensor]] = field(default_factory=list)
    """Plan, the user's label where one was given, and the parameter itself."""


def build_groups(  # noqa: PLR0913 - what a user says of an optimizer
    plan: Plan,
    named_parameters: Iterable[tuple[str, Tensor]],
    optimizer_class: type[Any],
    hyperparameters: Mapping[str, Any],
    *,
    user_groups: object = None,
    family: Family = None,
    wd_rule: str = "timescale",
    alone: bool = True,
) -> list[dict[str, Any]]:
    """Make groups for ``optimizer_class`` in which every hyperparameter is scaled by the plan.

    Args:
        plan: The plan of the model.
        named_parameters: ``model.named_parameters()``.
        optimizer_class: The optimizer's class.
        hyperparameters: What the user would pass to it; what is left out is its own default.
        user_groups: The user's groups, in any form torch takes; they are split, not changed.
        family: The family to treat an unlisted class as, by name or as a row.
        wd_rule: What weight decay keeps: ``"timescale"``, ``"sqrt"`` or ``"const"``.
        alone: Warn of what the groups alone cannot do.

    Raises:
        OptimizerError: The optimizer, a hyperparameter or a group cannot be used.
    """
    arguments = arguments_of(require_class(optimizer_class))
    require_known(arguments, hyperparameters, optimizer_class)
    rule = decay_rule(wd_rule)
    parts: list[Part] = []
    for group in read_groups(user_groups, dict(named_parameters)):
        settings = {**arguments.defaults, **hyperparameters, **group.options}
        require_lr(settings)
        row = family_of(optimizer_class, settings, family)
        parts += _split(plan, group, settings, row, rule)
    _require_matrices(parts, optimizer_class)
    members = [(row, part.family, part.settings) for part in parts for row, _, _ in part.members]
    warn_of(members, optimizer_class, alone=alone)
    return _distinct([_group(part, hyperparameters) for part in parts])


def _split(
    plan: Plan,
    group: Given,
    settings: Mapping[str, Any],
    family: OptimizerFamily,
    rule: DecayRule,
) -> list[Part]:
    """Members with equal factors together; equal means to twelve digits."""
    parts: dict[tuple[str, ...], Part] = {}
    for name, label, tensor in group.members:
        row = planned(plan, name)
        factors = factors_of(row, family, settings, rule)
        more = _more(row, family)
        key = tuple("" if f is None else f"{f:.12g}" for f in (*factors.values(), *_flat(more)))
        part = parts.setdefault(key, Part(group, settings, family, factors, more))
        part.members.append((row, label, tensor))
    return list(parts.values())


def _more(row: ParameterPlan, family: OptimizerFamily) -> dict[str, Any]:
    found: dict[str, Any] = {
        "first_steps": {k: scaling.factor(row)[0] for k, scaling in family.unrectified.items()},
        "state": {k: scaling.factor(row)[0] for k, scaling in family.initial_state.items()},
        "cap": family.cap,
    }
    return {key: value for key, value in found.items() if value}


def _flat(more: Mapping[str, Any]) -> list[float]:
    inner = [value for value in more.values() if isinstance(value, Mapping)]
    return [factor for value in inner for factor in value.values()]


def _require_matrices(parts: list[Part], optimizer_class: type[Any]) -> None:
    """Refuse what an optimizer of matrices would refuse, in words that help."""
    for part in parts:
        for row, _, tensor in part.members if part.family.matrices_only else ():
            if tensor.ndim != 2:
                raise OptimizerError(
                    f"{optimizer_class.__name__} trains matrices, and this parameter is none",
                    where=row.name,
                    expected="a tensor of two dimensions",
                    found=f"one of shape {list(tensor.shape)}, role {row.role}",
                    hint="mupfx.muon_groups(model, ...) splits a model between Muon and AdamW",
                )


def _group(part: Part, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    factors, options = part.factors, part.group.options
    values = {key: read(part.settings, key) for key in factors}
    values = {key: value for key, value in values.items() if value is not None}
    scaled = dict(part.settings)
    for key, value in values.items():
        scaled = write(scaled, key, scale(value, factors[key]))
    group = {
        "params": [(label, tensor) if label else tensor for _, label, tensor in part.members],
        **hyperparameters,
        **options,
        **{key: scaled[key] for key in {name.partition(".")[0]: None for name in values}},
    }
    if "initial_lr" in options:
        group["initial_lr"] = scale(options["initial_lr"], factors["lr"])
    roles = _roles(part)
    return group | {
        "name": f"{part.group.prefix}{'+'.join(roles)}.lr={factors['lr']:.4g}",
        "mupfx": {
            "roles": roles,
            "family": part.family.name,
            **factors,
            **part.more,
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

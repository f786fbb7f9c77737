"""Optimizer groups as data, for a training script without mupfx: ``param_groups.json``.

``{"families": {"adamw": [{"name": "hidden.lr=0.25", "lr": 0.25, "weight_decay": 4.0, "eps": 0.25,
"parameters": ["blocks.0.attn.weight"]}]}}``: factors to multiply one's own values with.
"""

from collections import Counter
from typing import Any

from mupfx.core.plan import SCHEMA, OptimizerFactors, ParameterPlan, Plan
from mupfx.core.vocabulary import Role

Key = tuple[tuple[str, float | None], ...]
"""A group's hyperparameters and their factors, the learning rate first."""


def groups_dict(plan: Plan) -> dict[str, Any]:
    """Groups of parameters with equal factors, for every optimizer family of the plan."""
    families = dict.fromkeys(
        family for parameter in plan.parameters.values() for family in parameter.optimizers
    )
    return {
        "schema": SCHEMA,
        "parametrization": plan.parametrization,
        "plan": plan.to_dict()["hash"],
        "families": {family: _groups(plan, family) for family in families},
    }


def _groups(plan: Plan, family: str) -> list[dict[str, Any]]:
    members: dict[Key, list[ParameterPlan]] = {}
    for parameter in plan.parameters.values():
        if factors := parameter.optimizers.get(family):
            members.setdefault(_key(factors), []).append(parameter)
    groups = [
        {
            "name": f"{_roles(group)}.lr={key[0][1]:.4g}",
            **dict(key),
            "parameters": [parameter.name for parameter in group],
        }
        for key, group in members.items()
    ]
    return _distinct(groups)


def _key(factors: OptimizerFactors) -> Key:
    others = ((name, value) for name, (value, _) in factors.others.items())
    return (
        ("lr", factors.lr),
        ("weight_decay", factors.weight_decay),
        ("eps", factors.eps),
        *others,
    )


def _roles(group: list[ParameterPlan]) -> str:
    found = {parameter.role for parameter in group}
    return "+".join(role for role in Role if role in found)


def _distinct(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Number the names that are taken."""
    seen: Counter[str] = Counter()
    for group in groups:
        name = group["name"]
        seen[name] += 1
        if seen[name] > 1:
            group["name"] = f"{name}.{seen[name]}"
    return groups

"""Optimizer groups as data, for a training script without mupfx: ``param_groups.json``.

``{"families": {"adamw": [{"name": "hidden.lr=0.25", "lr": 0.25, "weight_decay": 4.0, "eps": 0.25,
"parameters": ["blocks.0.attn.weight"]}]}}``: factors to multiply one's own values with.
"""

from collections import Counter
from typing import Any

from mupfx.core.plan import SCHEMA, OptimizerFactors, ParameterPlan, Plan
from mupfx.core.vocabulary import Role

_NUMBERS = ("lr", "weight_decay", "eps")


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
    members: dict[tuple[float, float | None, float | None], list[ParameterPlan]] = {}
    for parameter in plan.parameters.values():
        if factors := parameter.optimizers.get(family):
            members.setdefault(_key(factors), []).append(parameter)
    groups = [
        {
            "name": f"{_roles(group)}.lr={key[0]:.4g}",
            **dict(zip(_NUMBERS, key, strict=True)),
            "parameters": [parameter.name for parameter in group],
        }
        for key, group in members.items()
    ]
    return _distinct(groups)


def _key(factors: OptimizerFactors) -> tuple[float, float | None, float | None]:
    return (factors.lr, factors.weight_decay, factors.eps)


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

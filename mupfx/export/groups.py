"""Optimizer groups as data, for a training script without mupfx: ``param_groups.json``.

``{"families": {"adamw": [{"name": "hidden", "lr": 0.25, "weight_decay": 4.0, "eps": 0.25,
"parameters": ["blocks.0.attn.weight"]}]}}``: factors to multiply one's own values with.
"""

from collections import Counter
from typing import Any

from mupfx.core.plan import SCHEMA, OptimizerFactors, ParameterPlan, Plan

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
    members: dict[tuple[float | None, ...], list[ParameterPlan]] = {}
    for parameter in plan.parameters.values():
        if factors := parameter.optimizers.get(family):
            members.setdefault(_key(factors), []).append(parameter)
    names = _unique([_roles(group) for group in members.values()])
    return [
        {
            "name": name,
            **dict(zip(_NUMBERS, key, strict=True)),
            "parameters": [parameter.name for parameter in group],
        }
        for name, (key, group) in zip(names, members.items(), strict=True)
    ]


def _key(factors: OptimizerFactors) -> tuple[float | None, ...]:
    return (factors.lr, factors.weight_decay, factors.eps)


def _roles(group: list[ParameterPlan]) -> str:
    return "+".join(dict.fromkeys(str(parameter.role) for parameter in group))


def _unique(names: list[str]) -> list[str]:
    """Number the names that occur more than once.

    >>> _unique(["hidden", "vector", "hidden"])
    ['hidden.1', 'vector', 'hidden.2']
    """
    total = Counter(names)
    seen: Counter[str] = Counter()
    unique: list[str] = []
    for name in names:
        seen[name] += 1
        unique.append(name if total[name] == 1 else f"{name}.{seen[name]}")
    return unique

"""Do the groups of a running optimizer still stand in the planned ratios?

A scheduler that sets a learning rate outright instead of multiplying it erases them::

    group 'hidden.lr=0.25': lr is 0.01, expected 0.0025 beside group 'input+vector.lr=1'
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from torch.optim import Optimizer

from mupfx.errors import OptimizerError
from mupfx.passes.groups.factors import read
from mupfx.passes.groups.steps import has_rules, needs_rules

_RULES_LOST = (
    "{0}'s steps differ from one to the next, and nothing sees to it: it was not built by "
    "mupfx.optimizer, or was copied or unpickled since; build it there and load its state_dict"
)
_NO_FACTORS = {"roles", "family", "first_steps", "state", "cap", "parameters", "base"}
"""What else a group says of itself."""

_TOLERANCE = 1e-5
"""Relative; schedulers multiply over and over, in single precision where lr is a tensor."""

Group = Mapping[str, Any]


def check_ratios(optimizer: Optimizer) -> tuple[str, ...]:
    """Name the groups whose hyperparameters are no longer in the planned ratio; empty when all are.

    Raises:
        OptimizerError: No group of this optimizer was made from a plan.
    """
    planned = _planned(optimizer)
    messages = [
        f"group {index} was added without a plan: nothing is known about its ratios"
        for index, group in enumerate(optimizer.param_groups)
        if "mupfx" not in group
    ]
    if any(needs_rules(group) for group in planned) and not has_rules(optimizer):
        messages.append(_RULES_LOST.format(type(optimizer).__name__))
    seen: set[tuple[str, str]] = set()
    for entry, hyperparameter in _watched(planned).items():
        for name, message in _broken(planned, entry, hyperparameter):
            if (name, hyperparameter) not in seen:
                messages.append(message)
            seen.add((name, hyperparameter))
    return tuple(messages)


def _watched(groups: list[Group]) -> dict[str, str]:
    """Entries of the groups to the hyperparameters whose factors they follow."""
    found = {"lr": "lr", "initial_lr": "lr"}
    for group in groups:
        found |= {key: key for key in group["mupfx"] if key not in _NO_FACTORS}
    return found


def _broken(groups: list[Group], entry: str, key: str) -> Iterator[tuple[str, str]]:
    rows = [(group, _target(group, key)) for group in groups if read(group, entry) is not None]
    rows = [(group, target) for group, target in rows if target > 0]
    if not rows:
        return
    anchor, anchor_target = min(rows, key=lambda row: abs(math.log(_factor(row[0], key))))
    unit = float(read(anchor, entry)) / anchor_target
    for group, target in rows:
        found, expected = float(read(group, entry)), unit * target
        if not math.isclose(found, expected, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE**2 * target):
            yield group["name"], _message(group, anchor, entry, expected)


def _message(group: Group, anchor: Group, entry: str, expected: float) -> str:
    return (
        f"group {group['name']!r}: {entry} is {float(read(group, entry)):.6g}, "
        f"expected {expected:.6g} beside group {anchor['name']!r}"
    )


def _factor(group: Group, key: str) -> float:
    factor = group["mupfx"].get(key)
    return 1.0 if factor is None else float(factor)


def _target(group: Group, key: str) -> float:
    """What the plan makes of the user's own value, which is one where it is not known."""
    return float(group["mupfx"]["base"].get(key, 1.0)) * _factor(group, key)


def scaled(optimizer: Optimizer, value: float) -> list[float]:
    """One learning rate a group, in the planned ratios: ``OneCycleLR(max_lr=scaled(opt, 0.1))``.

    Raises:
        OptimizerError: A group was not made from a plan.
    """
    require_planned(optimizer)
    return [value * _factor(group, "lr") for group in optimizer.param_groups]


def require_planned(optimizer: Optimizer) -> None:
    """Refuse an optimizer whose groups do not all have a plan.

    Raises:
        OptimizerError: There is one.
    """
    if len(_planned(optimizer)) < len(optimizer.param_groups):
        raise OptimizerError("a group of this optimizer was added without a plan")


def _planned(optimizer: Optimizer) -> list[Group]:
    groups: list[Group] = [group for group in optimizer.param_groups if "mupfx" in group]
    if groups:
        return groups
    raise OptimizerError(
        "no group of this optimizer was made from a plan",
        found=f"{type(optimizer).__name__} with {len(optimizer.param_groups)} ordinary groups",
        hint="build it with mupfx.optimizer(...), or from mupfx.param_groups(...)",
    )


def reject_stepped(optimizer: Optimizer) -> None:
    """Refuse an optimizer that has state: its moments belong to gradients of another scale.

    Raises:
        OptimizerError: It has taken a step.
    """
    if any(optimizer.state.values()):
        raise OptimizerError(
            "this optimizer has already taken steps",
            found=f"{type(optimizer).__name__} with state for {len(optimizer.state)} parameters",
            hint="convert first, then build a new optimizer: mupfx.optimizer(cls, model, lr=...)",
        )

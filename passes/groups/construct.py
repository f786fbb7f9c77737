"""Make an optimizer of groups, and do what groups cannot say."""

from collections.abc import Mapping
from typing import Any

from torch.optim import Optimizer

from mupfx.errors import OptimizerError
from mupfx.passes.groups.ratios import check_ratios
from mupfx.passes.groups.steps import StepRules, needs_rules


def construct(
    optimizer_class: type[Any],
    groups: list[dict[str, Any]],
    hyperparameters: Mapping[str, Any],
) -> Any:
    """Build the optimizer; scale what it starts with, and see to steps that differ.

    Args:
        optimizer_class: The class.
        groups: Its groups, which come before the hyperparameters.
        hyperparameters: The user's own, for what a constructor reads there alone.

    Raises:
        OptimizerError: The class changed what the groups say.
    """
    made = optimizer_class(groups, **hyperparameters)
    for group in made.param_groups:
        _scale_state(made, group)
    if any(needs_rules(group) for group in made.param_groups):
        StepRules().attach(made)
    broken = check_ratios(made)
    if broken:
        raise OptimizerError(
            f"{optimizer_class.__name__} does not keep what its groups say",
            found=broken[0],
            hint="pass the hyperparameter by name, so that it is scaled per group",
        )
    return made


def _scale_state(optimizer: Optimizer, group: Mapping[str, Any]) -> None:
    for key, factor in group.get("mupfx", {}).get("state", {}).items():
        for parameter in group["params"]:
            if key in optimizer.state[parameter]:
                optimizer.state[parameter][key].mul_(factor)

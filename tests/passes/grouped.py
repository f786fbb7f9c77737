"""A small model, its plan by hand, and groups made from it: what the group tests share."""

from fractions import Fraction
from typing import Any

import torch
from torch import nn

from mupfx.core.axes import ParameterRole
from mupfx.core.base import Ratios
from mupfx.core.optimizer_family import OptimizerFamily
from mupfx.core.plan import Plan
from mupfx.core.vocabulary import Role, Status
from mupfx.passes.assign import assign
from mupfx.passes.groups import build_groups
from mupfx.tables.mup import MUP
from mupfx.tables.optimizers import FAMILIES

ROLES: dict[str, tuple[Role, tuple[tuple[str, ...], ...]]] = {
    "0.weight": (Role.INPUT, (("w",), ())),
    "0.bias": (Role.VECTOR, (("w",),)),
    "2.weight": (Role.HIDDEN, (("w",), ("w",))),
    "2.bias": (Role.VECTOR, (("w",),)),
    "4.weight": (Role.OUTPUT, ((), ("w",))),
    "4.bias": (Role.SCALAR, ((),)),
}


def model(width: int = 8) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(3, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 2)
    )


def plan_at(ratio: int | Fraction) -> Plan:
    roles = {
        name: ParameterRole(
            name=name,
            shape=(1,) * len(axes),
            axes=axes,
            role=role,
            fan_in=(1,) if len(axes) == 2 else (),
            fan_out=(0,),
            status=Status.CERTAIN,
            uses=(),
            tied_to=(),
            why="",
        )
        for name, (role, axes) in ROLES.items()
    }
    return Plan("mup", {}, assign(roles, Ratios({"w": Fraction(ratio)}), MUP, FAMILIES, {}), {})


def groups_of(  # noqa: PLR0913 - what a user says of an optimizer
    net: nn.Module,
    optimizer_class: Any = torch.optim.AdamW,
    ratio: int | Fraction = 4,
    *,
    user_groups: object = None,
    family: str | OptimizerFamily | None = None,
    wd_rule: str = "timescale",
    **hyperparameters: Any,
) -> list[dict[str, Any]]:
    return build_groups(
        plan_at(ratio),
        net.named_parameters(),
        optimizer_class,
        hyperparameters,
        user_groups=user_groups,
        family=family,
        wd_rule=wd_rule,
    )


def settings_of(groups: list[dict[str, Any]], key: str) -> dict[str, Any]:
    """Value of one hyperparameter for each parameter."""
    return {name: group[key] for group in groups for name in group["mupfx"]["parameters"]}


def printed(groups: list[dict[str, Any]]) -> list[str]:
    return [
        f"{group['name']}: {', '.join(group['mupfx']['parameters'])}; "
        + ", ".join(
            f"{key}={group[key]:g}" for key in ("lr", "weight_decay", "eps") if key in group
        )
        for group in groups
    ]


def train(net: nn.Module, optimizer: torch.optim.Optimizer) -> list[float]:
    x = torch.linspace(-1, 1, 12).reshape(4, 3)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


class Sign(torch.optim.Optimizer):
    """An optimizer of the user's own, without eps."""

    def __init__(self, params: Any, lr: float, weight_decay: float = 0.3) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

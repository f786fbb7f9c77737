"""Families and rules for weight decay, as a user names them."""

import copy
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from inline_snapshot import snapshot
from torch import nn

import mupfx
from mupfx.tables.optimizers import FAMILIES
from tests.misuse.refusal import refusal
from tests.zoo.models.common import floats


class Signs(torch.optim.Optimizer):
    """The gradient's sign, by an author who knows nothing of mupfx."""

    def __init__(self, params: Any, lr: float, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        del closure
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.sub_(group["lr"] * parameter.grad.sign())


class Declared(Signs):
    mupfx_family = "sign"


def net(width: int) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(5, width), nn.Tanh(), nn.Linear(width, width), nn.Linear(width, 2)
    )


@cache
def prototype() -> nn.Module:
    return mupfx.convert(net(32), floats(3, 5), base=net(8))


def converted() -> nn.Module:
    return copy.deepcopy(prototype())


def hidden(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    groups = optimizer.param_groups
    return next(group for group in groups if "2.weight" in group["mupfx"]["parameters"])


@pytest.mark.parametrize(("rule", "decay"), [("timescale", 0.4), ("sqrt", 0.2), ("const", 0.1)])
def test_rules_for_weight_decay(rule: str, decay: float) -> None:
    arguments: dict[str, Any] = {"lr": 0.1, "weight_decay": 0.1, "wd_rule": rule}
    optimizer = mupfx.optimizer(torch.optim.AdamW, converted(), **arguments)
    assert hidden(optimizer)["weight_decay"] == pytest.approx(decay)
    groups = mupfx.param_groups(converted(), torch.optim.AdamW, **arguments)
    assert [g["weight_decay"] for g in groups] == [
        g["weight_decay"] for g in optimizer.param_groups
    ]


@pytest.mark.parametrize(
    ("optimizer_class", "family"),
    [(Signs, "sign"), (Signs, FAMILIES["sign"]), (Declared, None), (Signs, replace(FAMILIES["sign"], name="mine"))],
)  # fmt: skip
def test_a_family_by_name_by_row_or_declared(optimizer_class: Any, family: Any) -> None:
    optimizer = mupfx.optimizer(optimizer_class, converted(), lr=0.1, family=family)
    assert hidden(optimizer)["lr"] == 0.025
    assert mupfx.check_groups(optimizer) == ()


def test_a_live_optimizer_is_moved_by_the_row_that_it_was_made_with() -> None:
    model = converted()
    optimizer = mupfx.optimizer(Signs, model, lr=0.1, family="sign")
    mupfx.regauge_(model, {"2.weight": 4.0}, optimizer=optimizer)
    assert hidden(optimizer)["lr"] == 0.025 / 4
    model = converted()
    other = mupfx.optimizer(torch.optim.AdamW, model, lr=0.1, family="sgd")
    mupfx.regauge_(model, {"2.weight": 4.0}, optimizer=other)
    assert hidden(other)["lr"] == 0.1 / 16


def test_a_row_that_only_the_groups_knew() -> None:
    model = converted()
    row = replace(FAMILIES["sign"], name="mine")
    optimizer = mupfx.optimizer(Signs, model, lr=0.1, family=row)
    call: dict[str, Any] = {"multipliers": {"2.weight": 4.0}, "optimizer": optimizer}
    assert refusal(model, lambda: mupfx.regauge_(model, **call)) == snapshot("""\
OptimizerError: these groups were made with a row that is not known here
  where: hidden+output.lr=0.25
  found: family 'mine'
  hint: pass it again, family=..., or make it the class's mupfx_family\
""")
    mupfx.regauge_(model, family=row, **call)
    assert hidden(optimizer)["lr"] == 0.025 / 4


def test_a_class_that_says_nothing() -> None:
    model = converted()
    assert refusal(model, lambda: mupfx.optimizer(Signs, model, lr=0.1)) == snapshot("""\
OptimizerError: how this optimizer scales is not known
  expected: an optimizer of torch.optim, a subclass of one, or a class with mupfx_family
  found: tests.test_optimizer_families.Signs
  hint: name the one it scales like: family="adam", "adamw" (decoupled weight decay), "sgd", "sign" (Lion), "shampoo", or pass a mupfx.OptimizerFamily\
""")


def test_muon_for_all_of_a_model() -> None:
    model = converted()
    text = refusal(model, lambda: mupfx.optimizer(torch.optim.Muon, model, lr=0.1))
    assert "mupfx.muon_groups(model, ...)" in text

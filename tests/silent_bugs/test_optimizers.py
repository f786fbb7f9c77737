"""Bugs 1, 2, 8, 9 and 11 of microsoft/mup: rates, defaults, schedules, groups, Muon."""

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

import mupfx
from tests.silent_bugs.models import converted, groups_by_name, mlp, seeded
from tests.zoo.models.common import floats


def test_1_a_tensor_learning_rate_is_not_shared() -> None:
    rate = torch.tensor(0.5)
    optimizer = mupfx.optimizer(torch.optim.AdamW, converted(), lr=rate)
    held = [group["lr"] for group in optimizer.param_groups]
    assert rate.item() == 0.5
    assert len({id(lr) for lr in [rate, *held]}) == len(held) + 1
    assert sorted({float(lr) for lr in held}) == [0.125, 0.5]


def test_1_the_rates_move_apart_from_each_other() -> None:
    """Halving one group's tensor in place leaves the others."""
    optimizer = mupfx.optimizer(torch.optim.AdamW, converted(), lr=torch.tensor(0.5))
    first, *others = optimizer.param_groups
    before = [float(group["lr"]) for group in others]
    first["lr"].mul_(0.5)
    assert [float(group["lr"]) for group in others] == before


def test_2_the_optimizer_keeps_its_own_defaults() -> None:
    ours = groups_by_name(converted(1), torch.optim.AdamW, lr=0.1)
    theirs = torch.optim.AdamW(converted(1).parameters(), lr=0.1).defaults
    assert theirs["weight_decay"] == 0.01
    model = converted()
    optimizer = mupfx.optimizer(torch.optim.AdamW, model, lr=0.1)
    decay = {g["lr"] * g["weight_decay"] for g in optimizer.param_groups}
    assert [math.isclose(rate, 0.1 * 0.01) for rate in decay] == [True] * len(decay)
    assert all("weight_decay" not in g or g["weight_decay"] == 0.01 for g in ours.values())


def test_2_the_base_trains_as_if_nothing_had_happened() -> None:
    """AdamW with its own weight decay, bit for bit."""
    model, plain = converted(1), seeded(mlp, 64)
    ours = mupfx.optimizer(torch.optim.AdamW, model, lr=0.1)
    theirs = torch.optim.AdamW(plain.parameters(), lr=0.1)
    for _ in range(3):
        for m, optimizer in ((model, ours), (plain, theirs)):
            optimizer.zero_grad()
            torch.autograd.backward(m(floats(3, 7)).square().mean())
            optimizer.step()
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), plain.parameters(), strict=True)
    )


def test_8_a_schedule_that_erases_the_ratios_is_noticed() -> None:
    optimizer = mupfx.optimizer(torch.optim.Adam, converted(), lr=0.1)
    assert mupfx.check_groups(optimizer) == ()
    OneCycleLR(optimizer, max_lr=0.1, total_steps=10)
    assert mupfx.check_groups(optimizer) != ()


def test_9_named_parameters_are_welcome() -> None:
    model = converted()
    named = mupfx.param_groups(
        model, optimizer=torch.optim.Adam, groups=model.named_parameters(), lr=1.0
    )
    plain = mupfx.param_groups(model, optimizer=torch.optim.Adam, lr=1.0)
    assert sorted(g["lr"] for g in named) == sorted(g["lr"] for g in plain)
    optimizer = torch.optim.Adam(named)
    torch.autograd.backward(model(floats(3, 7)).square().mean())
    optimizer.step()


def test_9_without_a_rate_the_class_decides() -> None:
    default = torch.optim.AdamW([nn.Parameter(torch.ones(1))]).defaults["lr"]
    optimizer = mupfx.optimizer(torch.optim.AdamW, converted())
    assert {g["lr"] / default for g in optimizer.param_groups} == {1.0, 0.25}


def test_9_the_callers_groups_are_not_touched() -> None:
    model = converted()
    given: list[dict[str, Any]] = [
        {"params": [model[0].weight, model[0].bias], "lr": 0.3},
        {"params": [*model[2].parameters(), *model[4].parameters()], "weight_decay": 0.0},
    ]
    before = [dict(group) | {"params": list(group["params"])} for group in given]
    groups = mupfx.param_groups(model, optimizer=torch.optim.AdamW, groups=given, lr=0.1)
    for now, then in zip(given, before, strict=True):
        assert now.keys() == then.keys()
        assert all(a is b for a, b in zip(now["params"], then["params"], strict=True))
    names = {p: name for name, p in model.named_parameters()}
    found = {names[p]: g for g in groups for p in g["params"]}
    assert found["0.weight"]["lr"] == pytest.approx(0.3)
    assert found["2.weight"]["lr"] == pytest.approx(0.1 / 4)
    assert found["2.weight"]["weight_decay"] == 0.0


def test_11_adams_rule_is_not_put_on_muon() -> None:
    """Muon's update has the same norm at every width: Adam's factors would be 1 and 1/4."""
    model = nn.Sequential(nn.Linear(64, 64, bias=False), nn.Linear(64, 64, bias=False))
    base = nn.Sequential(nn.Linear(64, 16, bias=False), nn.Linear(16, 64, bias=False))
    mupfx.convert(model, floats(3, 64), base=base)
    optimizer = mupfx.optimizer(torch.optim.Muon, model, lr=0.1)
    found = {n: g["lr"] for g in optimizer.param_groups for n in g["mupfx"]["parameters"]}
    assert found == pytest.approx({"0.weight": 0.2, "1.weight": 0.1})

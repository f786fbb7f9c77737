"""Telling whether a scheduler, or anything else, has erased the planned ratios."""

import math
from typing import Any

import pytest
import torch
from inline_snapshot import snapshot
from torch.optim import lr_scheduler

from mupfx.errors import OptimizerError
from mupfx.passes.groups import check_ratios, reject_stepped, scaled
from tests.passes.grouped import groups_of, model, train


def adamw(**hyperparameters: Any) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups_of(model(), lr=0.01, **hyperparameters))


def advance(optimizer: torch.optim.Optimizer, scheduler: Any, steps: int) -> set[tuple[str, ...]]:
    """Step, and collect everything that was reported on the way."""
    found = {check_ratios(optimizer)}
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
        found.add(check_ratios(optimizer))
    return found


def schedules(optimizer: torch.optim.Optimizer) -> list[Any]:
    return [
        lr_scheduler.CosineAnnealingLR(optimizer, T_max=6),
        lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, step / 3)),
        lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=4),
        lr_scheduler.ExponentialLR(optimizer, gamma=0.9),
        lr_scheduler.OneCycleLR(optimizer, max_lr=scaled(optimizer, 0.1), total_steps=20),
        lr_scheduler.SequentialLR(
            optimizer,
            [lr_scheduler.ConstantLR(optimizer), lr_scheduler.CosineAnnealingLR(optimizer, 8)],
            milestones=[4],
        ),
    ]


@pytest.mark.parametrize("index", range(6))
def test_schedules_that_multiply_keep_them(index: int) -> None:
    optimizer = adamw()
    assert advance(optimizer, schedules(optimizer)[index], 12) == {()}


def test_a_tensor_learning_rate_keeps_them() -> None:
    optimizer = torch.optim.AdamW(groups_of(model(), lr=torch.tensor(0.01)), foreach=False)
    assert advance(optimizer, lr_scheduler.CosineAnnealingLR(optimizer, T_max=6), 12) == {()}


def test_one_cycle_with_one_number_erases_them() -> None:
    optimizer = adamw()
    lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=10)
    assert check_ratios(optimizer) == snapshot(
        (
            "group 'hidden.lr=0.25': lr is 0.004, expected 0.001 beside group 'input+vector.lr=1'",
            "group 'output.lr=0.25': lr is 0.004, expected 0.001 beside group 'input+vector.lr=1'",
        )
    )


def test_one_cycle_with_scaled_numbers_peaks_at_each_group_s_own() -> None:
    optimizer = adamw()
    assert scaled(optimizer, 0.1) == [0.1, 0.025, 0.025, 0.1]


def test_an_absolute_floor_shows_once_it_bites() -> None:
    optimizer = adamw()
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=10, eta_min=0.005)
    assert check_ratios(optimizer) == ()
    found = advance(optimizer, scheduler, 10)
    assert len(found) > 5
    assert len(check_ratios(optimizer)) == 2


def test_weight_decay_and_eps_are_watched_too() -> None:
    optimizer = adamw()
    for group in optimizer.param_groups:
        group["weight_decay"] = 0.05
        group["eps"] *= 10
    hidden, output = check_ratios(optimizer)
    assert hidden.startswith("group 'hidden.lr=0.25': weight_decay is 0.05, expected 0.2 beside")
    assert output.startswith("group 'output.lr=0.25': weight_decay is 0.05, expected 0.2 beside")


def test_groups_without_decay_may_stand_beside_groups_with_it() -> None:
    net = model()
    given = [
        {"params": [p for p in net.parameters() if p.ndim == 2]},
        {"params": [p for p in net.parameters() if p.ndim < 2], "weight_decay": 0.0, "lr": 0.3},
    ]
    optimizer = torch.optim.AdamW(groups_of(net, lr=0.1, user_groups=given))
    assert advance(optimizer, lr_scheduler.CosineAnnealingLR(optimizer, T_max=6), 8) == {()}
    optimizer.param_groups[1]["lr"] *= 2
    assert len(check_ratios(optimizer)) == 1


class Hidden(torch.optim.AdamW):
    """Sets a weight decay that nobody can see from outside."""

    def __init__(self, params: Any, lr: float = 0.1) -> None:
        super().__init__(params, lr=lr, weight_decay=0.2)


def test_a_default_that_the_signature_hid() -> None:
    optimizer = Hidden(groups_of(model(), Hidden))
    messages = check_ratios(optimizer)
    assert "weight_decay is 0.2, expected 0.8" in messages[0]
    assert sorted({message.split(": ")[1].split()[0] for message in messages}) == [
        "eps",
        "weight_decay",
    ]


def test_a_group_added_later() -> None:
    optimizer = adamw()
    optimizer.add_param_group({"params": torch.ones(1, requires_grad=True)})
    assert check_ratios(optimizer) == snapshot(
        ("group 4 was added without a plan: nothing is known about its ratios",)
    )
    with pytest.raises(OptimizerError):
        scaled(optimizer, 0.1)


def test_they_hold_after_loading_a_state() -> None:
    first, second = adamw(), adamw()
    second.load_state_dict(first.state_dict())
    assert check_ratios(second) == ()
    assert math.isclose(second.param_groups[1]["lr"], 0.0025)


def test_an_ordinary_optimizer_is_told_apart() -> None:
    with pytest.raises(OptimizerError) as caught:
        check_ratios(torch.optim.SGD(model().parameters(), lr=0.1))
    assert str(caught.value) == snapshot("""\
no group of this optimizer was made from a plan
  found: SGD with 1 ordinary groups
  hint: build it with mupfx.optimizer(...), or from mupfx.param_groups(...)\
""")


def test_a_stepped_optimizer_is_refused_and_a_fresh_one_is_not() -> None:
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    reject_stepped(optimizer)
    train(net, optimizer)
    with pytest.raises(OptimizerError, match="already taken steps"):
        reject_stepped(optimizer)

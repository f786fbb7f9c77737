"""Schedulers keep the planned ratios, whatever they set outright."""

import copy
import math
from functools import cache
from typing import Any

import pytest
import torch
from inline_snapshot import snapshot
from torch import nn
from torch.optim import swa_utils
from torch.optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

import mupfx

STEPS = 12

SCHEDULERS: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "lambda": (LambdaLR, {"lr_lambda": lambda step: 0.9**step}),
    "multiplicative": (MultiplicativeLR, {"lr_lambda": lambda step: 0.9 + 0.0 * step}),
    "step": (StepLR, {"step_size": 3}),
    "multistep": (MultiStepLR, {"milestones": [2, 5]}),
    "constant": (ConstantLR, {"total_iters": 4}),
    "linear": (LinearLR, {"total_iters": 8}),
    "exponential": (ExponentialLR, {"gamma": 0.8}),
    "polynomial": (PolynomialLR, {"total_iters": 9, "power": 2}),
    "cosine": (CosineAnnealingLR, {"T_max": 8, "eta_min": 0.02}),
    "restarts": (CosineAnnealingWarmRestarts, {"T_0": 5, "eta_min": 0.02}),
    "cyclic": (CyclicLR, {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": 3, "cycle_momentum": False}),
    "one cycle": (OneCycleLR, {"max_lr": 0.3, "total_steps": STEPS + 1}),
    "plateau": (ReduceLROnPlateau, {"patience": 0, "factor": 0.3, "min_lr": 0.02, "eps": 1e-3}),
    "swa": (swa_utils.SWALR, {"swa_lr": 0.02, "anneal_epochs": 5}),
}  # fmt: skip
OUTRIGHT = ("cosine", "restarts", "cyclic", "one cycle", "plateau", "swa")
"""Those with a number that is not a ratio."""


def net(width: int) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(5, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 3)
    )


@cache
def converted(width: int) -> nn.Module:
    return mupfx.convert(net(width), torch.ones(2, 5), base=net(12))


def optimizer_of(width: int, lr: Any = 0.1) -> torch.optim.Optimizer:
    return mupfx.optimizer(torch.optim.AdamW, copy.deepcopy(converted(width)), lr=lr)


def stepped(scheduler: Any, optimizer: torch.optim.Optimizer) -> list[list[float]]:
    """The rates of all groups, at every step."""
    found = []
    for _ in range(STEPS):
        optimizer.step()
        if isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step(1.0)
        else:
            scheduler.step()
        found.append([float(group["lr"]) for group in optimizer.param_groups])
    return found


def at_the_base(name: str) -> list[float]:
    cls, arguments = SCHEDULERS[name]
    optimizer = optimizer_of(12)
    return [rates[0] for rates in stepped(cls(optimizer, **arguments), optimizer)]


@pytest.mark.parametrize("width", [12, 48, 36])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_group_has_its_share_of_the_rate_at_the_base(name: str, width: int) -> None:
    cls, arguments = SCHEDULERS[name]
    optimizer = optimizer_of(width)
    factors = [group["mupfx"]["lr"] for group in optimizer.param_groups]
    scheduler = mupfx.scheduler(cls, optimizer, **arguments)
    assert isinstance(scheduler, cls)
    found = stepped(scheduler, optimizer)
    for rates, base in zip(found, at_the_base(name), strict=True):
        assert rates == pytest.approx([factor * base for factor in factors], rel=1e-12)
    assert mupfx.check_groups(optimizer, scheduler) == ()
    assert scheduler.get_last_lr() == found[-1]


@pytest.mark.parametrize("name", OUTRIGHT)
def test_made_plainly_they_break_the_ratios_and_are_named(name: str) -> None:
    cls, arguments = SCHEDULERS[name]
    optimizer = optimizer_of(48)
    scheduler = cls(optimizer, **arguments)
    messages = mupfx.check_groups(optimizer, scheduler)
    assert any(message.startswith(f"{cls.__name__}: ") for message in messages)
    stepped(scheduler, optimizer)
    assert mupfx.check_groups(optimizer) != ()


@pytest.mark.parametrize("name", sorted(set(SCHEDULERS) - set(OUTRIGHT)))
def test_those_that_multiply_need_nothing(name: str) -> None:
    cls, arguments = SCHEDULERS[name]
    optimizer = optimizer_of(48)
    scheduler = cls(optimizer, **arguments)
    stepped(scheduler, optimizer)
    assert mupfx.check_groups(optimizer, scheduler) == ()


def test_what_the_checker_says() -> None:
    optimizer = optimizer_of(48)
    cosine = CosineAnnealingLR(optimizer, 8, eta_min=0.02)
    plateau = ReduceLROnPlateau(optimizer, min_lr=0.02)
    assert mupfx.check_groups(optimizer, cosine, plateau) == snapshot(
        (
            "CosineAnnealingLR: eta_min=0.02 is the same for all groups; make it with mupfx.scheduler(CosineAnnealingLR, optimizer, ...)",
            "ReduceLROnPlateau: min_lrs does not stand in the planned ratios; make it with mupfx.scheduler(ReduceLROnPlateau, optimizer, ...)",
        )
    )
    inside = SequentialLR(optimizer, [LinearLR(optimizer), cosine], milestones=[3])
    assert mupfx.check_groups(optimizer, inside) == mupfx.check_groups(optimizer, cosine)


def test_a_list_in_the_planned_ratios_is_right() -> None:
    optimizer = optimizer_of(48)
    plateau = ReduceLROnPlateau(optimizer, min_lr=mupfx.scaled(optimizer, 0.02))
    assert mupfx.check_groups(optimizer, plateau) == ()


def test_a_floor_at_the_base_is_no_matter() -> None:
    optimizer = optimizer_of(12)
    assert mupfx.check_groups(optimizer, CosineAnnealingLR(optimizer, 8, eta_min=0.02)) == ()


@pytest.mark.parametrize(
    "outer", [mupfx.scheduler, lambda cls, optimizer, **k: cls(optimizer, **k)]
)
def test_one_after_the_other(outer: Any) -> None:
    optimizer, base = optimizer_of(48), optimizer_of(12)

    def inner(optimizer: torch.optim.Optimizer, make: Any) -> list[Any]:
        return [
            make(LinearLR, optimizer, start_factor=0.5, total_iters=4),
            make(CosineAnnealingLR, optimizer, T_max=6, eta_min=0.02),
        ]

    found = outer(
        SequentialLR, optimizer, schedulers=inner(optimizer, mupfx.scheduler), milestones=[4]
    )
    plain = SequentialLR(base, inner(base, lambda cls, o, **k: cls(o, **k)), milestones=[4])
    factors = [group["mupfx"]["lr"] for group in optimizer.param_groups]
    for rates, at_base in zip(stepped(found, optimizer), stepped(plain, base), strict=True):
        assert rates == pytest.approx([factor * at_base[0] for factor in factors])
    assert mupfx.check_groups(optimizer, found) == ()


def test_chained() -> None:
    optimizer = optimizer_of(48)
    chained = ChainedScheduler(
        [
            mupfx.scheduler(ConstantLR, optimizer, factor=0.5, total_iters=4),
            mupfx.scheduler(CosineAnnealingLR, optimizer, T_max=6, eta_min=0.02),
        ]
    )
    stepped(chained, optimizer)
    assert mupfx.check_groups(optimizer, chained) == ()


def test_a_scheduler_inside_that_was_made_plainly() -> None:
    optimizer = optimizer_of(48)
    plain = [LinearLR(optimizer), CosineAnnealingLR(optimizer, 6, eta_min=0.02)]
    with pytest.raises(mupfx.OptimizerError) as caught:
        mupfx.scheduler(SequentialLR, optimizer, schedulers=plain, milestones=[4])
    assert str(caught.value) == snapshot("""\
a LinearLR inside was made of rates that are scaled already
  where: SequentialLR
  hint: make it with mupfx.scheduler(LinearLR, optimizer, ...) too\
""")


def test_an_optimizer_without_a_plan() -> None:
    optimizer = torch.optim.SGD(net(12).parameters(), lr=0.1)
    with pytest.raises(mupfx.OptimizerError, match="made from a plan"):
        mupfx.scheduler(StepLR, optimizer, step_size=3)


def test_a_tensor_stays_the_tensor_that_it_is() -> None:
    optimizer = optimizer_of(48, torch.tensor(0.1))
    held = [group["lr"] for group in optimizer.param_groups]
    scheduler = mupfx.scheduler(CosineAnnealingLR, optimizer, T_max=8, eta_min=0.02)
    found = stepped(scheduler, optimizer)
    assert all(a is g["lr"] for a, g in zip(held, optimizer.param_groups, strict=True))
    assert found[7] == pytest.approx([0.02 * g["mupfx"]["lr"] for g in optimizer.param_groups])
    assert mupfx.check_groups(optimizer) == ()


def test_a_step_that_changes_nothing_changes_no_bit() -> None:
    """A third is not a number of finitely many bits: dividing and multiplying would move it."""
    optimizer = optimizer_of(36, lr=0.1)
    before = [group["lr"] for group in optimizer.param_groups]
    scheduler = mupfx.scheduler(StepLR, optimizer, step_size=10**6)
    stepped(scheduler, optimizer)
    assert [group["lr"] for group in optimizer.param_groups] == before


class Failing(StepLR):
    """A scheduler with a fault of its own."""

    def get_lr(self) -> Any:
        if self.last_epoch > 0:
            raise RuntimeError("no rate")
        return super().get_lr()


def test_a_scheduler_that_raises_leaves_the_rates_alone() -> None:
    optimizer = optimizer_of(48)
    before = [group["lr"] for group in optimizer.param_groups]
    scheduler = mupfx.scheduler(Failing, optimizer, step_size=3)
    optimizer.step()
    with pytest.raises(RuntimeError, match="no rate"):
        scheduler.step()
    assert [group["lr"] for group in optimizer.param_groups] == before


def test_a_checkpoint_of_one_width_continues_at_another() -> None:
    """Its numbers are those of the base."""
    first, second = optimizer_of(48), optimizer_of(12)
    arguments = {"T_max": 8, "eta_min": 0.02}
    schedulers = [mupfx.scheduler(CosineAnnealingLR, o, **arguments) for o in (first, second)]
    saved = copy.deepcopy(schedulers[0].state_dict())
    assert saved["base_lrs"] == pytest.approx([0.1] * len(first.param_groups))
    schedulers[1].load_state_dict({**saved, "base_lrs": [0.1] * len(second.param_groups)})
    assert math.isclose(stepped(schedulers[1], second)[7][0], 0.02)

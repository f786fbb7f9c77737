"""Absorbing a multiplier leaves training as it was, with torch's own optimizers in fp64."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mupfx.core.optimizer_family import (
    ADAM_LR,
    GRADIENT,
    NOTHING,
    SGD_LR,
    Decay,
    OptimizerFamily,
    with_factors,
)
from mupfx.core.plan import InitPlan, ParameterPlan
from mupfx.core.power import ONE, Power
from mupfx.core.vocabulary import Role
from mupfx.passes.gauge import absorb
from mupfx.tables.optimizers import FAMILIES

STEPS = 20
Family = tuple[str, Callable[..., torch.optim.Optimizer], dict[str, Any]]

OPTIMIZERS: dict[str, Family] = {
    "sgd": (
        "sgd",
        torch.optim.SGD,
        {"lr": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    ),
    "sgd with dampening": (
        "sgd",
        torch.optim.SGD,
        {"lr": 0.02, "momentum": 0.8, "dampening": 0.3, "weight_decay": 0.1},
    ),
    "adam": ("adam", torch.optim.Adam, {"lr": 0.02, "eps": 0.1}),
    "amsgrad": ("adam", torch.optim.Adam, {"lr": 0.02, "eps": 0.1, "amsgrad": True}),
    "adamw": ("adamw", torch.optim.AdamW, {"lr": 0.02, "eps": 0.1, "weight_decay": 0.5}),
}


def fresh() -> ParameterPlan:
    plan = ParameterPlan(
        name="w",
        shape=(3, 5),
        role=Role.HIDDEN,
        fan_in_ratio=Fraction(1),
        fan_out_ratio=Fraction(1),
        depth_ratio=Fraction(1),
        init=InitPlan("normal", 1.0, 1.0, 1.0, ONE),
        multiplier=1.0,
        optimizers={},
        branch=None,
        tied_to=(),
        source="",
        evidence=(),
    )
    return with_factors(plan, FAMILIES)


def train(
    make: Callable[..., torch.optim.Optimizer], settings: dict[str, Any], value: float, init: float
) -> torch.Tensor:
    """Weights after some steps of fitting ``value * (w @ x)``, times ``value``."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(3, 5, generator=generator, dtype=torch.float64).mul_(init)
    weight.requires_grad_()
    optimizer = make([weight], **settings)
    for _ in range(STEPS):
        x = torch.randn(5, 7, generator=generator, dtype=torch.float64)
        target = torch.randn(3, 7, generator=generator, dtype=torch.float64)
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(value * (weight @ x), target).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return value * weight.detach()


def difference(name: str, value: float, families: dict[str, OptimizerFamily]) -> float:
    """Relative difference between applying the multiplier and having absorbed it."""
    family, make, settings = OPTIMIZERS[name]
    plan = absorb(fresh(), value, ONE, families)
    factors = plan.optimizers[family]
    moved = dict(settings)
    for key in ("lr", "weight_decay", "eps"):
        factor = getattr(factors, key)
        if key in settings and factor is not None:
            moved[key] = settings[key] * factor
    applied = train(make, settings, value, 1.0)
    absorbed = train(make, moved, 1.0, plan.init.factor)
    assert not torch.equal(applied, train(make, settings, value, 0.999)), "training must matter"
    return float((applied - absorbed).norm() / applied.norm())


@given(name=st.sampled_from(sorted(OPTIMIZERS)), value=st.floats(0.16, 3.0))
def test_training_is_invariant(name: str, value: float) -> None:
    assert difference(name, value, dict(FAMILIES)) < 1e-12


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("sgd", {"lr": ADAM_LR}),
        ("sgd", {"decay": Decay.ABSENT}),
        ("sgd", {"others": {"weight_decay": GRADIENT}}),
        ("sgd with dampening", {"lr": ADAM_LR}),
        ("adam", {"lr": SGD_LR}),
        ("adam", {"others": {}}),
        ("adam", {"others": {"eps": GRADIENT**2}}),
        ("amsgrad", {"others": {}}),
        ("adamw", {"lr": NOTHING}),
        ("adamw", {"others": {"eps": GRADIENT, "weight_decay": GRADIENT**2}}),
        ("adamw", {"others": {"eps": GRADIENT, "weight_decay": NOTHING}}),
        ("adamw", {"others": {}}),
    ],
)
def test_a_wrong_exponent_shows(name: str, wrong: dict[str, Any]) -> None:
    families = {key: replace(family, **wrong) for key, family in FAMILIES.items()}
    assert difference(name, 0.5, families) > 1e-3


def test_the_numbers() -> None:
    plan = absorb(fresh(), 0.25, Power.of(head_dim="-1/2"), FAMILIES)
    assert plan.multiplier == 4.0
    assert (plan.init.factor, plan.init.std, plan.init.base_std) == (0.25, 0.25, 1.0)
    assert plan.init.power == Power.of(head_dim="-1/2")
    assert plan.optimizers["sgd"].lr == 0.0625
    assert plan.optimizers["sgd"].weight_decay == 16.0
    assert plan.optimizers["adamw"].lr_power == Power.of(head_dim="-1/2")
    assert plan.optimizers["adamw"].eps_power == Power.of(head_dim="1/2")
    assert plan.optimizers["adam"].weight_decay is None


powers_of_two = st.integers(-4, 4).map(lambda k: 2.0**k)


@given(powers_of_two, powers_of_two)
def test_absorbing_twice_is_absorbing_the_product(a: float, b: float) -> None:
    step = absorb(absorb(fresh(), a, Power.of(head_dim=1), FAMILIES), b, ONE, FAMILIES)
    assert step == absorb(fresh(), a * b, Power.of(head_dim=1), FAMILIES)
    assert absorb(step, 1 / (a * b), Power.of(head_dim=-1), FAMILIES) == fresh()


def test_one_changes_nothing() -> None:
    assert absorb(fresh(), 1.0, ONE, FAMILIES) == fresh()


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_what_cannot_be_undone_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        absorb(fresh(), value, ONE, FAMILIES)

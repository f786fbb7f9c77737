"""At the base width a conversion is the identity: values, outputs and training, bit for bit."""

import copy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import mupfx
from mupfx.testing import ModelSpec, models

OPTIMIZERS: tuple[tuple[type[torch.optim.Optimizer], dict[str, Any]], ...] = (
    (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    (torch.optim.Adam, {"lr": 0.01, "eps": 1e-7}),
    (torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1}),
    (torch.optim.RAdam, {"lr": 0.01}),
    (torch.optim.Adagrad, {"lr": 0.01, "initial_accumulator_value": 0.1}),
    (torch.optim.Adafactor, {"lr": 0.01}),
)
EXPENSIVE = settings(
    max_examples=max(1, settings.default.max_examples // 2 if settings.default else 10)
)
"""Each example exports a model twice and trains it eight times."""


def same_bits(left: nn.Module, right: nn.Module) -> bool:
    a, b = left.state_dict(), right.state_dict()
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


def steps(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: tuple[Any, ...]) -> None:
    for _ in range(3):
        optimizer.zero_grad()
        torch.autograd.backward(model(*inputs).square().mean())
        optimizer.step()


def base_of(spec: ModelSpec, how: str) -> Any:
    """The model itself as its base, in two of the ways a user can say so."""
    return spec.build()[0] if how == "module" else lambda: spec.build()[0]


@EXPENSIVE
@given(models(), st.sampled_from(["module", "factory"]))
def test_base_identity(spec: ModelSpec, how: str) -> None:
    plain, inputs = spec.build()
    model = mupfx.convert(copy.deepcopy(plain), inputs, base=base_of(spec, how))
    assert same_bits(plain, model)
    with torch.no_grad():
        assert torch.equal(plain(*inputs), model(*inputs))
    for optimizer_class, hyper in OPTIMIZERS:
        ours, theirs = copy.deepcopy(model), copy.deepcopy(plain)
        steps(ours, mupfx.optimizer(optimizer_class, ours, **hyper), inputs)
        steps(theirs, optimizer_class(theirs.parameters(), **hyper), inputs)
        assert same_bits(ours, theirs), (optimizer_class.__name__, hyper)


@EXPENSIVE
@given(models())
def test_factors_are_one_at_the_base(spec: ModelSpec) -> None:
    """Every number of the plan, not only those that these optimizers read."""
    model, inputs = spec.build()
    plan = mupfx.plan(mupfx.convert(model, inputs, base=spec.build()[0]))
    for name, p in plan.parameters.items():
        numbers = [p.init.factor, p.multiplier, p.fan_in_ratio, p.fan_out_ratio, p.depth_ratio]
        for family in p.optimizers.values():
            numbers += [family.lr, family.weight_decay or 1, family.eps or 1]
            numbers += [value for value, _ in family.others.values()]
        assert set(numbers) == {1}, (name, numbers)
    assert {site.multiplier for site in plan.sites.values()} <= {1}


SPEC = ModelSpec("features", 4, 8, ("mlp", "linear"), tied=False, seed=0)


def test_twice_the_base_is_not_the_identity() -> None:
    """The comparison can fail: the same with a base of half the width changes all three."""
    plain, inputs = SPEC.build(2)
    model = mupfx.convert(copy.deepcopy(plain), inputs, base=SPEC.build()[0])
    assert not same_bits(plain, model)
    with torch.no_grad():
        assert not torch.equal(plain(*inputs), model(*inputs))
    optimizer = mupfx.optimizer(torch.optim.AdamW, model, lr=0.01)
    assert len({group["lr"] for group in optimizer.param_groups}) > 1


@pytest.mark.parametrize("width", [32, {"width": 32}])
def test_base_identity_by_number(width: int | dict[str, int]) -> None:
    """The base as the width of the residual stream."""
    plain, inputs = SPEC.build()
    model = mupfx.convert(copy.deepcopy(plain), inputs, base=width)
    assert same_bits(plain, model)
    assert "this is the base model" in " ".join(mupfx.plan(model).notes)

"""However a model is lowered, and in whatever gauge, it trains the same way.

Twenty steps in double precision agree to 1e-12; in single precision, where multipliers are powers of
two, bit for bit.
"""

import copy
from collections.abc import Mapping
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import mupfx
from mupfx.errors import LoweringError
from mupfx.testing import ModelSpec
from tests.train_alike.alike import (
    CASES,
    EXACT,
    OPTIMIZERS,
    QUICK,
    STEPS,
    WAYS,
    WHOLE,
    Case,
    Run,
    apart,
    convert,
    same_bits,
    train,
)

TOLERANCE = 1e-12
DTYPES = {False: torch.float64, True: torch.float32}
"""By whether multipliers are powers of two."""
FIRST, *OTHERS = WAYS


@cache
def converted(name: str, way: tuple[str, str], *, exact: bool) -> nn.Module:
    return convert(CASES[name], way, DTYPES[exact], exact=exact)


def run(
    name: str, way: tuple[str, str], optimizer: str, *, exact: bool = False, steps: int = STEPS
) -> Run:
    prototype = converted(name, way, exact=exact)
    return train(prototype, CASES[name], DTYPES[exact], optimizer, steps)


def ways(name: str) -> list[tuple[str, str]]:
    """All but the first; an LSTM keeps a list of its weights, and nothing carries a multiplier."""
    return [way for way in OTHERS if "lstm" not in name or way != ("eager", "unit")]


@pytest.mark.parametrize("optimizer", ["adamw"])
@pytest.mark.parametrize("name", QUICK)
def test_small_models(name: str, optimizer: str) -> None:
    one = run(name, FIRST, optimizer, steps=6)
    for way in ways(name):
        other = run(name, way, optimizer, steps=6)
        assert apart(other, one) < TOLERANCE, way


@pytest.mark.parametrize("name", ["small gpt"])
def test_small_models_bit_for_bit(name: str) -> None:
    one = run(name, FIRST, "adamw", exact=True, steps=6)
    for way in ways(name):
        other = run(name, way, "adamw", exact=True, steps=6)
        assert same_bits(other, one), way


def test_another_training_is_noticed() -> None:
    """Groups that do not follow the gauge: rates of the one that was folded."""
    case, way = QUICK["small gpt"], ("eager", "unit")
    one = run("small gpt", FIRST, "adamw", steps=3)
    model = converted("small gpt", way, exact=False)
    wrong = _untold(model, case)
    assert apart(wrong, one) > 1e-6


def _untold(model: nn.Module, case: Case) -> Run:
    made = copy.deepcopy(model)
    stepped = torch.optim.AdamW(made.parameters(), lr=1e-3, eps=1e-4, weight_decay=0.5)
    built = case.build()
    for _ in range(3):
        stepped.zero_grad()
        torch.autograd.backward(made(*built[1])[0].square().mean())
        stepped.step()
    values = dict(made.named_parameters())
    rows = mupfx.plan(made).parameters
    weights = {name: values[name].detach() * row.multiplier for name, row in rows.items()}
    return Run(torch.ones(3, dtype=torch.float64), weights)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", WHOLE)
def test_whole_models(name: str, optimizer: str) -> None:
    one = run(name, FIRST, optimizer)
    for way in ways(name):
        assert apart(run(name, way, optimizer), one) < TOLERANCE, way


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", EXACT)
def test_whole_models_bit_for_bit(name: str, optimizer: str) -> None:
    one = run(name, FIRST, optimizer, exact=True)
    for way in ways(name):
        other = run(name, way, optimizer, exact=True)
        assert same_bits(other, one), way


def test_what_an_lstm_keeps_beside_its_weights_is_refused_by_name() -> None:
    with pytest.raises(LoweringError, match="_flat_weights"):
        convert(QUICK["small lstm"], ("eager", "unit"), torch.float64)


@st.composite
def specs(draw: st.DrawFn) -> ModelSpec:
    source = draw(st.sampled_from(["tokens", "features"]))
    steps = ["linear", "mlp", "attention", "layer_norm", "rms_norm", "gain"]
    steps = [step for step in steps if source == "tokens" or step != "attention"]
    return ModelSpec(
        source=source,
        heads=draw(st.integers(1, 2)),
        head_dim=draw(st.integers(2, 4)),
        steps=tuple(draw(st.lists(st.sampled_from(steps), max_size=2))),
        tied=source == "tokens" and draw(st.booleans()),
        seed=draw(st.integers(0, 9)),
    )


@settings(max_examples=4)
@given(specs(), st.sampled_from(sorted(OPTIMIZERS)))
def test_generated_models(spec: ModelSpec, optimizer: str) -> None:
    def built(scale: int) -> tuple[nn.Module, tuple[object, ...], Mapping[str, object]]:
        model, inputs = spec.build(scale)
        return model, inputs, {}

    case = Case(lambda: built(2), lambda: built(1))  # type: ignore[arg-type, return-value]
    one = train(convert(case, FIRST, torch.float64), case, torch.float64, optimizer, 8)
    for way in OTHERS:
        model = convert(case, way, torch.float64)
        other = train(model, case, torch.float64, optimizer, 8)
        assert apart(other, one) < TOLERANCE, way

"""Clipping bites alike at every width and in every gauge, and at the base is torch's own."""

import copy
import math
from functools import cache
from typing import Any

import pytest
import torch
from inline_snapshot import snapshot
from torch import Tensor, nn

import mupfx


def net(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(5, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 3)
    )


@cache
def converted(width: int) -> nn.Module:
    torch.manual_seed(0)
    return mupfx.convert(net(width), torch.ones(2, 5), base=net(16))


def with_gradients(width: int = 64) -> nn.Module:
    return backward(copy.deepcopy(converted(width)))


def backward(model: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(64, size, generator=generator) for size in (5, 3))
    torch.autograd.backward((model(x) * weight).mean())
    return model


def gradients(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("max_norm", [1e-3, 10.0])
@pytest.mark.parametrize("foreach", [None, True, False])
def test_at_the_base_it_is_torch_s_bit_for_bit(max_norm: float, foreach: bool | None) -> None:  # noqa: FBT001
    model = with_gradients(16)
    theirs = copy.deepcopy(model)
    for mine, other in zip(model.parameters(), theirs.parameters(), strict=True):
        other.grad = None if mine.grad is None else mine.grad.clone()
    norm = mupfx.clip_grad_norm_(model, max_norm, foreach=foreach)
    expected = nn.utils.clip_grad_norm_(theirs.parameters(), max_norm, foreach=foreach)
    assert torch.equal(norm, expected)
    found, wanted = gradients(model), gradients(theirs)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_the_norm_is_weighed_by_sgd_s_rates() -> None:
    model = with_gradients()
    rows = mupfx.plan(model).parameters
    squares = [
        rows[name].optimizers["sgd"].lr * float(grad.square().sum())
        for name, grad in gradients(model).items()
    ]
    before = gradients(model)
    norm = mupfx.clip_grad_norm_(model, 1e-3)
    assert float(norm) == pytest.approx(math.sqrt(sum(squares)), rel=1e-5)
    for name, grad in gradients(model).items():
        torch.testing.assert_close(grad, before[name] * 1e-3 / (norm + 1e-6))


def test_no_gradient_is_touched_below_the_threshold() -> None:
    model = with_gradients()
    before = gradients(model)
    mupfx.clip_grad_norm_(model, 1e3)
    assert all(torch.equal(grad, before[name]) for name, grad in gradients(model).items())


@pytest.mark.parametrize("exact", [True, False])
def test_every_gauge_has_the_same_norm(exact: bool) -> None:  # noqa: FBT001
    model = with_gradients()
    gauge = {name: 0.2 + 0.7 * i for i, (name, _) in enumerate(model.named_parameters())}
    expected = mupfx.clip_grad_norm_(model, 1e3)
    plain = nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
    model.zero_grad()
    backward(mupfx.regauge_(model, gauge, exact=exact))
    torch.testing.assert_close(mupfx.clip_grad_norm_(model, 1e3), expected)
    moved = nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
    assert float(moved / plain) < 0.9 or float(moved / plain) > 1.1, "the plain norm has not"


def test_what_has_no_gradient_is_left_out() -> None:
    model = copy.deepcopy(converted(32))
    assert float(mupfx.clip_grad_norm_(model, 1.0)) == 0
    dict(model.named_parameters())["0.weight"].requires_grad = False
    backward(model)
    assert float(mupfx.clip_grad_norm_(model, 1.0)) > 0


def test_gradients_that_are_not_finite() -> None:
    model = with_gradients()
    next(model.parameters()).grad.fill_(math.nan)  # type: ignore[union-attr]
    with pytest.raises(RuntimeError, match="is nan, so they cannot be clipped"):
        mupfx.clip_grad_norm_(model, 1.0, error_if_nonfinite=True)
    assert math.isnan(mupfx.clip_grad_norm_(model, 1.0))


def refused(model: nn.Module, *arguments: Any) -> str:
    with pytest.raises(mupfx.MupfxError) as caught:
        mupfx.clip_grad_norm_(model, *arguments)
    return str(caught.value)


def test_another_norm() -> None:
    assert refused(with_gradients(), 1.0, math.inf) == snapshot("""\
no other norm of the gradients than the 2-norm is the same at every width
  where: norm_type
  expected: 2.0
  found: inf\
""")


def test_a_parameter_that_came_later() -> None:
    model = with_gradients()
    model.register_parameter("late", nn.Parameter(torch.ones(1)))
    torch.autograd.backward(model.get_parameter("late").sum())
    assert refused(model, 1.0) == snapshot("""\
a parameter of the model is not in its plan
  where: late
  hint: convert the model again after changing it\
""")


def test_a_model_without_a_plan() -> None:
    assert refused(net(8), 1.0) == snapshot("""\
this Sequential was not converted by mupfx
  hint: model = mupfx.convert(model, example_inputs, base=...)\
""")

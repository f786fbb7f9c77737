"""Feature-speed correction: it reaches its target, and touches nothing but the readout."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from inline_snapshot import snapshot
from torch import Tensor, nn

import mupfx
from mupfx.errors import MupfxError


def loss(model: nn.Module, x: Tensor) -> Tensor:
    found: Tensor = (model(x) - 1).pow(2).mean()
    return found


def net(depth: int = 4, width: int = 64) -> nn.Sequential:
    torch.manual_seed(0)
    made: list[nn.Module] = [nn.Linear(5, width)]
    for _ in range(depth):
        made += [nn.GELU(), nn.Linear(width, width)]
    return nn.Sequential(*made, nn.LayerNorm(width), nn.Linear(width, 2)).double()


X = torch.randn(6, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("family", ["sgd", "adam"])
@pytest.mark.parametrize("target", [1.0, 0.2])
def test_target_is_reached_and_the_rest_stays(family: str, target: float) -> None:
    model = net()
    held = {name: value.detach().clone() for name, value in model.named_parameters()}
    done = mupfx.correct_feature_speed_(model, X, loss, target=target, family=family)
    assert done.after.sensitivity == pytest.approx(target, rel=0.02)
    assert abs(done.before.sensitivity / target - 1) > 0.05
    last = f"{len(model) - 1}."
    for name, value in model.named_parameters():
        factor = done.scale if name.startswith(last) else 1.0
        assert torch.allclose(value, held[name] * factor, rtol=1e-12)
        assert value.grad is None


@pytest.mark.parametrize("family", ["sgd", "adam"])
def test_a_step_takes_the_share_that_was_asked_for(family: str) -> None:
    model = net()
    done = mupfx.correct_feature_speed_(model, X, loss, family=family)
    share = 1e-4
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[family]
    groups = done.groups(model, lr=share)
    before = loss(model, X)
    torch.autograd.backward(before)
    features = model[:-1](X).detach()
    kind(groups, lr=0.0).step()
    fallen = float((before - loss(model, X)).detach() / before.detach())
    moved = float((model[:-1](X) - features).detach().norm() / features.norm())
    assert fallen == pytest.approx(share, rel=0.02)
    assert moved == pytest.approx(share, rel=0.05)  # S is 1


def test_both_sides_of_the_formula_are_told() -> None:
    done = mupfx.correct_feature_speed_(net(), X, loss)
    assert len(done.after.layers) == 7
    for layer in done.after.layers:
        assert layer.formula == pytest.approx(layer.speed, rel=1e-9)
        assert 0 < layer.cosine <= 1


def test_a_converted_model_keeps_its_plan() -> None:
    model = mupfx.convert(net(width=128), X, base=64, strict=False)
    before = mupfx.plan(model)
    done = mupfx.correct_feature_speed_(model, X, loss)
    assert done.after.sensitivity == pytest.approx(1, rel=0.02)
    assert mupfx.plan(model) == before


def scored(model: nn.Module, x: Tensor) -> Tensor:
    classes = torch.arange(len(x)) % 2
    return nn.functional.cross_entropy(model(x), classes)


def test_losses_that_the_scale_changes_slowly_are_corrected_too() -> None:
    """S falls by less than 1 / readout where the loss itself falls with it."""
    model = net(depth=1)
    with torch.no_grad():
        list(model.parameters())[-2].div_(16)
    done = mupfx.correct_feature_speed_(model, X, scored)
    assert done.reached
    assert done.after.sensitivity == pytest.approx(1, rel=0.02)
    assert len(done.rounds) <= 6


def test_a_target_that_was_not_reached_is_warned_of() -> None:
    with pytest.warns(mupfx.MupfxWarning, match="after 1 rescalings, not 20: try more rounds"):
        done = mupfx.correct_feature_speed_(net(), X, scored, target=20.0, rounds=1)
    assert not done.reached


def test_random_numbers_are_left_alone_and_alike_in_every_round() -> None:
    model = net()
    model.insert(2, nn.Dropout(0.3))
    before = torch.random.get_rng_state()
    done = mupfx.correct_feature_speed_(model, X, loss)
    assert torch.equal(torch.random.get_rng_state(), before)
    again = mupfx.correct_feature_speed_(model, X, loss)
    assert again.before.sensitivity == pytest.approx(done.after.sensitivity, rel=1e-9)


def test_what_fails_in_a_later_round_leaves_the_readout_as_it_was() -> None:
    def squares(model: nn.Module, x: Tensor) -> Tensor:
        found: Tensor = model(x).pow(2).mean()
        return found

    calls = []

    def failing(model: nn.Module, x: Tensor) -> Tensor:
        calls.append(x)
        return loss(model, x) if len(calls) < 3 else squares(model, x).log()

    for wrong in (squares, failing):
        model = net()
        held = {name: value.clone() for name, value in model.state_dict().items()}
        with pytest.raises(MupfxError):
            mupfx.correct_feature_speed_(model, X, wrong)
        assert all(torch.equal(value, held[n]) for n, value in model.state_dict().items())


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(7, 8)

    def forward(self, ids: Tensor) -> Tensor:
        return nn.functional.linear(self.words(ids), self.words.weight)


def said(call: Callable[[], object]) -> str:
    with pytest.raises(MupfxError) as caught:
        call()
    return str(caught.value)


def test_messages() -> None:
    ids = torch.arange(4).view(1, 4)
    assert said(lambda: mupfx.correct_feature_speed_(Tied(), ids, loss)) == snapshot("""\
the readout's weight is used elsewhere, too: its scale is not the output's
  where: words.weight
  hint: untie it, or scale what the model gives\
""")
    assert said(lambda: mupfx.correct_feature_speed_(net(), X, loss, family="lion")) == snapshot("""\
learning rates of `lion` are not known
  expected: sgd or adam\
""")
    squares: Any = lambda model, x: model(x).pow(2).mean()  # noqa: E731
    assert said(lambda: mupfx.correct_feature_speed_(net(), X, squares)).startswith(
        "how much features move as the loss falls hardly depends on the readout's scale"
    )
    for given in ({"target": math.nan}, {"share": 0.0}, {"rounds": -1}, {"tolerance": -1.0}):
        call = partial(mupfx.correct_feature_speed_, net(), X, loss, **given)
        assert "less than 0" in said(call) or "larger than 0" in said(call)
    assert said(lambda: mupfx.correct_feature_speed_(net(), X, lambda m, x: m(x))).startswith(
        "the loss of `Sequential` is no number"
    )
    nothing = nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 1)).double()
    for parameter in nothing.parameters():
        nn.init.zeros_(parameter)

    def reached(model: nn.Module, x: Tensor) -> Tensor:
        found: Tensor = model(x).pow(2).mean()
        return found

    assert said(lambda: mupfx.correct_feature_speed_(nothing, X, reached)) == snapshot("""\
there is nothing to learn on this batch
  expected: a positive loss with gradients
  found: a loss of 0, and gradients of 0 parameters\
""")

"""Looking at a model changes nothing, and converting it changes parameters alone."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import mupfx
from tests.fingerprint import fingerprint
from tests.zoo.models import gpt, small
from tests.zoo.models.common import floats, tokens


@pytest.mark.parametrize(
    "build", [gpt.gpt, small.autoencoder, small.lstm, small.two_towers, small.functional_weights]
)
@pytest.mark.parametrize("training", [True, False])
def test_analysis_changes_nothing(build: Callable[..., Any], training: bool) -> None:  # noqa: FBT001
    model, args, kwargs = build(2)
    model.train(training)
    before = fingerprint(model)
    mupfx.analyze(model, args, kwargs, base=build(1)[0])
    assert fingerprint(model) == before


class Noisy(nn.Module):
    """Draws numbers, counts batches and freezes a layer."""

    def __init__(self, width: int = 46) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(7, width), nn.BatchNorm1d(width), nn.Dropout(0.5))
        self.readout = nn.Linear(width, 13)
        self.inner[0].requires_grad_(requires_grad=False)
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))
        self.calls: torch.Tensor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        out: torch.Tensor = self.readout(self.inner(x + torch.randn_like(x)))
        return out


def test_conversion_of_a_noisy_model_changes_parameters_alone() -> None:
    """Running statistics, counters, generators, flags and the user's own hooks stay."""
    model, base, inputs = Noisy(), Noisy(23), floats(3, 7)
    model.inner.register_forward_hook(lambda *_: None)
    before = fingerprint(model)
    mupfx.convert(model, inputs, base=base)
    after = fingerprint(model)
    moved = {name for name, value in after["tensors"].items() if value != before["tensors"][name]}
    assert moved == {"readout.weight", "readout.bias"}
    for aspect in ("torch generator", "python generator", "gradients", "default dtype"):
        assert after[aspect] == before[aspect]
    for name, (_, kind, training, hooks, _) in after["modules"].items():
        assert (kind, training, hooks) == before["modules"][name][1:4], name


def test_tokens_may_come_alone() -> None:
    """A single tensor is the tuple of itself."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first, second = (gpt.gpt()[0] for _ in range(2))
    base = gpt.gpt(1)[0]
    mupfx.convert(first, tokens(97, 2, 11), base=base)
    mupfx.convert(second, (tokens(97, 2, 11),), base=base)
    assert mupfx.plan(first) == mupfx.plan(second)

"""The angle between features' motion and their gradient, against depth, as ``mupfx.observe`` tells it.

``pytest -m slow tests/measured/test_observed_angles.py``. Width 256, 6 to 96 layers, one input, hidden
matrices trained by gradient descent, at the start of training. With ReLU, ``f = W relu(f)``, or
``f = (1 - b^2)^1/2 f + b W relu(f)``; exponents in depth of cos(theta) at the last features:

| net              | predicted | measured |
|------------------|-----------|----------|
| plain            | -1/2      | -0.53    |
| b = depth^-1/2   | 0         | -0.05    |
| b = depth^-1     | 0         | +0.01    |

The two sides of the Feature Speed Formula agree to 1e-10 in double precision at every layer.
"""

import math

import pytest
import torch
from torch import Tensor, nn

import mupfx
from mupfx import Observations

WIDTH, FEATURES = 256, 10
DEPTHS = (6, 12, 24, 48, 96)
TOLERANCE, CONTROL = 0.1, 0.25


class Net(nn.Module):
    """Layers before the nonlinearity are the features; a readout as small as muP's."""

    def __init__(self, depth: int, power: float | None) -> None:
        super().__init__()
        self.branch = 1.0 if power is None else depth**power
        self.skip = math.sqrt(1 - self.branch**2)
        self.stem = nn.Linear(FEATURES, WIDTH, bias=False)
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(depth - 2))
        self.head = nn.Linear(WIDTH, 1, bias=False)
        nn.init.normal_(self.stem.weight, std=FEATURES**-0.5)
        nn.init.normal_(self.head.weight, std=1 / WIDTH)
        for layer in self.layers:
            assert isinstance(layer, nn.Linear)
            nn.init.normal_(layer.weight, std=(2 / WIDTH) ** 0.5)
        self.stem.requires_grad_(requires_grad=False)
        self.head.requires_grad_(requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for layer in self.layers:
            moved = layer(torch.relu(x))
            x = moved if self.branch == 1 else self.skip * x + self.branch * moved
        out: Tensor = self.head(x)
        return out


def observed(power: float | None, depths: tuple[int, ...], seeds: int) -> Observations:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(1, FEATURES, generator=generator, dtype=torch.float64)
    x = x / x.norm() * FEATURES**0.5

    def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        found: Tensor = (model(batch[0]) - batch[1]).pow(2).mean() / 2
        return found

    return mupfx.observe(
        lambda depth: Net(depth, power).double(),
        (x, torch.ones(1, 1, dtype=torch.float64)),
        loss,
        what=["feature_speed"],
        depths=depths,
        seeds=seeds,
        steps=[0],
        optimizer=lambda model: torch.optim.SGD(
            [p for p in model.parameters() if p.requires_grad], lr=1e-3
        ),
    )


def worst_ratio(seen: Observations) -> float:
    """How far the two sides of the formula are apart, over all layers."""
    key = ("depth", "seed", "step", "op")
    left, right = (
        {tuple(getattr(r, k) for k in key): r.value for r in seen.where(quantity=name).rows if r.op}
        for name in ("feature_speed", "feature_speed_formula")
    )
    assert left.keys() == right.keys()
    assert len(left) > 1
    return max(abs(right[k] / left[k] - 1) for k in left)


@pytest.mark.slow
@pytest.mark.parametrize(("power", "predicted"), [(None, -0.5), (-0.5, 0.0), (-1.0, 0.0)], ids=str)
def test_angle_against_depth(power: float | None, predicted: float) -> None:
    seen = observed(power, DEPTHS, 4)
    found = seen.slope("angle_cosine", "depth")
    assert worst_ratio(seen) < 1e-10
    assert found.mean == pytest.approx(predicted, abs=TOLERANCE)
    other = -0.5 if predicted == 0 else 0.0
    assert abs(found.mean - other) > CONTROL


@pytest.mark.parametrize("power", [None, -0.5], ids=str)
def test_formula_holds_at_every_layer(power: float | None) -> None:
    assert worst_ratio(observed(power, (6,), 1)) < 1e-10

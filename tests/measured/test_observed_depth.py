"""Residual nets converted for depth, as ``mupfx.observe`` sees them.

``pytest -m slow tests/measured/test_observed_depth.py``. Width 96, 8 to 64 blocks of one matrix on a
base of one, the matrices alone trained, one small step on eight inputs, five seeds. Exponents in
depth of what a step does, predicted and as measured (SGD):

| rule                       | predicted | features | output |
|----------------------------|-----------|----------|--------|
| depth_mup                  |  0        | +0.05    | +0.09  |
| completep                  |  0        | +0.03    | +0.08  |
| depth_mup, lr * depth^1/2  | +1/2      | +0.54    | +0.58  |
| depth_mup, lr * depth^-1/2 | -1/2      | -0.45    | -0.41  |
| completep, lr * depth^1/2  | +1/2      | +0.50    | +0.54  |
| completep, lr * depth^-1/2 | -1/2      | -0.47    | -0.42  |

Diversity: 128 blocks ``x + |W x| - mean``, four steps of Adam at a rate at which what was learned is
not small beside the noise of the start. Kappa, predicted 1/2 at alpha 1/2 and 0 at alpha 1, was
0.48 and 0.17 (0.33 at two fifths of that rate, 0.13 at three times it).
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import mupfx
from mupfx import Observations

pytestmark = pytest.mark.filterwarnings("ignore::mupfx.MupfxWarning")

WIDTH, FEATURES, SAMPLES = 96, 8, 8
DEPTHS = (8, 16, 32, 64)
SEEDS = 5
TOLERANCE = 0.15
Bend = Callable[[Tensor], Tensor]


class Block(nn.Module):
    """One matrix, and no common mean."""

    def __init__(self, bend: Bend) -> None:
        super().__init__()
        self.layer = nn.Linear(WIDTH, WIDTH, bias=False)
        self.bend = bend

    def forward(self, x: Tensor) -> Tensor:
        y = self.bend(self.layer(x))
        out: Tensor = x + (y - y.mean(-1, keepdim=True))
        return out


class Net(nn.Sequential):
    """At std ``fan_in^-1/2``, and a readout as small as muP's."""

    def __init__(self, depth: int, bend: Bend) -> None:
        stem, head = nn.Linear(FEATURES, WIDTH, bias=False), nn.Linear(WIDTH, 1, bias=False)
        super().__init__(stem, *(Block(bend) for _ in range(depth)), head)
        for weight in self.parameters():
            nn.init.normal_(weight, std=weight.shape[1] ** -0.5)
        nn.init.normal_(head.weight, std=1 / WIDTH)


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(SAMPLES, FEATURES, generator=generator, dtype=torch.float64)
    return x, torch.randn(SAMPLES, 1, generator=generator, dtype=torch.float64)


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    found: Tensor = (model(batch[0]) - batch[1]).pow(2).mean() / 2
    return found


def optimizer(
    model: nn.Module, kind: type[torch.optim.Optimizer], rate: float, off: float
) -> torch.optim.Optimizer:
    """The plan's groups of the matrices in branches, possibly wrong by a power of depth."""
    assert isinstance(model, nn.Sequential)
    blocks = list(model)[1:-1]
    given: list[dict[str, Any]] = [
        {"params": [p for block in blocks for p in block.parameters()]},
        {"params": [*model[0].parameters(), *model[-1].parameters()], "lr": 0.0},
    ]
    made = mupfx.optimizer(kind, model, groups=given, lr=rate)
    for group in made.param_groups:
        group["lr"] *= len(blocks) ** off
    return made


def target(table: str, bend: Bend) -> Callable[[int], nn.Module]:
    def made(depth: int) -> nn.Module:
        laws = {f"{depth + 1}.weight": "constant", "*": "lecun_normal"}
        return mupfx.convert(
            Net(depth, bend).double(),
            batch()[0],
            base=WIDTH,
            base_depth=1,
            parametrization=table,
            init=laws,
        )

    return made


@cache
def seen(table: str, off: float, depths: tuple[int, ...], seeds: int) -> Observations:
    return mupfx.observe(
        target(table, torch.relu),
        batch(),
        loss,
        what=["output"],
        depths=depths,
        seeds=seeds,
        steps=[0, 1],
        optimizer=lambda model: optimizer(model, torch.optim.SGD, 0.2, off),
    )


def exponents(found: Observations) -> tuple[float, float]:
    """Of what a step does to the features, the end of the stream, and to the output."""
    names = ("feature_update", "output_update")
    features, output = (found.slope(name, "depth").mean for name in names)
    return features, output


@pytest.mark.slow
@pytest.mark.parametrize("off", [0.0, 0.5, -0.5])
@pytest.mark.parametrize("table", ["depth_mup", "completep"])
def test_a_step_moves_alike_at_every_depth_and_a_wrong_rate_shows(table: str, off: float) -> None:
    found = exponents(seen(table, off, DEPTHS, SEEDS))
    assert found == pytest.approx((off, off), abs=TOLERANCE)


@cache
def kappa(table: str, depth: int, rate: float) -> float:
    found = mupfx.observe(
        target(table, torch.abs),
        batch(),
        loss,
        what=["diversity"],
        depths=[depth],
        steps=[4],
        optimizer=lambda model: optimizer(model, torch.optim.Adam, rate, 0.0),
    )
    (value,) = [row.value for row in found.where(quantity="diversity").rows]
    return value


@pytest.mark.slow
@pytest.mark.parametrize(("table", "predicted"), [("depth_mup", 0.5), ("completep", 0.0)])
def test_features_are_most_diverse_at_one_half(table: str, predicted: float) -> None:
    assert kappa(table, 128, 5e-3) == pytest.approx(predicted, abs=0.2)


def test_a_stream_that_is_watched() -> None:
    """Two depths, one seed: the rows that depth is read off are there, and have a place."""
    found = seen("completep", 0.0, (2, 4), 1)
    assert {row.depth for row in found.rows} == {2, 4}
    assert abs(found.slope("output_update", "depth").mean) < 0.5

"""A narrow axis between two weights with nothing between is a rank only where both sides are width."""

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

import mupfx
from mupfx.core.vocabulary import Kind, Status
from mupfx.passes.axes import infer_axes
from mupfx.passes.capture import capture
from mupfx.passes.normalize import normalize


def answer(model: nn.Module, name: str, dim: int = 0) -> tuple[Kind, Status]:
    """What the pass itself says of an axis of a parameter."""
    axes = infer_axes(normalize(capture(model, (torch.ones(2, 30),), {})))
    (factor,) = axes.parameters[name][dim]
    found = axes.classes[factor]
    return found.kind, found.status


def chain(*sizes: int, bends: tuple[int, ...] = ()) -> nn.Sequential:
    """Linear layers, with a nonlinearity after those in ``bends``."""
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(pairwise(sizes)):
        layers += [nn.Linear(a, b), nn.Tanh() if i in bends else nn.Identity()]
    return nn.Sequential(*layers)


@pytest.mark.parametrize(
    ("model", "name", "expected"),
    [
        (chain(30, 64, 5, 48, 3, bends=(0, 2)), "2.weight", (Kind.FINITE, Status.ASSUMED)),
        (chain(30, 64, 5, 48, 3, bends=(0, 1, 2)), "2.weight", (Kind.WIDTH, Status.CERTAIN)),
        (chain(30, 16, 48, 3, bends=(1,)), "0.weight", (Kind.WIDTH, Status.CERTAIN)),
        (chain(30, 64, 5, 11, bends=(0,)), "2.weight", (Kind.WIDTH, Status.CERTAIN)),
        (chain(30, 64, 64, 48, 3, bends=(0, 2)), "2.weight", (Kind.WIDTH, Status.CERTAIN)),
    ],
    ids=["rank", "bent", "after a finite input", "before a finite output", "not narrower"],
)
def test_ranks(model: nn.Module, name: str, expected: tuple[Kind, Status]) -> None:
    assert answer(model, name) == expected
    alone = mupfx.analyze(model, torch.ones(2, 30)).roles[name]
    assert alone.status is Status.ASSUMED  # sizes of their own


class Between(nn.Module):
    """A rank, and something between the weight that makes it and the one that contracts it."""

    def __init__(self, step: Callable[[Tensor], Tensor], rank: int) -> None:
        super().__init__()
        self.step = step
        self.stem, self.down = nn.Linear(30, 64), nn.Linear(64, 5)
        self.up, self.readout = nn.Linear(rank, 48), nn.Linear(48, 3)

    def forward(self, x: Tensor) -> Tensor:
        low = self.step(self.down(self.stem(x).tanh()))
        out: Tensor = self.readout(self.up(low).tanh())
        return out


NORMED = nn.RMSNorm(5, elementwise_affine=False)


@pytest.mark.parametrize(
    ("step", "rank", "expected"),
    [
        (lambda y: y, 5, Kind.FINITE),
        (lambda y: y.mT.contiguous().mT, 5, Kind.FINITE),
        (lambda y: y.t().t(), 5, Kind.FINITE),
        (lambda y: y.movedim(0, 1).moveaxis(0, 1), 5, Kind.FINITE),
        (lambda y: y.mT.split([2, 3], 0)[0].mT, 2, Kind.FINITE),
        (lambda y: NORMED(y).split([2, 3], -1)[0], 2, Kind.FINITE),
        (lambda y: y.split([2, 3], -1)[0].tanh(), 2, Kind.WIDTH),
    ],
    ids=["nothing", "mT", "t", "movedim", "part of mT", "part of a norm", "bent part"],
)
def test_views_and_parts_are_still_the_product(
    step: Callable[[Tensor], Tensor], rank: int, expected: Kind
) -> None:
    assert answer(Between(step, rank), "up.weight", 1) == (
        expected,
        Status.ASSUMED if expected is Kind.FINITE else Status.CERTAIN,
    )

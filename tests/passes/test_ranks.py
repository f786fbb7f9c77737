"""A narrow axis between two weights with nothing between is a rank only where both sides are width."""

from itertools import pairwise

import pytest
import torch
from torch import nn

import mupfx
from mupfx.core.vocabulary import Kind, Status


def answer(model: nn.Module, name: str) -> tuple[Kind, Status]:
    """What is said of the first axis of a parameter."""
    analysis = mupfx.analyze(model, torch.ones(2, 30))
    (factor,) = analysis.roles[name].axes[0]
    found = analysis.classes[factor]
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
        (chain(30, 64, 5, 48, 3, bends=(0, 1, 2)), "2.weight", (Kind.WIDTH, Status.ASSUMED)),
        (chain(30, 16, 48, 3, bends=(1,)), "0.weight", (Kind.WIDTH, Status.CERTAIN)),
        (chain(30, 64, 5, 11, bends=(0,)), "2.weight", (Kind.WIDTH, Status.CERTAIN)),
        (chain(30, 64, 64, 48, 3, bends=(0, 2)), "2.weight", (Kind.WIDTH, Status.CERTAIN)),
    ],
    ids=["rank", "bent", "after a finite input", "before a finite output", "not narrower"],
)
def test_ranks(model: nn.Module, name: str, expected: tuple[Kind, Status]) -> None:
    assert answer(model, name) == expected

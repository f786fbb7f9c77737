"""Optimizers of no known kind, told by what their first step makes of gradients."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Muon, Optimizer

from mupfx.core.report import Size
from mupfx.core.run import Run
from mupfx.core.setup import Setup
from mupfx.pipeline.checking.first_step import flatness
from mupfx.pipeline.checking.training import train


def orthogonal(gradient: Tensor) -> Tensor:
    """Of a matrix; signs of anything else."""
    if gradient.ndim == 1:
        return gradient.sign()
    left, _, right = torch.linalg.svd(gradient, full_matrices=False)
    found: Tensor = left @ right
    return found


class Own(Optimizer):
    """It does what it is told."""

    def __init__(
        self, parameters: Iterator[nn.Parameter], rule: Callable[[Tensor], Tensor]
    ) -> None:
        super().__init__(parameters, {"lr": 1e-3})
        self.rule = rule

    @torch.no_grad()
    def step(self, closure: object = None) -> None:  # type: ignore[override]
        for p in self.param_groups[0]["params"]:
            p.sub_(self.rule(p.grad), alpha=1e-3)


class Known(Muon):
    """It is as its base."""


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return functional.cross_entropy(model(batch[0]), batch[1])


def trained(make: Callable[[Any], Optimizer]) -> Run:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 64), nn.Linear(64, 10))
    batch = torch.randn(32, 16), torch.randint(0, 10, (32,))
    return train(Setup(Size(64), 0, model, (make(model),), batch, loss, (batch[0],), {}))


def own(rule: Callable[[Tensor], Tensor]) -> Run:
    return trained(lambda model: Own(model.parameters(), rule))


def test_what_a_step_makes_of_gradients_is_seen() -> None:
    assert own(orthogonal).whole == {"0.weight", "2.weight", "3.weight"}
    assert not own(lambda gradient: gradient).whole
    assert not own(torch.sign).whole


def test_of_known_kinds_nothing_is_asked() -> None:
    assert not trained(lambda model: Known([model[2].weight], lr=0.1)).whole


@pytest.mark.parametrize("shape", [(8, 8), (4, 16), (16, 4), (3, 8, 4), (8, 2, 2, 2)])
def test_flatness_is_that_of_singular_values(shape: tuple[int, ...]) -> None:
    change = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    stack = change if change.ndim == 3 else change.flatten(1)
    values = torch.linalg.svdvals(stack.double()).flatten()
    wanted = torch.cosine_similarity(values, values**3, dim=0)
    assert flatness(change) == pytest.approx(float(wanted))
    assert flatness(torch.zeros(shape)) == 0.0

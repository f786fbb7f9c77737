"""Optimizers of no known kind whose updates are orthogonal, told by what their first step did."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import SGD, Muon, Optimizer

from mupfx.core.report import Size
from mupfx.core.run import Run
from mupfx.core.setup import Setup
from mupfx.pipeline.checking.orthogonal import flatness
from mupfx.pipeline.checking.training import train


class Own(Optimizer):
    """Orthogonal matrices, or signs."""

    def __init__(self, parameters: Iterator[nn.Parameter], *, signs: bool) -> None:
        super().__init__(parameters, {"lr": 1e-3})
        self.signs = signs

    @torch.no_grad()
    def step(self, closure: object = None) -> None:  # type: ignore[override]
        for p in self.param_groups[0]["params"]:
            if self.signs or p.ndim == 1:
                p.sub_(p.grad.sign(), alpha=1e-3)
            else:
                left, _, right = torch.linalg.svd(p.grad, full_matrices=False)
                p.sub_(left @ right, alpha=1e-3)


class Known(Muon):
    """It is as its base."""


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return functional.cross_entropy(model(batch[0]), batch[1])


def trained(make: object) -> Run:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 64), nn.Linear(64, 10))
    assert callable(make)
    batch = torch.randn(32, 16), torch.randint(0, 10, (32,))
    return train(Setup(Size(64), 0, model, (make(model),), batch, loss, (batch[0],), {}))


def test_what_a_step_makes_is_seen() -> None:
    assert trained(lambda m: Own(m.parameters(), signs=False)).whole == {
        "0.weight",
        "2.weight",
        "3.weight",
    }
    assert not trained(lambda m: Own(m.parameters(), signs=True)).whole


def test_of_known_kinds_nothing_is_asked() -> None:
    assert not trained(lambda m: SGD(m.parameters(), lr=0.1)).whole
    assert not trained(lambda m: Known([m[2].weight], lr=0.1)).whole


@pytest.mark.parametrize("shape", [(8, 8), (4, 16), (16, 4), (3, 8, 4), (8, 2, 2, 2)])
def test_flatness_is_that_of_singular_values(shape: tuple[int, ...]) -> None:
    change = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    stack = change if change.ndim == 3 else change.flatten(1)
    values = torch.linalg.svdvals(stack.double()).flatten()
    wanted = torch.cosine_similarity(values, values**3, dim=0)
    assert flatness(change) == pytest.approx(float(wanted))
    assert flatness(torch.zeros(shape)) == 0.0

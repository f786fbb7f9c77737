"""Constants with which a loss reads a model's outputs."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import mupfx
from mupfx.core.report import Size
from mupfx.core.setup import Setup
from mupfx.pipeline.checking.in_loss import factors_in_loss

X, Y = torch.randn(8, 6, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 3


def setup(loss: Callable[[nn.Module, Tensor], Tensor]) -> Setup:
    net = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    return Setup(Size(8), 0, net, (), X, loss, (X,), {})


@pytest.mark.parametrize(
    ("read", "factor"),
    [
        (lambda z: z / 4, 0.25),
        (lambda z: 0.5 * z.view(-1, 3), 0.5),
        (lambda z: (z * 2).float().div(8), 0.25),
        (lambda z: z * torch.tensor(3.0), 3.0),
        (lambda z: z, 1.0),
        (lambda z: (z + 1) / 4, 1.0),  # not what is multiplied alone
        (lambda z: 4 / z, 1.0),
    ],
)
def test_a_loss_multiplies(read: Callable[[Tensor], Tensor], factor: float) -> None:
    assert factors_in_loss(setup(lambda m, x: cross_entropy(read(m(x)), Y))) == {0: factor}


def test_two_ways_are_none() -> None:
    def loss(model: nn.Module, x: Tensor) -> Tensor:
        z: Tensor = model(x)
        return cross_entropy(z / 4, Y) + z.square().mean()

    assert factors_in_loss(setup(loss)) == {}


def test_the_model_is_left_as_it_is() -> None:
    made = setup(lambda m, x: m(x).square().mean())
    before = {name: value.clone() for name, value in made.model.state_dict().items()}
    state = torch.get_rng_state()
    factors_in_loss(made)
    assert all(torch.equal(before[n], v) for n, v in made.model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert not made.model._forward_hooks


@pytest.mark.parametrize("divided", [True, False])
def test_a_readout_that_the_loss_divides(divided: bool) -> None:  # noqa: FBT001 - a case
    def make(width: int) -> tuple[nn.Module, torch.optim.Optimizer, Tensor, object]:
        head = nn.Linear(width, 3, bias=False)
        nn.init.normal_(head.weight, 0, 0.2)
        net = nn.Sequential(nn.Linear(6, width), nn.Tanh(), head)
        m = width / 16 if divided else 1.0
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
        return net, optimizer, X, lambda model, x: cross_entropy(model(x) / m, Y)

    report = mupfx.check(make, widths=(16, 32, 64), seeds=2, steps=3)
    found = {(f.code, f.parameter) for f in report.errors}
    assert (("MUP012", "2.weight") in found) is not divided
    assert bool(found) is not divided

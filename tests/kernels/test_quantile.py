"""The normal transform on every number there is: 2^24 of them, so nothing is left to chance."""

import numpy as np
import pytest
import torch
from torch import Tensor

from mupfx.kernels import cpu
from mupfx.kernels.eager import quantile

CHUNK = 2**16
SOME = 31


@pytest.fixture(scope="module")
def above() -> Tensor:
    """All positive numbers that a word can give, in order."""
    return torch.arange(1, 2**24, 2, dtype=torch.int32).to(torch.float32) * 2.0**-24


@pytest.fixture(scope="module")
def found(above: Tensor) -> Tensor:
    return fast(above)


def fast(x: Tensor) -> Tensor:
    out = x.clone()
    cpu.quantile(out.numpy(), out.numel(), np.float32(0), np.float32(1))
    return out


def test_torch_and_machine_code_agree(above: Tensor, found: Tensor) -> None:
    assert torch.equal(quantile(above[::SOME].clone()), found[::SOME])
    assert torch.equal(quantile(above[-CHUNK:].clone()), found[-CHUNK:])


@pytest.mark.slow
def test_torch_and_machine_code_agree_on_every_number(above: Tensor, found: Tensor) -> None:
    for sign in (1, -1):
        mine = torch.cat([quantile(sign * chunk) for chunk in torch.split(above, CHUNK)])
        assert torch.equal(mine, sign * found)


def test_it_is_odd(above: Tensor, found: Tensor) -> None:
    assert torch.equal(fast(-above), -found)


def test_it_rises_from_every_number_to_the_next(found: Tensor) -> None:
    assert bool((found[1:] > found[:-1]).all())
    assert float(found[0]) > 0


def test_it_is_the_inverse_normal(above: Tensor, found: Tensor) -> None:
    exact = torch.special.ndtri((1 - above.double()) / 2).neg_()
    assert float(((found - exact) / exact).abs().max()) < 5.5e-7
    assert float(found.max()) == pytest.approx(5.42, abs=0.01)


def test_its_moments_are_those_of_a_normal_law(found: Tensor) -> None:
    square = found.double().square_()
    assert float(square.mean()) == pytest.approx(1.0, abs=2e-7)
    assert float(square.square().mean() / square.mean() ** 2) == pytest.approx(3.0, abs=6e-6)
    assert float((square**3).mean()) == pytest.approx(15.0, abs=3e-4)

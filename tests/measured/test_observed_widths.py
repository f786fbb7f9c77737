"""Yaida's family, converted by ``mupfx.convert`` and seen by ``mupfx.observe``, against width.

``pytest -m slow tests/measured/test_observed_widths.py``. Tanh, two hidden layers, widths 64 to 1024,
30 steps of gradient descent on six inputs, eight seeds. Exponents, predicted and as measured, with
the interval of the mean over seeds at 95 percent:

| quantity, step     | s = 0                     | s = 1/2                   | s = 1                     |
|--------------------|---------------------------|---------------------------|---------------------------|
| output, 0          |     0 -0.05 [-0.20 +0.11] | -0.25 -0.30 [-0.45 -0.14] |  -0.5 -0.55 [-0.70 -0.39] |
| feature_update, 30 |  -0.5 -0.50 [-0.54 -0.46] | -0.25 -0.27 [-0.30 -0.24] |     0 -0.03 [-0.05 -0.01] |
| output_update, 30  |     0 -0.02 [-0.11 +0.07] |     0 -0.05 [-0.11 +0.02] |     0 -0.04 [-0.09 +0.01] |
| ntk, 0             |     0 -0.01 [-0.03 -0.00] |     0 -0.01 [-0.03 -0.00] |     0 -0.01 [-0.03 -0.00] |
| ntk_change, 30     |    -1 -0.97 [-1.04 -0.89] |  -0.5 -0.44 [-0.50 -0.39] |     0 +0.05 [+0.00 +0.10] |
| dntk, 0            |    -1 -1.04 [-1.14 -0.93] | -0.75 -0.79 [-0.89 -0.68] |  -0.5 -0.54 [-0.64 -0.43] |
| dntk, 30           |    -1 -0.99 [-1.04 -0.95] |  -0.5 -0.51 [-0.55 -0.47] |     0 -0.01 [-0.05 +0.02] |
| gamma, 0           |    -1 -1.01 [-1.05 -0.97] |  -0.5 -0.53 [-0.55 -0.50] |     0 -0.03 [-0.05 -0.00] |
| richness           |     0 +0.00 [-0.04 +0.04] |  0.25 +0.23 [+0.20 +0.26] |   0.5 +0.47 [+0.45 +0.49] |

The differential of the kernel at the start is odd in the readout, so that its mean over neurons
is missing there: it falls as width^(s/2 - 1), and after training as the kernel's change does. Some
intervals are so narrow that what finite width adds lies outside: 0.1 is let pass.
"""

from fractions import Fraction
from functools import cache

import pytest
import torch
from torch import Tensor, nn

import mupfx
from mupfx import Observations
from mupfx.core.observed import Exponent
from mupfx.core.setup import Loss
from tests.measured.nets import data, mlp

WIDTHS = (64, 128, 256, 512, 1024)
SEEDS, STEPS, RATE = 8, 30, 0.04
TOLERANCE, CONTROL = 0.1, 0.2
FAMILY = ("0", "1/2", "1")


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    found: Tensor = (model(batch[0]) - batch[1]).pow(2).mean() / 2
    return found


def slope_of_one(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """A loss whose gradient in the output is alike wherever the output is."""
    found: Tensor = -(model(batch[0]) * batch[1]).mean()
    return found


def observed(
    table: str, widths: tuple[int, ...], seeds: int, steps: int, learns: Loss = loss
) -> Observations:
    def target(width: int) -> nn.Module:
        net = mlp(width)
        return mupfx.convert(
            net, data()[0], base=64, parametrization=table, init={"*": "lecun_normal"}
        )

    return mupfx.observe(
        target,
        data(),
        learns,
        what=["output", "ntk", "richness", "gamma"],
        widths=widths,
        seeds=seeds,
        steps=[0, steps],
        optimizer=lambda model: mupfx.optimizer(torch.optim.SGD, model, lr=RATE),
    )


@cache
def runs(s: str) -> Observations:
    return observed(f"meta({s})", WIDTHS, SEEDS, STEPS)


def predicted(s: Fraction) -> dict[tuple[str, int], float]:
    """By quantity and step."""
    x = float(s)
    return {
        ("output", 0): -x / 2,
        ("feature_update", STEPS): -(1 - x) / 2,
        ("output_update", STEPS): 0.0,
        ("ntk", 0): 0.0,
        ("ntk_change", STEPS): x - 1,
        ("dntk", 0): x / 2 - 1,
        ("dntk", STEPS): x - 1,
        ("gamma", 0): x - 1,
        ("gamma_predicted", 0): x - 1,
    }


def exponents(seen: Observations) -> dict[tuple[str, int], Exponent]:
    return {key: seen.slope(key[0], step=key[1]) for key in predicted(Fraction(0))}


def agrees(found: Exponent, wanted: float) -> bool:
    """Within the interval over seeds, and none so wide that it says nothing; or close."""
    low, high = found.interval
    inside = low <= wanted <= high and high - low < 4 * TOLERANCE
    return inside or abs(found.mean - wanted) <= TOLERANCE


def deviations(seen: Observations, s: Fraction) -> dict[tuple[str, int], float]:
    wanted = predicted(s)
    found = exponents(seen)
    return {k: found[k].mean - wanted[k] for k in wanted if not agrees(found[k], wanted[k])}


@pytest.mark.slow
@pytest.mark.parametrize("s", FAMILY)
def test_exponents(s: str) -> None:
    assert deviations(runs(s), Fraction(s)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("s", FAMILY)
def test_richness_is_half_of_s(s: str) -> None:
    found = [row.value for row in runs(s).where(quantity="richness").rows]
    assert len(found) == SEEDS
    assert sum(found) / len(found) == pytest.approx(float(Fraction(s)) / 2, abs=TOLERANCE)


@pytest.mark.slow
def test_another_s_is_not_taken_for_it() -> None:
    off = deviations(runs("1/2"), Fraction(0))
    assert off.keys() >= {("feature_update", STEPS), ("ntk_change", STEPS), ("gamma", 0)}
    assert all(abs(off[key]) > CONTROL for key in (("feature_update", STEPS), ("gamma", 0)))


def test_features_move_at_mup_and_stand_at_ntk() -> None:
    """Two widths, one seed and one step: draws are the same, so that only scales differ."""
    lazy, rich = (
        observed(f"meta({s})", (64, 256), 1, 1, slope_of_one).slope("feature_update").mean
        for s in (0, 1)
    )
    assert rich - lazy == pytest.approx(0.5, abs=0.02)

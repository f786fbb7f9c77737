"""Yaida's family on tanh networks: how training changes from NTK, s = 0, to muP, s = 1.

``pytest -m slow tests/measured/test_widths.py``. Two hidden layers, widths 64 to 1024, 30 steps of
gradient descent on six inputs, medians of eight seeds; the output at the start from 100 seeds.
Learning rate and number of steps were chosen so that features move by a tenth; with 10 steps of a
quarter of that rate the kernel's change at s = 1 still rises through its first-order term.
Exponents, predicted and as measured here:

| s   | output at the start | feature      | output change | kernel      | relative kernel change |
|-----|---------------------|--------------|---------------|-------------|------------------------|
| 0   | 0       +0.02       | -0.5   -0.46 | 0   +0.05     | 0   +0.03   | -1    -1.05            |
| 1/2 | -0.25   -0.23       | -0.25  -0.23 | 0    0.00     | 0   +0.03   | -0.5  -0.51            |
| 1   | -0.5    -0.48       | 0      +0.01 | 0   -0.01     | 0   +0.03   | 0     -0.01            |

Runs of other s share their draws. With the hidden layer's rate of s = 1 among those of s = 0 the
kernel grows as width^0.79 and features move as width^0.54.
With ReLU the last column at s = 0 is about -0.6 and not -1: its tangent kernel has kinks.
"""

from collections.abc import Mapping
from fractions import Fraction
from functools import cache

import pytest
import torch
from torch import Tensor

from mupfx.core.plan import ParameterPlan
from mupfx.tables.limits import observables
from mupfx.tables.parametrizations import parametrization
from tests.measured.nets import Run, data, mlp, rms, rows, with_rate_of
from tests.measured.slopes import medians, slope

WIDTHS = (64, 128, 256, 512, 1024)
SEEDS, MANY_SEEDS = range(8), range(100)
STEPS, RATE = 30, 0.04
TOLERANCE = 0.1
MEASURED = (
    "change of the output",
    "change of a feature",
    "tangent kernel times learning rate",
    "relative change of the kernel",
)
Plan = Mapping[str, ParameterPlan]


def loss(out: Tensor) -> Tensor:
    return (out - data()[1]).pow(2).mean() / 2


def trained(width: int, plan: Plan, seed: int, steps: int) -> tuple[float, ...]:
    """What ``MEASURED`` names, of one run."""
    x = data()[0]
    run = Run.of(mlp(width), plan, seed, RATE)
    out, features, kernel = run.net(x), run.net[:3](x), run.kernel(x)
    for _ in range(steps):
        run.step(loss, x)
    changed = run.kernel(x) - kernel
    return (
        rms(run.net(x) - out),
        rms(run.net[:3](x) - features),
        kernel.norm().item(),
        (changed.norm() / kernel.norm()).item(),
    )


def exponents(plans: Mapping[int, Plan], steps: int = STEPS) -> dict[str, float]:
    curves = [
        medians([trained(width, plan, seed, steps) for seed in SEEDS])
        for width, plan in plans.items()
    ]
    return {
        name: slope(WIDTHS, list(values))
        for name, values in zip(MEASURED, zip(*curves, strict=True), strict=True)
    }


def plans(name: str) -> dict[int, Plan]:
    return {width: rows(mlp, width, name) for width in WIDTHS}


@cache
def measured(name: str) -> dict[str, float]:
    return exponents(plans(name))


def predicted(name: str) -> dict[str, float]:
    point = parametrization(name).point
    assert point is not None
    return {key: float(value) for key, value in observables(*point).items()}


def deviations(found: Mapping[str, float], wanted: Mapping[str, float]) -> dict[str, float]:
    """What lies further off than the tolerance."""
    return {key: v - wanted[key] for key, v in found.items() if abs(v - wanted[key]) > TOLERANCE}


@pytest.mark.slow
@pytest.mark.parametrize("s", ["0", "1/2", "1"])
def test_training(s: str) -> None:
    assert deviations(measured(f"meta({s})"), predicted(f"meta({s})")) == {}


@pytest.mark.slow
@pytest.mark.parametrize("s", ["0", "1/2", "1"])
def test_output_at_the_start(s: str) -> None:
    x = data()[0]
    sizes = []
    for width, plan in plans(f"meta({s})").items():
        net = mlp(width)
        with torch.no_grad():
            found = [Run.of(net, plan, seed, 0.0).net(x) for seed in MANY_SEEDS]
        sizes.append(rms(torch.stack(found)))
    assert slope(WIDTHS, sizes) == pytest.approx(-float(Fraction(s)) / 2, abs=TOLERANCE)


@pytest.mark.slow
def test_another_s_is_not_taken_for_it() -> None:
    off = deviations(measured("meta(1/2)"), predicted("meta(0)"))
    assert off.keys() >= {"change of a feature", "relative change of the kernel"}


@pytest.mark.slow
def test_one_wrong_rate_is_seen() -> None:
    """The hidden layer's learning rate of s = 1 among those of s = 0, for one small step."""
    hidden = "2.weight"
    wrong = {
        width: with_rate_of(plan, rows(mlp, width, "meta(1)"), hidden)
        for width, plan in plans("meta(0)").items()
    }
    off = deviations(exponents(wrong, steps=1), predicted("meta(0)"))
    assert off["tangent kernel times learning rate"] > 0.25
    assert off["change of a feature"] > 0.25

"""Points, segments and regions of the plane of widths, one hidden layer, logistic loss.

``pytest -m slow tests/measured/test_points.py``. Leaky ReLU of slope 0.1, widths 64 to 4096; at the
start the output over 100 seeds and the tangent kernel over 8, then one step of gradient descent
from which features and the output change (ten steps saturate the loss where the kernel grows, and
exponents fall short). Predicted: output ``q_s + 1/2``, kernel and output change ``1 + q + 2 q_s``,
feature ``q + q_s``; measured, by limit:

| limit       | (q_s, q)     | output | kernel | change | feature |
|-------------|--------------|--------|--------|--------|---------|
| MF          | (-1, 1)      | -0.49  | -0.02  | -0.05  | -0.05   |
| NTK         | (-1/2, 0)    | +0.01  | -0.02  | -0.02  | -0.52   |
| sym-default | (-1/2, 1/2)  | +0.01  | +0.48  | +0.48  | -0.02   |
| MF-NTK      | (-3/4, 1/2)  | -0.24  | -0.02  | -0.04  | -0.30   |
| NTK-sym     | (-1/2, 1/4)  | +0.01  | +0.23  | +0.23  | -0.27   |
| sym-MF      | (-3/4, 3/4)  | -0.24  | +0.23  | +0.21  | -0.05   |
| post-MF     | (-3/2, 3/2)  | -0.99  | -0.52  | -0.55  | -0.05   |
| pre-sym     | (0, 0)       | +0.51  | +0.98  | +1.04  | +0.04   |
| post-NTK    | (-1, 1/2)    | -0.49  | -0.52  | -0.55  | -0.55   |
| pre-NTK     | (0, -1/2)    | +0.51  | +0.48  | +0.54  | -0.46   |
| triangle    | (-2/3, 1/2)  | -0.16  | +0.15  | +0.13  | -0.21   |
| post-MF-NTK | (-1, 3/4)    | -0.49  | -0.27  | -0.30  | -0.30   |
| pre-NTK-sym | (0, -1/4)    | +0.51  | +0.73  | +0.79  | -0.21   |

All share their draws, so that these are thirteen checks of the tables and few of the theory.
"""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from mupfx.core.plan import ParameterPlan
from mupfx.tables.limits import observables
from mupfx.tables.parametrizations import parametrization
from tests.measured.nets import Run, data, mlp, rms, rows, with_rate_of
from tests.measured.slopes import medians, slope

WIDTHS = (64, 256, 1024, 4096)
SEEDS, MANY_SEEDS = range(8), range(100)
RATE = 0.01
TOLERANCE = 0.1
POINTS = {
    "MF": "mean_field",
    "NTK": "ntk",
    "sym-default": "sym_default",
    "MF-NTK": "plane(-3/4, 1/2)",
    "NTK-sym": "plane(-1/2, 1/4)",
    "sym-MF": "plane(-3/4, 3/4)",
    "post-MF": "plane(-3/2, 3/2)",
    "pre-sym": "plane(0, 0)",
    "post-NTK": "plane(-1, 1/2)",
    "pre-NTK": "plane(0, -1/2)",
    "triangle": "plane(-2/3, 1/2)",
    "post-MF-NTK": "plane(-1, 3/4)",
    "pre-NTK-sym": "plane(0, -1/4)",
}
Plan = Mapping[str, ParameterPlan]


def net(width: int) -> nn.Sequential:
    return mlp(width, hidden=1, activation=lambda: nn.LeakyReLU(0.1))


def loss(out: Tensor) -> Tensor:
    return nn.functional.softplus(-data()[1] * out).mean()


def stepped(width: int, plan: Plan, seed: int) -> tuple[float, ...]:
    """Kernel, change of the output, change of features, of one run."""
    x = data()[0]
    run = Run.of(net(width), plan, seed, RATE)
    out, features, kernel = run.net(x), run.net[:1](x), run.kernel(x)
    run.step(loss, x)
    return kernel.norm().item(), rms(run.net(x) - out), rms(run.net[:1](x) - features)


def started(width: int, plan: Plan) -> float:
    one = net(width)
    with torch.no_grad():
        found = [Run.of(one, plan, seed, 0.0).net(data()[0]) for seed in MANY_SEEDS]
    return rms(torch.stack(found))


def measured(name: str) -> dict[str, float]:
    return fitted({width: rows(net, width, name) for width in WIDTHS})


def fitted(plans: Mapping[int, Plan]) -> dict[str, float]:
    columns = [
        [started(width, plan), *medians([stepped(width, plan, seed) for seed in SEEDS])]
        for width, plan in plans.items()
    ]
    output, kernel, change, feature = zip(*columns, strict=True)
    return {
        "output at the start": slope(WIDTHS, list(output)),
        "change of the output": slope(WIDTHS, list(change)),
        "change of a feature": slope(WIDTHS, list(feature)),
        "tangent kernel times learning rate": slope(WIDTHS, list(kernel)),
    }


def deviations(found: Mapping[str, float], name: str) -> dict[str, float]:
    point = parametrization(name).point
    assert point is not None
    wanted = observables(*point)
    off = {key: value - float(wanted[key]) for key, value in found.items()}
    return {key: value for key, value in off.items() if abs(value) > TOLERANCE}


@pytest.mark.slow
@pytest.mark.parametrize("limit", POINTS)
def test_limits(limit: str) -> None:
    assert deviations(measured(POINTS[limit]), POINTS[limit]) == {}


@pytest.mark.slow
def test_one_wrong_rate_is_seen() -> None:
    """The first layer's learning rate of MF among those of NTK."""
    wrong = {
        width: with_rate_of(rows(net, width, "ntk"), rows(net, width, "mean_field"), "0.weight")
        for width in WIDTHS
    }
    assert deviations(fitted(wrong), "ntk").keys() >= {"change of a feature"}


@pytest.mark.slow
def test_neighbours_are_told_apart() -> None:
    """Every point's exponents against all others' predictions: some always deviates."""
    found = measured(POINTS["NTK"])
    others = [name for name in POINTS.values() if name != POINTS["NTK"]]
    assert all(deviations(found, name) for name in others)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plane(-1/2, 1)", "plane(-1, -1)"])
def test_outside_the_band(name: str) -> None:
    """Above it features move more with width; below it the output's change vanishes beside it."""
    found = measured(name)
    if name == "plane(-1/2, 1)":
        assert found["change of a feature"] > 0.3
    else:
        assert found["change of the output"] - found["output at the start"] < -0.5

"""Plain ReLU nets against depth: what one small step does to the last features and to the output.

``pytest -m slow tests/measured/test_fsc.py``. Width 320, 5 to 40 layers on a base of 5, one input, a
loss of one slope, medians of seven seeds. Feature-speed correction lets both stay; with gamma = depth
(muP with learning rates over the depth) features move more. Exponents in depth, predicted and as
measured here:

| table       | features SGD, Adam       | output SGD, Adam    |
|-------------|--------------------------|---------------------|
| fsc         | 0    +0.02  -0.05        | 0    -0.13  -0.07   |
| gamma(1, 0) | 1/2  +0.47  +0.46        | 0    -0.16  -0.07   |

With several inputs whose labels differ, features and outputs fall faster: deep plain nets make all
inputs alike, and what one asks for the other takes back.
"""

import math
from collections.abc import Mapping
from functools import cache

import pytest
import torch
from torch import Tensor, nn

import mupfx
from mupfx.core.plan import ParameterPlan
from tests.measured.slopes import medians, slope

pytestmark = pytest.mark.slow

WIDTH, FEATURES, SAMPLES = 320, 10, 1
BASE = 5
DEPTHS = (5, 10, 20, 40)
SEEDS = range(7)
TOLERANCE = 0.18
"""Between the exponents that are told apart lies one half."""
RATES = {"sgd": 0.1, "adam": 2e-3}


def net(layers: int) -> nn.Sequential:
    """At its critical point, with a readout as small as muP's."""
    made: list[nn.Module] = [nn.Linear(FEATURES, WIDTH, bias=False), nn.ReLU()]
    for _ in range(layers - 2):
        made += [nn.Linear(WIDTH, WIDTH, bias=False), nn.ReLU()]
    found = nn.Sequential(*made, nn.Linear(WIDTH, 1, bias=False)).double()
    with torch.no_grad():
        for name, weight in found.named_parameters():
            weight.normal_(0, base_std(name, weight, layers))
    return found


def base_std(name: str, weight: Tensor, layers: int) -> float:
    fan_in: int = weight.shape[1]
    if name == f"{2 * (layers - 1)}.weight":
        return math.sqrt(BASE) / fan_in
    return math.sqrt((1 if fan_in == FEATURES else 2) / fan_in)


@cache
def rows(table: str, layers: int) -> Mapping[str, ParameterPlan]:
    torch.manual_seed(0)
    last = f"{2 * (layers - 1)}.weight"
    laws = {"0.weight": "lecun_normal", last: "constant", "*": "kaiming_normal"}
    model = net(layers)
    mupfx.convert(model, data()[0], base=WIDTH, base_depth=BASE, parametrization=table, init=laws)
    return mupfx.plan(model).parameters


def data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(SAMPLES, FEATURES, generator=generator, dtype=torch.float64)
    x = x / x.norm(dim=1, keepdim=True) * FEATURES**0.5
    return x, torch.ones(SAMPLES, 1, dtype=torch.float64)


def one_step(table: str, family: str, layers: int, seed: int) -> tuple[float, float]:
    """How far the last features and the output move, down a loss of one slope everywhere."""
    model, plan, (x, y) = net(layers), rows(table, layers), data()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            growth = plan[name].init.power.value({"depth": layers / BASE})
            std = base_std(name, weight, layers) * growth
            weight.normal_(0, std, generator=generator)
    before, output = model[:-1](x).detach(), model(x).detach()
    loss = -(y * model(x)).mean()
    loss.backward()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            assert weight.grad is not None
            rate = RATES[family] * plan[name].optimizers[family].lr
            rate *= base_rate(family, name, weight, layers)
            weight.sub_(rate * (weight.grad if family == "sgd" else weight.grad.sign()))
        return rms(model[:-1](x) - before), rms(model(x) - output)


def rms(x: Tensor) -> float:
    return float(x.pow(2).mean().sqrt())


def base_rate(family: str, name: str, weight: Tensor, layers: int) -> float:
    """Of the closed form at the base: what a user would have tuned by group there."""
    fan_in = weight.shape[1]
    out = name == f"{2 * (layers - 1)}.weight"
    if family == "adam":
        return 1 / fan_in
    if out:
        return 1 / (BASE * WIDTH)
    return WIDTH / (FEATURES * BASE**2) if fan_in == FEATURES else 1 / BASE**2


def exponents(table: str, family: str) -> tuple[float, float]:
    runs = [[one_step(table, family, d, s) for d in DEPTHS] for s in SEEDS]
    return (
        slope(DEPTHS, medians([[moved for moved, _ in run] for run in runs])),
        slope(DEPTHS, medians([[output for _, output in run] for run in runs])),
    )


FAMILIES = pytest.mark.parametrize("family", RATES)


@FAMILIES
def test_a_step_moves_alike_at_every_depth(family: str) -> None:
    assert exponents("fsc", family) == pytest.approx((0, 0), abs=TOLERANCE)


@FAMILIES
def test_without_the_correction_features_move_more(family: str) -> None:
    features, output = exponents("gamma(1, 0)", family)
    assert (features, output) == pytest.approx((0.5, 0), abs=TOLERANCE)


@FAMILIES
@pytest.mark.parametrize("off", [0.5, -0.5])
def test_a_wrong_rate_shows(family: str, off: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every learning rate wrong by depth^(1/2) or depth^(-1/2)."""
    right = base_rate

    def wrong(family: str, name: str, weight: Tensor, layers: int) -> float:
        return right(family, name, weight, layers) * math.pow(layers / BASE, off)

    monkeypatch.setattr("tests.measured.test_fsc.base_rate", wrong)
    assert exponents("fsc", family) == pytest.approx((off, off), abs=TOLERANCE)

"""Spectral norms of weights and of updates under muP, and layers that narrow.

``pytest -m slow tests/measured/test_spectral.py``. Norms of every weight and of its change over
three steps, over ``sqrt(fan_out / fan_in)``, have exponent 0 in width (arXiv:2310.17813, condition
1), widths 64 to 1024, medians of four seeds. Measured,
with a linear loss: first layer -0.06 at the start (finite sizes), all other norms within 0.02, all
updates within 0.05 under SGD and 0.01 under Adam; with one learning rate for all (sp, Adam) updates
of hidden weights grow as width^0.98, of the readout as width^0.92.

Where a layer narrows, from ``width^2 / 64`` to ``width``, the std of fan-in alone lets an update of
the layer below reach the output as width^0.79 (SGD, widths 64 to 256); with the further factor of
the spectral condition as width^-0.05.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import mupfx
from mupfx.core.parametrization import Parametrization
from mupfx.core.plan import ParameterPlan
from mupfx.core.vocabulary import Role
from mupfx.tables.mup import MUP
from tests.measured.nets import FEATURES, Run, data, mlp, rms
from tests.measured.slopes import medians, slope

WIDTHS = (64, 128, 256, 512, 1024)
SEEDS = range(4)
TOLERANCE = 0.1
OPTIMIZERS: Mapping[str, tuple[type[torch.optim.Optimizer], dict[str, Any]]] = {
    "sgd": (torch.optim.SGD, {"lr": 0.02}),
    "adam": (torch.optim.Adam, {"lr": 1e-3, "eps": 1e-20}),
}


def loss(out: Tensor) -> Tensor:
    """Linear: its gradient does not depend on how large the output is."""
    return -(out * data()[1]).mean()


def norms(width: int, parametrization: str, optimizer: str, seed: int) -> list[float]:
    """Of each weight and then of each update, relative to the spectral condition."""
    torch.manual_seed(seed)
    x = data()[0]
    laws = {"*": "lecun_normal"}
    net = mupfx.convert(mlp(width), x, base=64, parametrization=parametrization, init=laws)
    before = [weight.detach().clone() for weight in net.parameters()]
    cls, arguments = OPTIMIZERS[optimizer]
    steps = mupfx.optimizer(cls, net, **arguments)
    for _ in range(3):
        steps.zero_grad()
        loss(net(x)).backward()  # type: ignore[no-untyped-call]
        steps.step()
    updates = [w.detach() - b for w, b in zip(net.parameters(), before, strict=True)]
    return [_relative(matrix) for matrix in (*before, *updates)]


def _relative(matrix: Tensor) -> float:
    norm: float = torch.linalg.matrix_norm(matrix, 2).item()
    return norm / math.sqrt(matrix.shape[0] / matrix.shape[1])


@cache
def exponents(parametrization: str, optimizer: str) -> list[float]:
    """Of the three weights and then of their updates."""
    curves = [
        medians([norms(width, parametrization, optimizer, seed) for seed in SEEDS])
        for width in WIDTHS
    ]
    return [slope(WIDTHS, list(values)) for values in zip(*curves, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_mup(optimizer: str) -> None:
    first, *others = exponents("mup", optimizer)
    assert others == pytest.approx([0.0] * len(others), abs=TOLERANCE)
    assert first == pytest.approx(0.0, abs=TOLERANCE)


@pytest.mark.slow
def test_sp_is_told_apart() -> None:
    """The control: with one learning rate for all, updates of hidden weights grow."""
    *_, hidden, readout = exponents("sp", "adam")
    assert hidden > 0.5
    assert readout > 0.5


NARROWING = (64, 128, 256)
FAN_IN = replace(
    MUP,
    name="fan-in alone",
    rules={**MUP.rules, Role.HIDDEN: replace(MUP.rules[Role.HIDDEN], contraction=None)},
)


def hourglass(width: int) -> nn.Sequential:
    """A layer of ``width^2 / 64`` between two of ``width``."""
    wide = width * width // 64
    sizes = (FEATURES, width, wide, width, 1)
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out, bias=False), nn.Tanh()]
    net = nn.Sequential(*layers[:-1]).double()
    with torch.no_grad():
        for weight in net.parameters():
            weight.normal_(0, weight.shape[1] ** -0.5)
    return net


def reached(width: int, table: Parametrization, seed: int) -> float:
    """How far one step of the layer that widens, alone, moves the output."""
    x = data()[0]
    run = Run.of(hourglass(width), hourglass_plan(width, table.name), seed, 0.02)
    run.rates = [rate if place == 1 else 0.0 for place, rate in enumerate(run.rates)]
    before = run.net(x)
    run.step(loss, x)
    return rms(run.net(x) - before)


@cache
def hourglass_plan(width: int, name: str) -> Mapping[str, ParameterPlan]:
    torch.manual_seed(0)
    table = FAN_IN if name == FAN_IN.name else MUP
    net = mupfx.convert(
        hourglass(width),
        data()[0],
        base=hourglass(64),
        parametrization=table,
        init={"*": "lecun_normal"},
    )
    return mupfx.plan(net).parameters


def narrowing(table: Parametrization) -> float:
    sizes = [medians([[reached(width, table, seed)] for seed in SEEDS])[0] for width in NARROWING]
    return slope(NARROWING, sizes)


@pytest.mark.slow
def test_layers_that_narrow() -> None:
    assert narrowing(MUP) == pytest.approx(0.0, abs=0.15)
    assert narrowing(FAN_IN) > 0.5

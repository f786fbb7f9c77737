"""Feature-speed correction by measurement finds the closed form of plain ReLU nets.

``pytest -m slow tests/measured/test_observed_correction.py``. Width 384, 5 to 40 layers, one input,
seven seeds. After at most two rescalings features move as wished; exponents in depth of what was
set, predicted and as measured:

| what           | predicted | measured |
|----------------|-----------|----------|
| readout's std  | 1/2       | +0.66    |
| input's rate   | -2        | -2.13    |
| hidden rates   | -2        | -2.28    |
| readout's rate | -1        | -1.04    |

What features move for what the loss falls is not quite depth^1/2 at these depths, but depth^0.7
(before the correction), which is what the readout makes up for.
"""

from collections.abc import Mapping
from functools import cache

import pytest
import torch
from torch import Tensor, nn

import mupfx
from mupfx.core.correction import Correction
from tests.measured.slopes import medians, slope

WIDTH, FEATURES = 384, 10
DEPTHS = (5, 10, 20, 40)
SEEDS = range(7)
TOLERANCE = 0.3
"""Between the exponents that are told apart lies one half or more."""


def net(depth: int, seed: int, width: int = WIDTH) -> nn.Sequential:
    """At its critical point; the readout a third of NTK's."""
    torch.manual_seed(seed)
    made: list[nn.Module] = [nn.Linear(FEATURES, width, bias=False)]
    for _ in range(depth - 2):
        made += [nn.ReLU(), nn.Linear(width, width, bias=False)]
    found = nn.Sequential(*made, nn.Linear(width, 1, bias=False)).double()
    stds = [FEATURES**-0.5, *[(2 / width) ** 0.5] * (depth - 2), 0.3 * width**-0.5]
    for weight, std in zip(found.parameters(), stds, strict=True):
        nn.init.normal_(weight, std=std)
    return found


def batch() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(1, FEATURES, generator=generator, dtype=torch.float64)
    found: Tensor = nn.functional.normalize(x) * FEATURES**0.5
    return found


def loss(model: nn.Module, x: Tensor) -> Tensor:
    found: Tensor = (model(x) - 1).pow(2).mean() / 2
    return found


def measured(depth: int, seed: int) -> tuple[Correction, Mapping[str, float]]:
    model = net(depth, seed)
    done = mupfx.correct_feature_speed_(model, batch(), loss, tolerance=0.05)
    rates = list(done.after.rates.values())
    return done, {
        "readout": float(list(model.parameters())[-1].detach().pow(2).mean().sqrt()),
        "input rate": rates[0],
        "hidden rate": sorted(rates[1:-1])[len(rates) // 2 - 1],
        "readout rate": rates[-1],
    }


@cache
def runs() -> Mapping[int, list[tuple[Correction, Mapping[str, float]]]]:
    return {depth: [measured(depth, seed) for seed in SEEDS] for depth in DEPTHS}


PREDICTED = {"readout": 0.5, "input rate": -2, "hidden rate": -2, "readout rate": -1}


@pytest.mark.slow
@pytest.mark.parametrize("name", PREDICTED)
def test_exponents_in_depth(name: str) -> None:
    found = slope(DEPTHS, medians([[runs()[d][s][1][name] for d in DEPTHS] for s in SEEDS]))
    assert found == pytest.approx(PREDICTED[name], abs=TOLERANCE)


@pytest.mark.slow
def test_two_rescalings_are_enough() -> None:
    for found in runs().values():
        for done, _ in found:
            trace = [m.sensitivity for m in done.rounds]
            assert len(trace) <= 3
            assert trace[-1] == pytest.approx(1, abs=0.05)


@pytest.mark.slow
def test_without_it_features_move_more_with_depth() -> None:
    """The control: S before the correction, at one scale of the readout."""
    found = slope(
        DEPTHS,
        medians([[runs()[d][s][0].before.sensitivity for d in DEPTHS] for s in SEEDS]),
    )
    assert found > 0.3

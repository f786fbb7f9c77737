"""Everett's learning rates per layer: what they do at the first step, and why they are empirical.

``pytest -m slow tests/measured/test_everett.py``. Two hidden tanh layers, widths 64 to 1024, medians
of eight seeds, one step of Adam (the gradient's sign) on a linear loss; muP beside them.

| table              | feature | output |
|--------------------|---------|--------|
| mup                | -0.02   | +0.02  |
| everett(mup, full) | -0.02   | +0.02  |
| everett(sp, full)  | -0.02   | +0.49  |
| everett(mup, none) | +0.45   | +0.49  |
| everett(sp, none)  | +0.45   | +0.95  |

Rates for updates that never align are too large from the first step, and a readout at std
``fan_in^-1/2`` aligns with the features' change; only muP's own rows stay.
"""

from functools import cache

import pytest
from torch import Tensor

from tests.measured.nets import Run, data, mlp, rms, rows
from tests.measured.slopes import medians, slope

WIDTHS = (64, 128, 256, 512, 1024)
SEEDS = range(8)
RATE = 1e-3
TOLERANCE = 0.1
# feature, output: exponents of their change where updates align fully
ALIGNED = {
    "mup": (0.0, 0.0),
    "everett(mup, full)": (0.0, 0.0),
    "everett(sp, full)": (0.0, 0.5),
    "everett(mup, none)": (0.5, 0.5),
    "everett(sp, none)": (0.5, 1.0),
}


def loss(out: Tensor) -> Tensor:
    return -(out * data()[1]).mean()


def run(width: int, name: str, seed: int) -> tuple[float, float]:
    x = data()[0]
    drawn = Run.of(mlp(width), rows(mlp, width, name), seed, RATE, "adam")
    out, features = drawn.net(x), drawn.net[:3](x)
    drawn.signed_step(loss, x)
    return rms(drawn.net[:3](x) - features), rms(drawn.net(x) - out)


@cache
def exponents(name: str) -> tuple[float, ...]:
    columns = [medians([run(width, name, seed) for seed in SEEDS]) for width in WIDTHS]
    return tuple(slope(WIDTHS, list(values)) for values in zip(*columns, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", ALIGNED)
def test_first_step(name: str) -> None:
    assert exponents(name) == pytest.approx(ALIGNED[name], abs=TOLERANCE)


@pytest.mark.slow
def test_only_mups_rates_stay() -> None:
    """The control: each of the others deviates from what muP does."""
    for name in ("everett(sp, full)", "everett(mup, none)", "everett(sp, none)"):
        assert exponents(name) != pytest.approx(ALIGNED["mup"], abs=2 * TOLERANCE)

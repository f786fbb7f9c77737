"""The norm that ``clip_grad_norm_`` takes is the same at every width; the plain one is not.

``pytest -m slow tests/measured/test_clipping.py``. Widths 32 to 512, medians of five seeds, at the
start of training. Exponents as measured: -0.04 in every gauge, and for the plain norm +0.37 where
weights are folded (the readout's gradient, which alone would be +0.5), -0.21 in the gauge of
microsoft/mup, -0.29 for unit variance.
"""

import copy
from functools import cache

import pytest
import torch
from torch import nn

import mupfx
from tests.measured.slopes import medians, slope

BASE = 32
WIDTHS = (32, 64, 128, 256, 512)
SEEDS = range(5)
TOLERANCE, CONTROL = 0.1, 0.2


@cache
def converted(width: int, seed: int, gauge: str) -> nn.Module:
    torch.manual_seed(1000 * width + seed)
    model = nn.Sequential(
        nn.Linear(8, width), nn.LayerNorm(width), nn.GELU(), nn.Linear(width, 2 * width), nn.GELU(),
        nn.Linear(2 * width, 4),
    )  # fmt: skip
    base = nn.Sequential(
        nn.Linear(8, BASE), nn.LayerNorm(BASE), nn.GELU(), nn.Linear(BASE, 2 * BASE), nn.GELU(),
        nn.Linear(2 * BASE, 4),
    )  # fmt: skip
    return mupfx.convert(model, torch.ones(2, 8), base=base, gauge=gauge)


def norms(width: int, seed: int, gauge: str) -> tuple[float, float]:
    """The plain norm of all gradients, and the weighed one."""
    model = copy.deepcopy(converted(width, seed, gauge))
    generator = torch.Generator().manual_seed(seed)
    x, labels = torch.randn(64, 8, generator=generator), torch.arange(64) % 4
    torch.autograd.backward(nn.functional.cross_entropy(model(x), labels))
    plain = nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
    return float(plain), float(mupfx.clip_grad_norm_(model, 1e9))


def exponents(gauge: str) -> tuple[float, float]:
    runs = [[norms(width, seed, gauge) for width in WIDTHS] for seed in SEEDS]
    plain, weighed = (medians([[pair[i] for pair in run] for run in runs]) for i in (0, 1))
    return slope(WIDTHS, plain), slope(WIDTHS, weighed)


@pytest.mark.slow
@pytest.mark.parametrize("gauge", ["fold", "mup", "unit"])
def test_it_does_not_grow_with_width(gauge: str) -> None:
    plain, weighed = exponents(gauge)
    assert abs(weighed) <= TOLERANCE
    assert abs(plain) >= CONTROL

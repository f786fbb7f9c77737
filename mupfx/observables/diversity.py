"""Feature diversity along depth: how far apart the values of a residual stream are.

Tensor Programs VI (arXiv:2310.02244): blocks that are ``gap`` apart differ by ``gap^(1 - kappa)``,
with ``kappa`` the diversity exponent, 0 where all blocks say the same and at most 1/2. Taken in the
middle of the stream, on a sample of its entries.
"""

from collections.abc import Sequence
from math import log
from statistics import fmean, linear_regression

from torch import Tensor

from mupfx.observables.sketch import rms

FEWEST = 8
"""Blocks of a stream that are needed."""


def distances(samples: Sequence[Tensor]) -> dict[int, float]:
    """Mean distance of values by how many blocks they are apart: 1, 2, 4, ... a quarter of all."""
    blocks = len(samples) - 1
    if blocks < FEWEST:
        return {}
    found = {}
    gap = 1
    while gap <= blocks // 4:
        starts = range(blocks // 8, blocks - blocks // 8 - gap + 1)
        found[gap] = fmean(rms(samples[i + gap] - samples[i]) ** 2 for i in starts) ** 0.5
        gap *= 2
    return found


def exponent(found: dict[int, float]) -> float | None:
    """Kappa, by the slope over gaps; None where nothing differs.

    >>> round(exponent({1: 1.0, 2: 2**0.5, 4: 2.0}), 6)
    0.5
    """
    if len(found) < 2 or min(found.values()) <= 0:
        return None
    gaps = [log(gap) for gap in found]
    return 1 - linear_regression(gaps, [log(v) for v in found.values()]).slope

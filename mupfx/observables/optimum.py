"""The best learning rate of a curve of losses, and how well the seeds agree on it.

The mean losses within an octave of the least are fitted by a parabola in log2 of the rate, whose
lowest point is the optimum: at rates 1/4, 1/2, 1 with losses 2, 1, 2 it is 1/2. Rates that
diverged are walls, and a least loss at the end of the grid is said to be there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, log2
from random import Random

from mupfx.core.transfer import Curve, mean

REACH = 1.0
"""Octaves to each side of the best rate that the fit sees; at least three rates."""
_FEWEST = 3
RESAMPLES = 400

Pick = Sequence[int]
"""Positions of seeds, with repetition."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Where a curve is lowest."""

    at: float
    """log2 of the rate."""
    edge: str = ""


def fit(curve: Curve, pick: Pick | None = None) -> Fit:
    """The lowest point of a curve, of the mean over seeds or over a resample of them.

    >>> curve = Curve((0.25, 0.5, 1.0), ((2.0,), (1.0,), (2.0,)), (0,))
    >>> fit(curve)
    Fit(at=-1.0, edge='')
    """
    chosen = range(len(curve.seeds)) if pick is None else pick
    xs = [log2(rate) for rate in curve.rates]
    ys = [mean([row[position] for position in chosen]) for row in curve.losses]
    if not any(map(isfinite, ys)):
        return Fit(xs[0], "low")
    best = min(range(len(ys)), key=ys.__getitem__)
    if best in (0, len(xs) - 1):
        return Fit(xs[best], "low" if best == 0 else "high")
    return Fit(_lowest(xs, ys, best))


def resamples(seeds: int, *, count: int = RESAMPLES, seed: int = 0) -> list[Pick]:
    """Draws of seeds with replacement, the same at every call."""
    random = Random(seed)
    return [random.choices(range(seeds), k=seeds) for _ in range(count)]


def _lowest(xs: Sequence[float], ys: Sequence[float], best: int) -> float:
    """Of the parabola through the points about the best; never beyond their middle grounds."""
    near = _near(xs, ys, best)
    low = (xs[best - 1] + xs[best]) / 2
    high = (xs[best] + xs[best + 1]) / 2
    slope, bend = parabola([xs[at] - xs[best] for at in near], [ys[at] - ys[best] for at in near])
    if bend <= 0:
        return xs[best]
    return min(max(xs[best] - slope / (2 * bend), low), high)


def _near(xs: Sequence[float], ys: Sequence[float], best: int) -> list[int]:
    """The points that did not diverge within reach, and more where these are fewer than three."""
    known = sorted(
        (at for at in range(len(xs)) if isfinite(ys[at])),
        key=lambda at: (abs(xs[at] - xs[best]), xs[at]),
    )
    within = [at for at in known if abs(xs[at] - xs[best]) <= REACH * (1 + 1e-9)]
    return within if len(within) >= _FEWEST else known[:_FEWEST]


def parabola(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float]:
    """Least squares: ``b`` and ``c`` of ``a + b x + c x^2``.

    >>> parabola([-1.0, 0.0, 1.0], [1.0, 0.0, 1.0])
    (0.0, 1.0)
    """
    count = len(xs)
    sums = [sum(x**power for x in xs) for power in range(5)]
    mixed = [sum(y * x**power for x, y in zip(xs, ys, strict=True)) for power in range(3)]
    if count < _FEWEST:
        return 0.0, 0.0
    matrix = [[sums[row + column] for column in range(3)] for row in range(3)]
    whole = _determinant(matrix)
    slope, bend = (
        _determinant([[mixed[r] if c == at else matrix[r][c] for c in range(3)] for r in range(3)])
        / whole
        for at in (1, 2)
    )
    return slope, bend


def _determinant(m: Sequence[Sequence[float]]) -> float:
    return (
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1])
        - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
        + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    )

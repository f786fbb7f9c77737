"""The best learning rate of a curve of losses, and how well the seeds agree on it.

The mean losses within an octave of the least are fitted by a parabola in log2 of the rate, whose
lowest point is the optimum: at rates 1/4, 1/2, 1 with losses 2, 1, 2 it is 1/2. Rates that
diverged are walls, and a least loss at the end of the grid is said to be there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite, log2
from random import Random
from statistics import fmean

from mupfx.core.transfer import Curve

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


def fit(curve: Curve) -> Fit:
    """The lowest point of the means over seeds.

    >>> fit(Curve((0.25, 0.5, 1.0), ((2.0,), (1.0,), (2.0,)), (0,)))
    Fit(at=-1.0, edge='')
    """
    return _fit([log2(rate) for rate in curve.rates], curve.means)


def replicas(curve: Curve, picks: Sequence[Pick]) -> tuple[float, ...]:
    """The lowest points of the means over resamples of the seeds."""
    xs = [log2(rate) for rate in curve.rates]
    rows = [[inf if loss is None else loss for loss in row] for row in curve.losses]
    return tuple(
        _fit(xs, [sum([row[at] for at in pick]) / len(pick) for row in rows]).at for pick in picks
    )


def _fit(xs: Sequence[float], ys: Sequence[float]) -> Fit:
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
    """Least squares: ``b`` and ``c`` of ``a + b x + c x^2``; a flat line through fewer than three.

    >>> parabola([-1.0, 0.0, 1.0], [1.0, 0.0, 1.0])
    (0.0, 1.0)
    """
    if len(xs) < _FEWEST:
        return 0.0, 0.0
    middle, squares = fmean(xs), fmean([x * x for x in xs])
    first = [x - middle for x in xs]
    tilt = _along(first, [x * x for x in xs])
    second = [x * x - squares - tilt * f for f, x in zip(first, xs, strict=True)]
    bend = _along(second, ys)
    return _along(first, ys) - bend * tilt, bend


def _along(direction: Sequence[float], ys: Sequence[float]) -> float:
    """The part of values along a direction that is orthogonal to the others."""
    return sum([d * y for d, y in zip(direction, ys, strict=True)]) / sum(
        [d * d for d in direction]
    )

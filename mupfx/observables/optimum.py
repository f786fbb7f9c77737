"""The best learning rate of a curve of losses, and how well the seeds agree on it.

The mean losses are fitted by a parabola in log2 of the rate, those near its lowest point weighing
most, and that point is the optimum: at rates 1/4, 1/2, 1 with losses 2, 1, 2 it is 1/2. A fit of
the three least alone would follow the noise of each. Rates that diverged are walls, and a least
loss at the end of the grid is said to be there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite, log2
from random import Random

from mupfx.core.transfer import Curve

REACH = 2.5
"""Octaves to each side of the optimum that the fit sees; weights fall to nothing there."""
_FEWEST = 3
_ROUNDS = 12
"""In which the weights follow the lowest point."""
_CLOSE = 1e-3
RESAMPLES = 400

Point = tuple[float, float]
Pick = tuple[int, ...]
"""Positions of seeds, with repetition, in order."""


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
    """The lowest points of the means over resamples of the seeds; equal ones are fitted once."""
    xs = [log2(rate) for rate in curve.rates]
    rows = [[inf if loss is None else loss for loss in row] for row in curve.losses]
    found = {
        pick: _fit(xs, [sum([row[at] for at in pick]) / len(pick) for row in rows]).at
        for pick in set(picks)
    }
    return tuple(found[pick] for pick in picks)


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
    return [tuple(sorted(random.choices(range(seeds), k=seeds))) for _ in range(count)]


def _lowest(xs: Sequence[float], ys: Sequence[float], best: int) -> float:
    """Of the parabola through the points about it; never beyond the neighbours of the best."""
    known = [(x, y) for x, y in zip(xs, ys, strict=True) if isfinite(y)]
    low, high = xs[best - 1], xs[best + 1]
    centre = moved = xs[best]
    for _ in range(_ROUNDS):
        slope, bend = parabola(known, centre)
        if bend <= 0:
            return xs[best]
        moved = min(max(centre - slope / (2 * bend), low), high)
        if abs(moved - centre) < _CLOSE:
            break
        centre = (centre + moved) / 2
    return moved


def parabola(points: Sequence[Point], centre: float) -> tuple[float, float]:
    """Weighted least squares: ``b`` and ``c`` of ``a + b z + c z^2``, ``z`` from the centre.

    Args:
        points: Of three and more; fewer are on a flat line.
        centre: Where weights are largest.

    >>> parabola([(-1.0, 1.0), (0.0, 0.0), (1.0, 1.0)], 0.0)
    (0.0, 1.0)
    """
    if len(points) < _FEWEST:
        return 0.0, 0.0
    zs, ys = [x - centre for x, _ in points], [y for _, y in points]
    reach = max(REACH, 1.5 * sorted(map(abs, zs))[_FEWEST - 1])
    weights = [max(0.0, 1 - abs(z / reach) ** 3) ** 3 for z in zs]
    constant = _without([1.0] * len(zs), [], weights)
    first = _without(zs, [constant], weights)
    second = _without([z * z for z in zs], [constant, first], weights)
    bend = _along(second, ys, weights)
    tilt = _along(first, [z * z for z in zs], weights)
    return _along(first, ys, weights) - bend * tilt, bend


def _without(
    values: Sequence[float], directions: Sequence[Sequence[float]], weights: Sequence[float]
) -> list[float]:
    """What of values is orthogonal to some directions that are so to each other."""
    left = list(values)
    for direction in directions:
        part = _along(direction, values, weights)
        left = [value - part * d for value, d in zip(left, direction, strict=True)]
    return left


def _along(direction: Sequence[float], ys: Sequence[float], weights: Sequence[float]) -> float:
    """The part of values along a direction."""
    whole = sum([w * d * d for w, d in zip(weights, direction, strict=True)])
    return sum([w * d * y for w, d, y in zip(weights, direction, ys, strict=True)]) / whole

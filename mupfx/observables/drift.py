"""How far the best learning rate moves with size, and whether that is within a tolerance.

Seeds are resampled with replacement, the same draws at every size, and all optima are fitted anew:
their spread gives a standard error, widened for few seeds, and Student's t an interval of 90 %,
each end of which is passed by 1 of 20: staying within a tolerance is then shown at a level of 5 %.
Optima -8.0, -8.1 and -7.9 at widths 64, 128 and 256 drift by +0.05 octaves per doubling.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isinf, log2, sqrt
from statistics import stdev

from mupfx.core.report import Size, Verdict
from mupfx.core.statistics import slope, t_quantile
from mupfx.core.transfer import Curve, Drift, Interval, Optimum
from mupfx.observables.optimum import Fit, fit, replicas, resamples

_UPPER = 0.95
ONE_SEED = "one seed, or seeds that are all alike, give no interval: --seeds 3"
OPTIMUM_BEYOND = "the best rate lies at the end of the grid: extend it"


@dataclass(frozen=True, slots=True)
class Fitted:
    """The optimum of one size, and of every resample of its seeds."""

    fit: Fit
    replicas: tuple[float, ...]
    """log2 of the rate; empty for one seed."""
    seeds: int
    """One where all gave the same losses."""
    loss: float

    @property
    def optimum(self) -> Optimum:
        """In rates."""
        reach = _reach(self.replicas, self.seeds)
        at = self.fit.at
        interval = None if reach is None else (2.0 ** (at - reach), 2.0 ** (at + reach))
        return Optimum(2.0**at, interval, self.loss, self.fit.edge)


def fitted(curve: Curve) -> Fitted:
    """Fit a curve, and resamples of it."""
    seeds = len(curve.seeds) if len(set(zip(*curve.losses, strict=True))) > 1 else 1
    picks = resamples(seeds) if seeds > 1 else []
    return Fitted(fit(curve), replicas(curve, picks), seeds, min(curve.means))


def drift(
    parametrization: str,
    axis: str,
    other: int | None,
    sizes: Mapping[Size, Fitted],
    tolerance: float,
) -> Drift:
    """Judge how optima move along an axis.

    Args:
        parametrization: Whose.
        axis: ``width`` or ``depth``.
        other: The size along the other axis.
        sizes: Two at least, smallest first.
        tolerance: Octaves that the optimum may move from the first to the last.
    """
    xs = [log2(size.along(axis)) for size in sizes]
    every = list(sizes.values())
    ys = [each.fit.at for each in every]
    seeds = min(each.seeds for each in every)
    draws = list(zip(*(each.replicas for each in every), strict=True)) if seeds > 1 else []
    total, reach = ys[-1] - ys[0], _reach([r[-1] - r[0] for r in draws], seeds)
    per_doubling, bend = slope(xs, ys), _reach([slope(xs, r) for r in draws], seeds)
    interval = _about(total, reach)
    verdict, why = judge(interval, total, _beyond(every), tolerance)
    diverged = [size for size, each in sizes.items() if isinf(each.loss)]
    if diverged and verdict is Verdict.INCONCLUSIVE:
        why = f"every rate diverged at {axis} {diverged[0].along(axis)}"
    return Drift(
        parametrization, axis, other, per_doubling, _about(per_doubling, bend),
        total, interval, verdict, why,
    )  # fmt: skip


def judge(
    interval: Interval | None, total: float, beyond: frozenset[str], tolerance: float
) -> tuple[Verdict, str]:
    """Whether the way from the first optimum to the last stays within a tolerance.

    Args:
        interval: Of the way.
        total: The way itself, in octaves.
        beyond: Directions, ``down`` and ``up``, in which the true way may be longer.
        tolerance: Octaves.

    >>> judge((-0.2, 0.3), 0.05, frozenset(), 0.5)[0]
    <Verdict.PASS: 'pass'>
    """
    if interval is None:
        return Verdict.INCONCLUSIVE, ONE_SEED
    low, high = interval
    if high < -tolerance and beyond <= {"down"}:
        return Verdict.FAIL, _moved(total, "down", beyond)
    if low > tolerance and beyond <= {"up"}:
        return Verdict.FAIL, _moved(total, "up", beyond)
    if beyond:
        return Verdict.INCONCLUSIVE, OPTIMUM_BEYOND
    if -tolerance <= low and high <= tolerance:
        return Verdict.PASS, f"the optimum stays within {tolerance:g} octaves"
    return Verdict.INCONCLUSIVE, (
        f"the interval reaches across {tolerance:g} octaves: more seeds, or rates closer together"
    )


def _moved(total: float, way: str, beyond: frozenset[str]) -> str:
    least = "at least " if beyond else ""
    return f"the optimum moves {way} by {least}{abs(total):.2f} octaves"


def _beyond(every: Sequence[Fitted]) -> frozenset[str]:
    """Ways that are longer than they look, because an optimum lies beyond its grid."""
    ways = {"low": ("up", "down"), "high": ("down", "up")}
    first, last = every[0].fit.edge, every[-1].fit.edge
    found = {ways[first][0]} if first else set()
    found |= {ways[last][1]} if last else set()
    inner = {way for each in every[1:-1] if each.fit.edge for way in ("up", "down")}
    return frozenset(found or inner)


def _reach(replicas: Sequence[float], seeds: int) -> float | None:
    """Half an interval; the bootstrap's error is that of ``seeds - 1`` of them."""
    if seeds < 2:
        return None
    return t_quantile(_UPPER, seeds - 1) * stdev(replicas) * sqrt(seeds / (seeds - 1))


def _about(middle: float, reach: float | None) -> Interval | None:
    return None if reach is None else (middle - reach, middle + reach)

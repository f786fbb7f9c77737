"""The little statistics that a check needs: Student's t, lines through points, many tests at once.

A handful of seeds each give one slope; their mean has an interval, and the hypothesis that it lies
inside a margin has a p-value::

    slopes 0.97, 1.02, 1.05  ->  1.013 +- 0.06,  p(|slope| <= 1/4) = 1e-6
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from statistics import fmean

_SMALLEST = 1e-300
_CONVERGED = 1e-15
_MOST_TERMS = 300


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Of the line of least squares.

    >>> slope([0, 1, 2], [1, 3, 5])
    2.0
    """
    middle = fmean(x)
    spread = math.fsum((a - middle) ** 2 for a in x)
    if not spread:
        raise ValueError("all points stand at one place")
    return math.fsum((a - middle) * b for a, b in zip(x, y, strict=True)) / spread


def log_slope(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The power of the size that positive values follow.

    >>> round(log_slope([64, 128, 256], [1.0, 2.0, 4.0]), 12)
    1.0
    """
    return slope([math.log(s) for s in sizes], [math.log(v) for v in values])


@dataclass(frozen=True, slots=True)
class Line:
    """Lines of several seeds over the same sizes, and what is known of their mean slope."""

    slopes: tuple[float, ...]
    """One a seed."""
    error: float
    """Standard error of their mean."""
    freedom: int
    """Degrees of freedom behind it."""

    @property
    def mean(self) -> float:
        """The slope."""
        return fmean(self.slopes)

    def interval(self, confidence: float) -> tuple[float, float]:
        """Student's; without bounds where nothing is known of the error."""
        if not self.freedom:
            return -math.inf, math.inf
        reach = t_quantile((1 + confidence) / 2, self.freedom) * self.error
        return self.mean - reach, self.mean + reach

    def p_outside(self, low: float, high: float) -> float:
        """Probability of a slope this far off, were the true one between two bounds."""
        excess = max(self.mean - high, low - self.mean)
        if not self.freedom:
            return 1.0
        if not self.error:
            return 0.0 if excess > 0 else 1.0
        return t_tail(excess / self.error, self.freedom)


def line(x: Sequence[float], rows: Sequence[Sequence[float]]) -> Line:
    """Fit a line to every row of values at the same places.

    What the rows' slopes differ by and what their points stray from the lines tell of the same
    error, and are counted together; a bend in all of them makes it larger, never smaller.

    >>> found = line([0, 1, 2], [[0, 0.9, 2.1], [0, 1.1, 1.9], [0, 1.0, 2.0]])
    >>> round(found.mean, 3), found.freedom
    (1.0, 5)
    """
    middle = fmean(x)
    spread = math.fsum((a - middle) ** 2 for a in x)
    slopes = tuple(slope(x, row) for row in rows)
    mean = fmean(slopes)
    between = math.fsum((b - mean) ** 2 for b in slopes) * spread
    within = math.fsum(
        (v - fmean(row) - b * (a - middle)) ** 2
        for row, b in zip(rows, slopes, strict=True)
        for a, v in zip(x, row, strict=True)
    )
    freedom = len(rows) - 1 + len(rows) * (len(x) - 2)
    variance = (between + within) / freedom if freedom else 0.0
    return Line(slopes, math.sqrt(variance / spread / len(rows)), freedom)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted for being many, in the order given (Holm 1979).

    >>> holm([0.01, 0.04, 0.03])
    (0.03, 0.06, 0.06)
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    raw = (min(1.0, (len(order) - rank) * p_values[at]) for rank, at in enumerate(order))
    adjusted = dict(zip(order, accumulate(raw, max), strict=True))
    return tuple(adjusted[at] for at in range(len(p_values)))


def wilson(hits: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """Interval of a rate (Wilson 1927).

    >>> low, high = wilson(0, 20)
    >>> low, round(high, 3)
    (0.0, 0.161)
    """
    rate, weight = hits / of, z * z / of
    middle = rate + weight / 2
    reach = z * math.sqrt(rate * (1 - rate) / of + weight / (4 * of))
    return max(0.0, (middle - reach) / (1 + weight)), min(1.0, (middle + reach) / (1 + weight))


def t_tail(t: float, freedom: float) -> float:
    """Probability that Student's t is larger.

    >>> round(t_tail(4.302653, 2), 6), t_tail(0.0, 7)
    (0.025, 0.5)
    """
    if math.isinf(t):
        return 0.0 if t > 0 else 1.0
    half = _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t)) / 2
    return half if t >= 0 else 1 - half


@cache
def t_quantile(probability: float, freedom: float) -> float:
    """Where Student's t stays below with a probability.

    >>> round(t_quantile(0.975, 2), 4), round(t_quantile(0.95, 4), 4)
    (4.3027, 2.1318)
    """
    if not 0 < probability < 1:
        raise ValueError(f"a probability lies between 0 and 1, not at {probability}")
    if probability < 0.5:
        return -t_quantile(1 - probability, freedom)
    low, high = 0.0, 1.0
    while t_tail(high, freedom) > 1 - probability:
        low, high = high, 2 * high
    while high - low > 1e-13 * (1 + high):
        middle = (low + high) / 2
        above = t_tail(middle, freedom) > 1 - probability
        low, high = (middle, high) if above else (low, middle)
    return (low + high) / 2


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Regularised; its continued fraction converges fast below the mean."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(logarithm + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, 1 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function, by Lentz's method."""
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1))
    found = d
    for m in range(1, _MOST_TERMS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d, c = 1 / _away(1 + term * d), _away(1 + term / c)
            found *= d * c
        if abs(d * c - 1) < _CONVERGED:
            break
    return found


def _away(value: float) -> float:
    return value if abs(value) > _SMALLEST else _SMALLEST

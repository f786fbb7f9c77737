"""The little statistics that a check needs: Student's t, lines through points, many tests at once.

A handful of seeds each give one slope; their mean has an interval, and the hypothesis that it lies
inside a margin has a p-value::

    slopes 0.97, 1.02, 1.05  ->  1.013 +- 0.100,  p(|slope| <= 1/4) = 0.0004
"""

import math
from collections.abc import Sequence
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


def standard_error(values: Sequence[float]) -> float:
    """Of the mean of some independent values."""
    middle = fmean(values)
    squares = math.fsum((v - middle) ** 2 for v in values)
    return math.sqrt(squares / (len(values) - 1) / len(values))


def interval(values: Sequence[float], confidence: float) -> tuple[float, float]:
    """Student's, of the mean of some independent values; without bounds for fewer than two.

    >>> low, high = interval([0.97, 1.02, 1.05], 0.95)
    >>> round(low, 3), round(high, 3)
    (0.913, 1.114)
    """
    if len(values) < 2:
        return -math.inf, math.inf
    middle, error = fmean(values), standard_error(values)
    reach = t_quantile((1 + confidence) / 2, len(values) - 1) * error
    return middle - reach, middle + reach


def p_outside(values: Sequence[float], middle: float, margin: float) -> float:
    """Probability of a mean this far off, were the true one within ``middle +- margin``."""
    if len(values) < 2:
        return 1.0
    excess, error = abs(fmean(values) - middle) - margin, standard_error(values)
    if not error:
        return 0.0 if excess > 0 else 1.0
    return t_tail(excess / error, len(values) - 1)


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

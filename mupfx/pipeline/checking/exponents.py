"""Exponents: how a number grows with size, by least squares on logarithms.

>>> exponent([1, 2, 4], [3.0, 1.5, 0.75])
-1.0
"""

import math
from collections.abc import Sequence


def exponent(ratios: Sequence[float], values: Sequence[float | None]) -> float | None:
    """The power with which values follow ratios; None unless all are positive and sizes differ."""
    known = [v for v in values if v is not None and v > 0 and math.isfinite(v)]
    if len(known) < len(values) or len(set(ratios)) < 2:
        return None
    found = sum(c * math.log(v) for c, v in zip(_weights(ratios), known, strict=True))
    return round(found, 12) + 0.0


def error(ratios: Sequence[float], errors: Sequence[float]) -> float:
    """Standard error of an exponent, from those of the logarithms."""
    if len(set(ratios)) < 2:
        return 0.0
    return math.sqrt(sum((c * e) ** 2 for c, e in zip(_weights(ratios), errors, strict=True)))


def _weights(ratios: Sequence[float]) -> list[float]:
    """What each logarithm counts in a slope."""
    logs = [math.log(r) for r in ratios]
    mean = sum(logs) / len(logs)
    total = sum((x - mean) ** 2 for x in logs)
    return [(x - mean) / total for x in logs]

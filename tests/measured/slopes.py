"""Fits of exponents: the slope of log against log."""

from collections.abc import Sequence
from math import log
from statistics import linear_regression, median


def slope(widths: Sequence[float], values: Sequence[float]) -> float:
    """The exponent with which values grow.

    >>> round(slope([1, 2, 4], [3, 6, 12]), 6)
    1.0
    """
    return linear_regression([log(w) for w in widths], [log(v) for v in values]).slope


def medians(runs: Sequence[Sequence[float]]) -> list[float]:
    """Over runs, number by number."""
    return [median(column) for column in zip(*runs, strict=True)]

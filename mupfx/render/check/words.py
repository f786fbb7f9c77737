"""Words that every form of a report shares: exponents, verdicts, what was tried.

``power(-0.5, "width")`` is ``n^-1/2``, ``power(0.98, "depth")`` is ``L^0.98``.
"""

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from math import isfinite

from mupfx.core.finding import Finding, Level
from mupfx.core.report import Report, Size, Slope, Verdict

LETTERS = {"width": "n", "depth": "L"}
"""What an axis is called in an exponent."""
NONE = "-"
_SIMPLE = ((8, 1e-6), (2, 5e-3))
"""Denominators of exponents that are written as fractions, and how close they must be."""


def exponent(value: float | None) -> str:
    """A number as theory writes it, if it is one of those; else with two decimals.

    >>> exponent(-0.5), exponent(0.125), exponent(0.126), exponent(-0.001), exponent(None)
    ('-1/2', '1/8', '0.13', '0', '-')
    """
    if value is None or not isfinite(value):
        return NONE if value is None else str(value)
    for denominator, close in _SIMPLE:
        simple = Fraction(value).limit_denominator(denominator)
        if abs(value - simple) < close:
            return str(simple)
    return f"{value:.2f}"


def power(value: float | None, axis: str) -> str:
    """An exponent with what it is an exponent of."""
    return NONE if value is None else f"{LETTERS.get(axis, axis)}^{exponent(value)}"


def span(values: Iterable[float | None], axis: str) -> str:
    """One exponent, or the smallest and the largest of several.

    >>> span([0.5, 0.5], "width"), span([0.101, 0.25], "width")
    ('n^1/2', 'n^0.10 to n^1/4')
    """
    found = sorted(value for value in values if value is not None)
    ends = [power(value, axis) for value in (found[:1] + found[-1:])]
    return " to ".join(dict.fromkeys(ends)) or NONE


def number(value: float) -> str:
    """A quantity in three digits."""
    return f"{value:.3g}"


def mean(slope: Slope) -> float | None:
    """The mean slope over seeds."""
    return sum(slope.slopes) / len(slope.slopes) if slope.slopes else None


def sizes(found: Iterable[Size], axis: str) -> str:
    """The numbers tried along an axis: ``64, 128, 256``."""
    return ", ".join(str(size.along(axis)) for size in found)


def counted(number_of: int, word: str) -> str:
    """A number of things.

    >>> counted(1, "error"), counted(2, "error")
    ('1 error', '2 errors')
    """
    return f"{number_of} {word}{'' if number_of == 1 else 's'}"


def tally(report: Report) -> str:
    """What was found, in numbers: ``2 errors, 1 note``."""
    levels = Counter(finding.level for finding in report.findings)
    found = (counted(levels[level], str(level)) for level in Level if levels[level])
    return ", ".join(found) or "nothing found"


def measured(report: Report) -> str:
    """How the updates of training came out: ``12 updates measured: 11 pass, 1 fail``."""
    verdicts = Counter(slope.verdict for slope in report.slopes if slope.judged)
    if not verdicts:
        return "no update measured in training"
    words = (f"{verdicts[verdict]} {verdict}" for verdict in Verdict if verdicts[verdict])
    return f"{counted(verdicts.total(), 'update')} measured in training: {', '.join(words)}"


def comparison(finding: Finding) -> str:
    """``measured n^0, expected n^-1``; empty where a finding is no exponent."""
    return compared((finding,))


def compared(findings: Iterable[Finding]) -> str:
    """The same of findings that are shown as one."""
    found = tuple(findings)
    axis = found[0].axis
    numbers = tuple(finding.measured for finding in found)
    parts = []
    if any(value is not None for value in numbers):
        parts.append(f"measured {span(numbers, axis)}")
    if found[0].expected is not None:
        parts.append(f"expected {power(found[0].expected, axis)}")
    return ", ".join(parts)

"""Axes of plots: from numbers to places, and the numbers that are written beside them.

``ticks(0.8, 130, log=True)`` is ``(1, 10, 100)``; ``ticks(0, 1, log=False)`` is
``(0, 0.2, 0.4, 0.6, 0.8, 1)``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

_FEW = 3
"""Fewer powers of ten than these get numbers between them."""
_MANY = 7
_ROUNDEST = (1, 2, 5, 3, 7, 4, 6, 8, 9)
"""Digits that a number may begin with, the roundest first."""


@dataclass(frozen=True, slots=True)
class Scale:
    """One axis: the numbers at its ends, and where those ends are drawn."""

    low: float
    high: float
    start: float
    end: float
    log: bool

    def __call__(self, value: float) -> float:
        """Where a number is drawn.

        >>> Scale(1, 100, 0, 300, log=True)(10)
        150.0
        """
        low, high, at = (_unit(number, log=self.log) for number in (self.low, self.high, value))
        return self.start + (at - low) / (high - low) * (self.end - self.start)

    def shows(self, value: float) -> bool:
        """Whether a number has a place: finite, and above zero on a log axis."""
        return isfinite(value) and (value > 0 or not self.log)


def scale(values: Iterable[float], start: float, end: float, *, log: bool, room: float) -> Scale:
    """An axis on which all values have a place, with some room at both ends.

    Args:
        values: What is drawn; what has no place is left out.
        start: Where the smallest is drawn.
        end: Where the largest is drawn.
        log: Whether equal factors are equal distances.
        room: At each end, as a part of the whole.
    """
    shown = [value for value in values if isfinite(value) and (value > 0 or not log)]
    if not shown:
        return Scale(0.1 if log else 0.0, 10.0 if log else 1.0, start, end, log)
    low, high = (_unit(value, log=log) for value in (min(shown), max(shown)))
    pad = (high - low) * room or 0.5
    low, high = (10.0**exponent if log else exponent for exponent in (low - pad, high + pad))
    return Scale(low, high, start, end, log)


def ticks(low: float, high: float, *, log: bool) -> tuple[float, ...]:
    """Round numbers between two, a handful.

    >>> ticks(1.5, 70, log=True)
    (2.0, 5.0, 10.0, 20.0, 50.0)
    """
    return _log_ticks(low, high) if log else _linear_ticks(low, high)


def label(value: float) -> str:
    """A number as short as an axis has room for.

    >>> label(0.5), label(4096.0), label(1e-05), label(3e7)
    ('0.5', '4096', '1e-5', '3e7')
    """
    text = f"{value:.6g}"
    if "e" not in text:
        return text if abs(value) >= 1e-3 or value == 0 else _scientific(f"{value:.2e}")
    return _scientific(text)


def _scientific(text: str) -> str:
    mantissa, exponent = text.split("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa}e{int(exponent)}"


def _unit(value: float, *, log: bool) -> float:
    return log10(value) if log else value


def _log_ticks(low: float, high: float) -> tuple[float, ...]:
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    for steps in ((1,), (1, 2, 5)):
        found = _within(low, high, (step * 10.0**power for power in powers for step in steps))
        if len(found) >= _FEW:
            return found[:: ceil(len(found) / _MANY)]
    found = _apart(low, high, [step * 10.0**power for step in _ROUNDEST for power in powers])
    return found if len(found) >= _FEW - 1 else _linear_ticks(low, high)


def _apart(low: float, high: float, values: Iterable[float]) -> tuple[float, ...]:
    """Those with room between them; earlier ones go first."""
    kept: list[float] = []
    least = log10(high / low) / _MANY
    for value in _within(low, high, values):
        if all(abs(log10(value / other)) >= least for other in kept):
            kept.append(value)
    return tuple(sorted(kept))


def _linear_ticks(low: float, high: float) -> tuple[float, ...]:
    rough = (high - low) / 5
    power = 10.0 ** floor(log10(rough))
    step = next(unit * power for unit in (1, 2, 5, 10) if unit * power >= rough)
    first, last = ceil(low / step), floor(high / step)
    return tuple(round(n * step, 12) for n in range(first, last + 1))


def _within(low: float, high: float, values: Iterable[float]) -> tuple[float, ...]:
    return tuple(value for value in values if low <= value <= high)

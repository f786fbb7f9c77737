"""What a tensor is filled with: a law and its numbers, as float32.

One 24-bit number ``x`` in (-1, 1) makes one value, whatever the law; every step is one float32
operation, rounded to nearest, no two of them fused::

    constant   shift
    uniform    x * scale + shift
    normal     z(x * spread + middle) * scale + shift, clamped to [low, high]

``z`` is the inverse of ``2 * Phi - 1``; a normal law that is not cut has spread 1 and middle 0.
"""

import math
import struct
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum

from mupfx.errors import InitError
from mupfx.kernels.normal import central

LARGEST_X = 1 - 2.0**-24
COARSEST = 2.0**-8
"""Least width of a cut's probabilities over the larger of them: 2^16 distinct values."""


class Kind(IntEnum):
    """The shape of a law, as tables of kernels have it."""

    CONSTANT = 0
    UNIFORM = 1
    NORMAL = 2
    TRUNCATED = 3


@dataclass(frozen=True, slots=True)
class Draw:
    """A law; made by ``constant``, ``uniform``, ``normal`` and ``truncated``."""

    kind: Kind
    scale: float = 0.0
    shift: float = 0.0
    middle: float = 0.0
    spread: float = 1.0
    low: float = -math.inf
    high: float = math.inf

    def __str__(self) -> str:
        """As it is made.

        >>> print(normal(0.5))
        normal(0.5, 0)
        """
        at, scale = f"{self.shift:g}", f"{self.scale:g}"
        return {
            Kind.CONSTANT: f"constant({at})",
            Kind.UNIFORM: f"uniform({self.shift - self.scale:g}, {self.shift + self.scale:g})",
            Kind.NORMAL: f"normal({scale}, {at})",
            Kind.TRUNCATED: f"truncated({scale}, {at}, {self.low:g}, {self.high:g})",
        }[self.kind]


def constant(value: float) -> Draw:
    """One value everywhere."""
    return Draw(Kind.CONSTANT, shift=_single(value))


def uniform(low: float, high: float) -> Draw:
    """Between two bounds, neither of which is ever passed.

    Raises:
        InitError: The bounds are not finite, or not in order.
    """
    low, high = _single(low), _single(high)
    if low > high:
        raise InitError("the bounds of a uniform law are not in order", found=f"{low}, {high}")
    shift = _single((low + high) / 2)
    scale = _single((high - low) / 2)
    scale = _largest(scale, lambda s: low <= _line(-1.0, s, shift) <= _line(1.0, s, shift) <= high)
    return Draw(Kind.UNIFORM, scale, shift) if scale else constant(shift)


def normal(std: float, mean: float = 0.0) -> Draw:
    """Normal, on 2^24 quantiles: the largest value is 5.42 std from the mean.

    Raises:
        InitError: The numbers are not finite, or the std is negative.
    """
    std, mean = _single(std), _single(mean)
    if std < 0:
        raise InitError("a std is not negative", found=str(std))
    return Draw(Kind.NORMAL, std, mean) if std else constant(mean)


def truncated(std: float, mean: float = 0.0, low: float = -2.0, high: float = 2.0) -> Draw:
    """Normal, cut at two values; they are absolute, as in ``torch.nn.init.trunc_normal_``.

    Args:
        std: Before it was cut.
        mean: Before it was cut.
        low: The least value; may be infinite.
        high: The largest value; may be infinite.

    Raises:
        InitError: The bounds are not in order, or leave only a far tail of the normal law.
    """
    plain = normal(std, mean)
    low, high = _single(low, finite=False), _single(high, finite=False)
    if not low <= high:
        raise InitError("the bounds of a cut are not in order", found=f"{low}, {high}")
    if plain.kind is Kind.CONSTANT or low == high:
        return constant(min(max(plain.shift, low), high))
    below, above = (_central(bound, plain) for bound in (low, high))
    if below <= -LARGEST_X and above >= LARGEST_X:
        return plain
    middle, spread = _single((below + above) / 2), _single((above - below) / 2)
    if spread < COARSEST * (abs(middle) + spread):
        raise InitError(
            "a cut this far from the mean leaves too few of the 2^24 quantiles",
            found=f"normal({std:g}, {mean:g}) between {low:g} and {high:g}",
            hint="draw a uniform law, or one with a mean nearer to the bounds",
        )
    spread = _largest(
        spread,
        lambda s: all(abs(_line(x, s, middle)) <= LARGEST_X for x in (-LARGEST_X, LARGEST_X)),
    )
    return Draw(Kind.TRUNCATED, plain.scale, plain.shift, middle, spread, low, high)


def _central(bound: float, law: Draw) -> float:
    """``2 * Phi - 1`` at a bound of a law."""
    if math.isinf(bound):
        return math.copysign(1.0, bound)
    return float(central((Decimal(bound) - Decimal(law.shift)) / Decimal(law.scale)))


def _line(x: float, scale: float, shift: float) -> float:
    """``x * scale + shift`` as float32 has it."""
    return _single(_single(x * scale) + shift)


def _largest(most: float, fits: Callable[[float], bool]) -> float:
    """The largest float32 up to ``most`` that fits, where all smaller ones do; zero always does."""
    (last,) = struct.unpack("<i", struct.pack("<f", most))
    by_size = range(last + 1)  # bits of floats are ordered as they are
    return _of_bits(bisect_left(by_size, 1, key=lambda bits: not fits(_of_bits(bits))) - 1)


def _of_bits(bits: int) -> float:
    (found,) = struct.unpack("<f", struct.pack("<i", bits))
    return float(found)


def _single(value: float, *, finite: bool = True) -> float:
    """Rounded to float32; zero has no sign."""
    if math.isnan(value) or (finite and math.isinf(value)):
        raise InitError("a law of initialisation needs finite numbers", found=str(value))
    try:
        (found,) = struct.unpack("<f", struct.pack("<f", value))
    except OverflowError:
        raise InitError("a number of a law exceeds float32", found=str(value)) from None
    return float(found) + 0.0

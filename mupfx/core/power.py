"""Exact exponents: a scaling factor is a product of ratios raised to fractions.

``Power.of(fan_in="-1/2")`` is the init factor of a hidden weight; ``value({"fan_in": 4})`` is 0.5.
Symbols are ratios of a size in this model to its size at the base, so every power is 1 at the base.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

SYMBOLS = ("fan_in", "fan_out", "depth", "head_dim")


@dataclass(frozen=True, slots=True)
class Power:
    """A product of ``symbol ** exponent``; symbols with exponent zero are absent."""

    exponents: tuple[tuple[str, Fraction], ...] = ()

    @classmethod
    def of(cls, **exponents: str | int | Fraction) -> Self:
        """Build from keyword exponents.

        >>> print(Power.of(fan_in="-1/2", fan_out=1))
        fan_in^-1/2 fan_out^1
        """
        if unknown := set(exponents) - set(SYMBOLS):
            raise ValueError(f"unknown symbols {sorted(unknown)}, expected some of {SYMBOLS}")
        return cls._normal({name: Fraction(value) for name, value in exponents.items()})

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what ``str`` writes; an exponent of one may be left out, and ``0.5`` is a half.

        Raises:
            ValueError: A term is no symbol with a fraction, or a symbol stands there twice.

        >>> Power.parse("fan_in^-1/2 fan_out") == Power.of(fan_in="-1/2", fan_out=1)
        True
        """
        if text.strip() == "1":
            return cls()
        exponents: dict[str, Fraction] = {}
        for term in text.split():
            symbol, caret, exponent = term.partition("^")
            if symbol in exponents:
                raise ValueError(f"{symbol} stands there twice")
            exponents[symbol] = _fraction(exponent) if caret else Fraction(1)
        if not exponents:
            raise ValueError("there is nothing; for no change write 1")
        return cls.of(**exponents)

    @classmethod
    def _normal(cls, exponents: Mapping[str, Fraction]) -> Self:
        return cls(tuple((name, exponents[name]) for name in SYMBOLS if exponents.get(name)))

    def __mul__(self, other: "Power") -> "Power":
        """Add exponents."""
        total = dict(self.exponents)
        for name, exponent in other.exponents:
            total[name] = total.get(name, Fraction(0)) + exponent
        return self._normal(total)

    def __pow__(self, exponent: int | Fraction) -> "Power":
        """Scale exponents."""
        return self._normal({name: value * exponent for name, value in self.exponents})

    def __truediv__(self, other: "Power") -> "Power":
        """Subtract exponents."""
        return self * other**-1

    def value(self, ratios: Mapping[str, Fraction | float]) -> float:
        """Evaluate; a symbol that ``ratios`` lacks is 1.

        >>> Power.of(fan_in=-1).value({"fan_in": Fraction(4)})
        0.25
        """
        exact = Fraction(1)
        rest = 1.0
        for name, exponent in self.exponents:
            ratio = Fraction(ratios.get(name, 1))
            if exponent.denominator == 1:
                exact *= ratio ** int(exponent)
            else:
                rest *= float(ratio) ** float(exponent)
        return float(exact) * rest

    def __str__(self) -> str:
        """Print as ``symbol^exponent`` terms, ``1`` when empty."""
        return " ".join(f"{name}^{exponent}" for name, exponent in self.exponents) or "1"


def _fraction(text: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError(f"`{text}` is no fraction") from error


ONE = Power()

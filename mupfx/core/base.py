"""How much every factor class and every stream grew from the base to this model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Ratios:
    """Size here over size at the base; finite classes have ratio one."""

    classes: Mapping[str, Fraction]
    depth: Mapping[str, Fraction] = field(default_factory=dict)
    """By stream name."""
    findings: tuple[str, ...] = ()
    """What the reader should know: vocabulary grew, this is the base model."""

    def of_axis(self, axis: tuple[str, ...]) -> Fraction:
        """Ratio of one dimension, the product over its factors."""
        total = Fraction(1)
        for name in axis:
            total *= self.classes.get(name, Fraction(1))
        return total

    def of_axes(self, axes: tuple[tuple[str, ...], ...], dims: tuple[int, ...]) -> Fraction:
        """Ratio of several dimensions together."""
        total = Fraction(1)
        for dim in dims:
            total *= self.of_axis(axes[dim])
        return total


@dataclass(frozen=True, slots=True)
class Uneven:
    """A dimension that grew by another ratio than the same one in the first layer of its kind."""

    where: str
    expected: str
    found: str

    def __str__(self) -> str:
        """As the report says it."""
        return f"{self.where} grew by {self.found}, not by {self.expected}"

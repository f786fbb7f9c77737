"""How a parameter's values were drawn: the law by its exact numbers, as a factory asked for it.

``nn.Linear(64, 8)`` draws its weight from U(-1/8, 1/8)::

    Drawn(Shape.UNIFORM, scale=0.125, function="kaiming_uniform_", source="model.py:12")

Values are ``location + scale * x``, and the shape says what ``x`` is; so a law that is multiplied
or shifted is a law again.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

Box = tuple[tuple[int, int, int], ...]
"""Some entries of a tensor: by dimension the first, how many, and the step between them."""


class Shape(StrEnum):
    """What ``x`` is."""

    NORMAL = "normal"
    UNIFORM = "uniform"
    """Between -1 and 1."""
    TRUNCATED = "truncated normal"
    """Normal, between ``low`` and ``high``."""
    CONSTANT = "constant"
    """Zero: all values are ``location``."""
    ORTHOGONAL = "orthogonal"
    """Orthonormal rows or columns, whichever are fewer."""
    SPARSE = "sparse"
    """Normal, and zero at a fixed number of random places in every column."""
    EYE = "identity"
    DIRAC = "dirac"
    GIVEN = "given"
    """Numbers that were computed or copied in, not drawn."""
    UNKNOWN = "unknown"


LINEAR = frozenset({Shape.ORTHOGONAL, Shape.SPARSE, Shape.EYE, Shape.DIRAC})
"""Shapes that may be multiplied, and not shifted."""
OPEN = frozenset({Shape.GIVEN, Shape.UNKNOWN})
"""Shapes that name no law."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One law with its numbers, and other laws that parts of the tensor have."""

    shape: Shape
    scale: float = 0.0
    location: float = 0.0
    low: float = -math.inf
    high: float = math.inf
    density: float = 1.0
    """Mean square of ``x`` where it is no distribution's: 1/n of an n x n identity."""
    groups: int = 1
    """Of ``dirac_``."""
    function: str = ""
    """The outermost function of ``torch.nn.init``, or the tensor's method."""
    source: str = ""
    """The user's line."""
    why: str = ""
    """Of a law that is not known: what was done to the values."""
    parts: tuple[tuple[Box, "Drawn"], ...] = ()
    """Entries that follow another law, later ones over earlier ones."""
    like: str = ""
    """Another parameter whose values these are, entry for entry."""

    @property
    def known(self) -> bool:
        """Whether it and all of its parts are laws."""
        return self.shape not in OPEN and all(part.known for _, part in self.parts)

    @property
    def mean(self) -> float:
        """The exact mean; of no meaning for identities."""
        if self.shape is Shape.TRUNCATED:
            return self.location + self.scale * _cut_moments(self.low, self.high)[0]
        return self.location

    @property
    def std(self) -> float | None:
        """The exact std about the mean; None where the law is not known."""
        if self.shape in OPEN:
            return None
        if self.shape is Shape.TRUNCATED:
            return abs(self.scale) * _cut_moments(self.low, self.high)[1]
        square = {Shape.UNIFORM: 1 / 3, Shape.CONSTANT: 0.0, Shape.NORMAL: 1.0}
        return abs(self.scale) * math.sqrt(square.get(self.shape, self.density))

    @property
    def size(self) -> float | None:
        """Root mean square of the values."""
        return None if self.std is None else math.hypot(self.std, self.mean)

    def __str__(self) -> str:
        """As one would write it.

        >>> print(Drawn(Shape.UNIFORM, scale=0.125))
        uniform(-0.125, 0.125)
        """
        at, scale = self.location, self.scale
        text = {
            Shape.NORMAL: f"normal({at:g}, {scale:g})",
            Shape.UNIFORM: f"uniform({at - scale:g}, {at + scale:g})",
            Shape.CONSTANT: f"constant({at:g})",
            Shape.TRUNCATED: f"normal({at:g}, {scale:g}) cut at {self._cut(self.low)} and "
            f"{self._cut(self.high)}",
        }.get(self.shape)
        text = text or (f"{self.shape}: {self.why}" if self.shape in OPEN else None)
        text = text or f"{self.shape}, times {scale:g}"
        return text + (f", and {len(self.parts)} parts apart" if self.parts else "")

    def _cut(self, bound: float) -> str:
        return f"{self.location + self.scale * bound:g}"


def affine(drawn: Drawn, factor: float, shift: float = 0.0) -> Drawn:
    """The law of ``factor * values + shift``.

    >>> print(affine(Drawn(Shape.NORMAL, scale=0.02), 0.5))
    normal(0, 0.01)
    """
    if drawn.shape in OPEN:
        return drawn
    parts = tuple((box, affine(part, factor, shift)) for box, part in drawn.parts)
    if shift and drawn.shape in LINEAR:
        return unknown(f"{drawn.shape} values, shifted", drawn)
    location = drawn.location * factor + shift
    if factor == 0 or drawn.shape is Shape.CONSTANT:
        return replace(
            drawn, shape=Shape.CONSTANT, scale=0.0, location=location, parts=parts,
            low=-math.inf, high=math.inf, density=1.0,
        )  # fmt: skip
    turned = factor < 0 and drawn.shape not in LINEAR
    low, high = (-drawn.high, -drawn.low) if turned else (drawn.low, drawn.high)
    scale = drawn.scale * (abs(factor) if turned else factor)
    return replace(drawn, scale=scale, location=location, low=low, high=high, parts=parts)


def unknown(why: str, of: Drawn | None = None) -> Drawn:
    """No law, and why."""
    return Drawn(Shape.UNKNOWN, why=why, source=of.source if of is not None else "")


def same_law(one: Drawn, other: Drawn) -> bool:
    """Whether two laws are one, wherever they were written."""
    return one.known and _unsigned(one) == _unsigned(other)


def _unsigned(drawn: Drawn) -> Drawn:
    return replace(drawn, function="", source="", like="")


def _cut_moments(low: float, high: float) -> tuple[float, float]:
    """Mean and std of a standard normal between two bounds."""
    mass = _mass(low, high)
    mean = (_density(low) - _density(high)) / mass
    square = 1 + (_weighed(low) - _weighed(high)) / mass
    return mean, math.sqrt(max(square - mean**2, 0.0))


def _mass(low: float, high: float) -> float:
    if low > 0:  # from the other end: the difference of two numbers near one has no digits
        low, high = -high, -low
    return (math.erfc(-high / math.sqrt(2)) - math.erfc(-low / math.sqrt(2))) / 2


def _density(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _weighed(x: float) -> float:
    return 0.0 if math.isinf(x) else x * _density(x)

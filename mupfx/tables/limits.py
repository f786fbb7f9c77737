"""What a point of the plane of widths does in the limit: four exponents, and thirteen limits.

A point ``(q_s, q)`` is told apart by whether the output at the start and the output's change
shrink, stay or grow with width, and by which edge of the band ``-1/2 <= q_s + q <= 0`` it lies on.
Above the band updates blow up; below it nothing is learned beside what was there at the start.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from mupfx.tables.plane import GOLIKOV, HALF

SOURCE = (
    f"{GOLIKOV}, and the regions that its authors' code lists; uncertain: the band and the lines "
    "are the paper's, that all thirteen limits differ was not tested here"
)


class Edge(StrEnum):
    """Where a point lies between the band's edges."""

    FEATURES = "features move at every width"
    INSIDE = "features move less and less with width"
    LAZY = "features stand still in the limit"


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit: a point, a segment or a region of the plane."""

    name: str
    kind: str
    output: int
    """Sign of the exponent of the output at the start."""
    change: int
    """Sign of the exponent of the output's change, which is the tangent kernel's."""
    edge: Edge
    at: tuple[Fraction, Fraction] | None = None
    """Where a point lies."""


LIMITS: tuple[Limit, ...] = (
    Limit("MF", "point", -1, 0, Edge.FEATURES, (Fraction(-1), Fraction(1))),
    Limit("NTK", "point", 0, 0, Edge.LAZY, (-HALF, Fraction(0))),
    Limit("sym-default", "point", 0, 1, Edge.FEATURES, (-HALF, HALF)),
    Limit("MF-NTK", "segment", -1, 0, Edge.INSIDE),
    Limit("NTK-sym", "segment", 0, 1, Edge.INSIDE),
    Limit("sym-MF", "segment", -1, 1, Edge.FEATURES),
    Limit("post-MF", "segment", -1, -1, Edge.FEATURES),
    Limit("pre-sym", "segment", 1, 1, Edge.FEATURES),
    Limit("post-NTK", "segment", -1, -1, Edge.LAZY),
    Limit("pre-NTK", "segment", 1, 1, Edge.LAZY),
    Limit("inside the triangle MF, NTK, sym-default", "region", -1, 1, Edge.INSIDE),
    Limit("post-MF-NTK", "region", -1, -1, Edge.INSIDE),
    Limit("pre-NTK-sym", "region", 1, 1, Edge.INSIDE),
)
"""Every limit of the band; in one hidden layer MF is muP."""


def limit_of(q_s: Fraction, q: Fraction) -> Limit | None:
    """The limit that a point belongs to; None outside the band.

    >>> limit_of(Fraction(-3, 4), Fraction(1, 2)).name
    'MF-NTK'
    """
    if not -HALF <= q_s + q <= 0:
        return None
    edge = {Fraction(0): Edge.FEATURES, -HALF: Edge.LAZY}.get(q_s + q, Edge.INSIDE)
    signs = _sign(q_s + HALF), _sign(1 + q + 2 * q_s)
    return next(row for row in LIMITS if (row.output, row.change, row.edge) == (*signs, edge))


def observables(q_s: Fraction, q: Fraction) -> Mapping[str, Fraction]:
    """Exponents in width of what training shows; learning rates are the table's.

    >>> observables(Fraction(-1), Fraction(1))["output at the start"]
    Fraction(-1, 2)
    """
    return {
        "output at the start": q_s + HALF,
        "change of the output": 1 + q + 2 * q_s,
        "change of a feature": q + q_s,
        "tangent kernel times learning rate": 1 + q + 2 * q_s,
        "relative change of the kernel": 2 * (q + q_s),
    }


def _sign(value: Fraction) -> int:
    return (value > 0) - (value < 0)

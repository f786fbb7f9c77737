"""How the code takes a dimension apart: query, key and value of one product.

A cut holds the entries ``i`` with ``start <= i % period < stop``. Rows of a gate and a value that
take turns are two cuts of period 2; those of a head's query, key and value have a head's period::

    72 rows, 3 x 24      (0, 24, 72)  (24, 48, 72)  (48, 72, 72)
    72 rows, 6 x 3 x 4   (0, 4, 12)   (4, 8, 12)    (8, 12, 12)
"""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from math import prod

from mupfx.core.axes import Axis, FactorClass
from mupfx.core.vocabulary import Reason

Classes = Mapping[str, FactorClass]


@dataclass(frozen=True, slots=True)
class Cut:
    """Entries of a dimension that go their own way together."""

    start: int
    stop: int
    period: int
    axis: Axis
    """Factor classes of these entries, what the code counts left out."""


def cuts(classes: Classes, axis: Axis, whole: Container[str] = ()) -> tuple[Cut, ...]:
    """The cuts of a dimension, in order; none where it is not taken apart.

    Factors in ``whole`` are used as they are too, so that they are not put together of others.
    """
    at = next((i for i in range(len(axis)) if _pieces(classes, axis[i:], beside=i > 0)), None)
    if at is None or axis[at] in whole:
        return ()
    before, rest = axis[:at], axis[at:]
    period = _size(classes, rest)
    return tuple(
        Cut(start, stop, period, (*before, *piece))
        for start, stop, piece in _stretches(classes, rest, 0, beside=at > 0)
    )


def _pieces(classes: Classes, axis: Axis, *, beside: bool) -> list[Axis]:
    """What an axis is put together of: parts of its first factor, or as many as the code counts.

    What is counted and stands alone are tensors in a stack, and no dimension of one.
    """
    found, rest = classes[axis[0]], axis[1:]
    counted = found.reason is Reason.PARTS and (rest or beside)
    parts = found.parts or ([()] * found.size if counted else [])
    return [(*part, *rest) for part in parts]


def _stretches(
    classes: Classes, axis: Axis, start: int, *, beside: bool = False
) -> Iterator[tuple[int, int, Axis]]:
    pieces = _pieces(classes, axis, beside=beside) if axis else []
    if not pieces:
        yield start, start + _size(classes, axis), axis
    for piece in pieces:
        yield from _stretches(classes, piece, start)
        start += _size(classes, piece)


def _size(classes: Classes, axis: Axis) -> int:
    return prod(classes[name].size for name in axis)

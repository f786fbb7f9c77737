"""Which elements of a tensor lie where: a box of a larger tensor, cut into runs.

A segment is memory that lies together, holding runs of elements that do::

    out[r * run + c - start]  holds element  base + r * stride + c        c < run

A shard of columns 4..8 of a 3 x 10 matrix is one segment: base 4, run 4, stride 10. The index of an
element is its place in the whole tensor, row by row, however it is stored or spread.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod

from torch import Tensor

from mupfx.errors import InitError
from mupfx.kernels.draw import Draw

MOST = 2**63
"""Elements of a stream: its counters would last for eight times as many."""
NESTED = {1: (1,), 2: (2**32, 1)}
NESTED_MORE = (2**42, 2**21)
"""Pitches of the first dimensions of three or more; all others lie row by row."""


@dataclass(frozen=True, slots=True)
class Part:
    """Which elements of the whole a tensor holds: every ``steps``-th from ``offsets`` on."""

    shape: tuple[int, ...]
    """Of the whole."""
    offsets: tuple[int, ...]
    steps: tuple[int, ...] = ()
    """Empty: every one."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Memory to be filled with runs of one stream."""

    out: Tensor = field(repr=False)
    """One dimension, without gaps."""
    draw: Draw
    stream: int
    base: int
    run: int
    stride: int
    start: int = 0

    def pieces(self, size: int) -> Iterator["Segment"]:
        """The same in parts of at most that many elements."""
        for at in range(0, self.out.numel(), size):
            yield replace(self, out=self.out[at : at + size], start=self.start + at)


def pitches(shape: Sequence[int], *, nested: bool) -> tuple[int, ...]:
    """By how much the index grows along each dimension.

    Args:
        shape: Of the whole tensor.
        nested: Leave room, so that an element keeps its index in a wider tensor.

    Raises:
        InitError: The tensor has too many elements, or is too wide to be nested.

    >>> pitches((5, 7), nested=False), pitches((5, 7), nested=True)
    ((7, 1), (4294967296, 1))
    """
    rows = tuple(prod(shape[d + 1 :]) for d in range(len(shape)))
    if nested and shape:
        rows = NESTED.get(len(shape)) or (*NESTED_MORE, *rows[2:])
        _require_room(shape, rows)
    if _last(shape, rows) >= MOST:
        raise InitError("a tensor has more than 2^63 elements", found=str(tuple(shape)))
    return rows


def segments(
    out: Tensor, draw: Draw, stream: int, part: Part, *, nested: bool
) -> Iterator[Segment]:
    """Cut a tensor without gaps into segments.

    Raises:
        InitError: The part does not lie in the whole.
    """
    steps = part.steps or (1,) * out.dim()
    _require_inside(out.shape, part, steps)
    pitch = pitches(part.shape, nested=nested)
    base = sum(offset * p for offset, p in zip(part.offsets, pitch, strict=True))
    levels = _levels(out.shape, [s * p for s, p in zip(steps, pitch, strict=True)])
    (run, _), (count, stride), *outer = levels
    flat = out.view(-1)
    places = product(*([i * p for i in range(size)] for size, p in reversed(outer)))
    for number, place in enumerate(places if out.numel() else ()):
        piece = flat[number * run * count : (number + 1) * run * count]
        yield Segment(piece, draw, stream, base + sum(place), run, stride)


def _levels(sizes: Sequence[int], strides: Sequence[int]) -> list[tuple[int, int]]:
    """Sizes and strides from the innermost out, joined where they lie row by row; two at least."""
    levels = [(1, 1)]
    for size, stride in zip(reversed(sizes), reversed(strides), strict=True):
        inner, step = levels[-1]
        if size == 1:
            continue
        if stride == inner * step:
            levels[-1] = (inner * size, step)
        else:
            levels.append((size, stride))
    return levels if len(levels) > 1 else [*levels, (1, 0)]


def _last(shape: Sequence[int], pitch: Sequence[int]) -> int:
    """The largest index."""
    return sum((size - 1) * p for size, p in zip(shape, pitch, strict=True))


def _require_inside(sizes: Sequence[int], part: Part, steps: Sequence[int]) -> None:
    fits = len(sizes) == len(part.shape) == len(part.offsets) == len(steps) and all(
        offset >= 0 and step > 0 and (not size or offset + (size - 1) * step < whole)
        for size, whole, offset, step in zip(sizes, part.shape, part.offsets, steps, strict=True)
    )
    if not fits:
        raise InitError(
            "a part does not lie in the whole", expected=str(part), found=str(tuple(sizes))
        )


def _require_room(shape: Sequence[int], pitch: Sequence[int]) -> None:
    outer = (2**63, *pitch)
    for size, p, room in zip(shape, pitch, outer, strict=False):
        if size * p > room:
            raise InitError(
                "a tensor is too wide to be nested in wider ones",
                expected=f"at most {room // p} along a dimension",
                found=str(tuple(shape)),
            )

"""Which entries of a tensor a view is, as boxes; without looking at a single entry.

``weight[4:8]`` of a 10 x 6 weight begins 24 entries into the storage and runs over 4 rows::

    box_of(Region(24, ((24, 1),)), layout of weight) -> ((4, 4, 1), (0, 6, 1))
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from torch import Tensor

from mupfx.core.drawn import Box


@dataclass(frozen=True, slots=True)
class Region:
    """Places of a storage: an offset, and (size, stride) from the outermost in."""

    offset: int
    axes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """How a tensor lies in its storage."""

    offset: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def region(self) -> Region:
        """The places, with dimensions joined where they lie in a row."""
        order = sorted(
            ((s, k) for s, k in zip(self.sizes, self.strides, strict=True) if s != 1),
            key=lambda axis: -axis[1],
        )
        axes: list[tuple[int, int]] = []
        for size, stride in order:
            if axes and axes[-1][1] == size * stride:
                axes[-1] = (axes[-1][0] * size, stride)
            else:
                axes.append((size, stride))
        return Region(self.offset, tuple(axes))

    @property
    def whole(self) -> Box:
        """All entries."""
        return tuple((0, size, 1) for size in self.sizes)

    def at(self, box: Box) -> "Layout":
        """Where a part of it lies."""
        starts = zip(box, self.strides, strict=True)
        return Layout(
            self.offset + sum(start * stride for (start, _, _), stride in starts),
            tuple(count for _, count, _ in box),
            tuple(step * stride for (_, _, step), stride in zip(box, self.strides, strict=True)),
        )


def layout_of(tensor: Tensor) -> Layout:
    """How a tensor lies in its storage."""
    return Layout(int(tensor.storage_offset()), tuple(tensor.shape), tuple(tensor.stride()))


def box_of(region: Region, layout: Layout) -> Box | None:
    """The entries of a tensor that lie in these places; None where they are no box of it."""
    if 0 in layout.sizes or 0 in layout.strides:
        return None
    starts = _coordinates(region.offset - layout.offset, layout)
    if starts is None:
        return None
    counts = [1] * len(layout.sizes)
    steps = [1] * len(layout.sizes)
    inner_first = sorted(range(len(layout.sizes)), key=lambda d: layout.strides[d])
    for size, stride in reversed(region.axes):
        if not _cover(size, stride, layout, inner_first, starts, counts, steps):
            return None
    return tuple(zip(starts, counts, steps, strict=True))


def _coordinates(offset: int, layout: Layout) -> list[int] | None:
    found = [0] * len(layout.sizes)
    for d in sorted(range(len(layout.sizes)), key=lambda d: -layout.strides[d]):
        if layout.sizes[d] == 1:
            continue
        found[d] = offset // layout.strides[d]
        if not 0 <= found[d] < layout.sizes[d]:
            return None
        offset -= found[d] * layout.strides[d]
    return None if offset else found


def _cover(  # noqa: PLR0913, PLR0917 - the box that is being made
    size: int,
    stride: int,
    layout: Layout,
    inner_first: Sequence[int],
    starts: Sequence[int],
    counts: list[int],
    steps: list[int],
) -> bool:
    """Spread one run of places over the dimensions that it crosses, from the innermost out."""
    while size > 1:
        free = [
            d
            for d in inner_first
            if counts[d] == 1 < layout.sizes[d] and stride % layout.strides[d] == 0
        ]
        if not free:
            return False
        d = free[-1]
        step = stride // layout.strides[d]
        if starts[d] + step * (size - 1) < layout.sizes[d]:
            counts[d], steps[d] = size, step
            return True
        full = layout.sizes[d]
        if step != 1 or starts[d] or size % full:
            return False
        counts[d] = full
        size, stride = size // full, stride * full
    return True


def volume(box: Box) -> int:
    """How many entries it has."""
    return prod(count for _, count, _ in box)


def contains(outer: Box, inner: Box) -> bool:
    """Whether every entry of one is an entry of the other."""
    return all(
        start >= first
        and (start - first) % every == 0
        and (count == 1 or step % every == 0)
        and start + (count - 1) * step <= first + (many - 1) * every
        for (first, many, every), (start, count, step) in zip(outer, inner, strict=True)
    )


def apart(one: Box, other: Box) -> bool:
    """Whether they certainly have no entry in common."""
    return any(
        a + (n - 1) * s < b or b + (m - 1) * t < a or (s == t and (a - b) % s != 0)
        for (a, n, s), (b, m, t) in zip(one, other, strict=True)
    )


def overlap(one: Box, other: Box) -> Box | None:
    """What is in both; None where that is no box."""
    if contains(one, other):
        return other
    if contains(other, one):
        return one
    if any(s != 1 or t != 1 for (_, _, s), (_, _, t) in zip(one, other, strict=True)):
        return None
    found = []
    for (a, n, _), (b, m, _) in zip(one, other, strict=True):
        start, stop = max(a, b), min(a + n, b + m)
        found.append((start, stop - start, 1))
    return tuple(found)

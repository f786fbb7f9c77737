"""Factors of axes, joined by union-find and split where a reshape cuts through one.

A dimension is a tuple of *pieces*, outermost first; a piece is a factor and the parameter
dimensions it came from. A factor's size has one entry per model looked at (this one, and its base
if given), so that a split must be possible in both: ``48`` here and ``24`` at the base make
``(6, 3) x (8, 8)`` heads by head size. Dimensions of size one everywhere have no pieces.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from math import prod
from typing import NamedTuple

Size = tuple[int, ...]
Origin = tuple[str, int]
"""A parameter and one of its dimensions."""


class Factor:
    """A node of the union-find forest; only its root's fields count."""

    __slots__ = ("marks", "parent", "parts", "pieces", "size")

    def __init__(self, size: Size) -> None:
        self.size = size
        self.parent: Factor | None = None
        self.pieces: tuple[Factor, Factor] | None = None
        self.parts: dict[tuple[Size, Size], Dim] = {}
        self.marks: dict[str, str] = {}

    def root(self) -> "Factor":
        """The representative, with path compression."""
        node = self
        while node.parent is not None:
            if node.parent.parent is not None:
                node.parent = node.parent.parent
            node = node.parent
        return node


class Piece(NamedTuple):
    """A factor as it stands in one dimension of one tensor."""

    factor: Factor
    origins: frozenset[Origin] = frozenset()


Dim = tuple[Piece, ...]
Dims = tuple[Dim, ...]


class Conflict(Exception):  # noqa: N818 - caught by the tracker, which says where
    """Two axes must be equal and cannot be."""


def fresh(size: Size, origins: frozenset[Origin] = frozenset()) -> Dim:
    """A dimension nothing is known about yet."""
    return () if is_one(size) else (Piece(Factor(size), origins),)


def is_one(size: Size) -> bool:
    """Whether a size is one in every model."""
    return all(n == 1 for n in size)


def divides(divisor: Size, size: Size) -> bool:
    """Whether one size divides another in every model."""
    return all(a and b % a == 0 for a, b in zip(divisor, size, strict=True))


def cuts(outer: Size, whole: Size) -> bool:
    """Whether ``whole`` is ``outer x rest``, neither growing while the other shrinks."""
    if not divides(outer, whole):
        return False
    rest = quotient(whole, outer)
    return (outer[0] - outer[-1]) * (rest[0] - rest[-1]) >= 0


def quotient(size: Size, divisor: Size) -> Size:
    """Entrywise division."""
    return tuple(b // a for a, b in zip(divisor, size, strict=True))


def minus(left: Size, right: Size) -> Size:
    """Entrywise difference."""
    return tuple(a - b for a, b in zip(left, right, strict=True))


def times(left: Size, right: Size) -> Size:
    """Entrywise product."""
    return tuple(a * b for a, b in zip(left, right, strict=True))


def expand(dim: Iterable[Piece]) -> list[Piece]:
    """Indivisible pieces of a dimension."""
    out: list[Piece] = []
    for piece in dim:
        root = piece.factor.root()
        if root.pieces is not None:
            out += expand(Piece(half, piece.origins) for half in root.pieces)
        else:
            out.append(piece if root is piece.factor else Piece(root, piece.origins))
    return out


def size_of(dim: Iterable[Piece], like: Size) -> Size:
    """Product of the sizes in a dimension."""
    sizes = [piece.factor.root().size for piece in dim]
    return tuple(prod(size[i] for size in sizes) for i in range(len(like)))


def mark(dim: Iterable[Piece], word: str, evidence: str) -> None:
    """Note a fact about every factor of a dimension; the first evidence stays."""
    for piece in expand(dim):
        piece.factor.marks.setdefault(word, evidence)


def split(factor: Factor, left: Size) -> None:
    """Cut a root into ``left x rest``; what was known of it holds for both."""
    right = quotient(factor.size, left)
    outer, inner = factor.pieces = (Factor(left), Factor(right))
    for half in factor.pieces:
        half.marks.update(factor.marks)
    for (start, stop), known in list(factor.parts.items()):
        if divides(right, start) and divides(right, stop):  # whole rows of the cut
            rows = part((Piece(outer),), quotient(start, right), quotient(stop, right), left)
            _agree(known, (*(rows or ()), Piece(inner)))


def union(left: Factor, right: Factor) -> None:
    """Make two roots of one size equal."""
    if left is right:
        return
    if left.size != right.size:
        raise Conflict(f"{left.size} against {right.size}")
    right.parent = left
    for word, evidence in right.marks.items():
        left.marks.setdefault(word, evidence)
    for span, known in right.parts.items():
        place(left, span, known)


Span = tuple[Size, Size]
"""Where a part of a factor begins and ends."""


def place(root: Factor, span: Span, dim: Dim) -> None:
    """Note a part of a root; one that lies in another is a part of that.

    Only neighbours are linked: the closest around it, the largest within. The others follow.
    """
    if span in root.parts:
        unify(root.parts[span], dim)
        return
    around = [s for s in root.parts if _holds(s, span)]
    within = [s for s in root.parts if _holds(span, s)]
    root.parts[span] = dim
    closest = [s for s in around if not any(_holds(s, other) for other in around)][:1]
    largest = [s for s in within if not any(_holds(other, s) for other in within)]
    pairs = [(outer, span) for outer in closest] + [(span, inner) for inner in largest]
    for (start, stop), (begin, end) in pairs:
        ends = minus(begin, start), minus(end, start), minus(stop, start)
        known = part(root.parts[(start, stop)], *ends)
        if known is not None:
            _agree(known, root.parts[(begin, end)])


def _holds(outer: Span, inner: Span) -> bool:
    return outer != inner and all(
        a <= b and d <= c for a, b, c, d in zip(outer[0], inner[0], outer[1], inner[1], strict=True)
    )


def _agree(left: Dim, right: Dim) -> None:
    """Make two dimensions equal where their boundaries can meet."""
    with suppress(Conflict):
        unify(left, right)


def partition(factor: Factor) -> list[Span]:
    """Known parts that follow each other from end to end; none where something is missing."""
    first = tuple(0 for _ in factor.size)
    reached: dict[Size, Span] = {}
    for start, stop in sorted(factor.parts):
        if (start == first or start in reached) and all(minus(stop, start)):
            reached[stop] = (start, stop)
    found, position = list[Span](), factor.size
    while position in reached:
        found.insert(0, reached[position])
        position = found[0][0]
    return found


def unify(left: Iterable[Piece], right: Iterable[Piece]) -> None:
    """Make two dimensions equal, splitting factors until their boundaries agree.

    Raises:
        Conflict: No common factoring exists; what was joined before the conflict stays joined.
    """
    a, b = expand(left), expand(right)
    while a and b:
        if len(a) > 1 and _same(a, b):
            return
        p, q = a[0].factor.root(), b[0].factor.root()
        if p is not q and p.size != q.size:
            _split_longer(p, q)
            a, b = expand(a), expand(b)
            continue
        union(p, q)
        a, b = expand(a[1:]), expand(b[1:])
    if a or b:
        raise Conflict("one axis has factors left over")


def _same(left: Sequence[Piece], right: Sequence[Piece]) -> bool:
    """Whether the factors are the same in whatever order, so that the sizes agree anyway."""
    return sorted(id(p.factor) for p in left) == sorted(id(q.factor) for q in right)


def _split_longer(p: Factor, q: Factor) -> None:
    if cuts(q.size, p.size):
        split(p, q.size)
    elif cuts(p.size, q.size):
        split(q, p.size)
    else:
        raise Conflict(f"{p.size} against {q.size}")


def regroup(dims: Sequence[Dim], sizes: Sequence[Size]) -> Dims | None:
    """Pieces of ``dims`` regrouped into ``sizes``; None where boundaries cannot meet."""
    queue = [piece for dim in dims for piece in expand(dim)]
    out: list[Dim] = []
    for size in sizes:
        dim = _take(queue, size)
        if dim is None:
            return None
        out.append(dim)
    return tuple(out) if not queue else None


def _take(queue: list[Piece], size: Size) -> Dim | None:
    taken: list[Piece] = []
    missing = size
    while not is_one(missing):
        if not queue:
            return None
        head = queue[0]
        have = head.factor.root().size
        if cuts(have, missing):
            taken.append(queue.pop(0))
            missing = quotient(missing, have)
        elif cuts(missing, have):
            split(head.factor.root(), missing)
            queue[0:1] = expand([head])
        else:
            return None
    return tuple(taken)


def part(dim: Dim, start: Size, stop: Size, whole: Size) -> Dim | None:
    """The dimension that a slice of ``dim`` has; None where it cuts across factors."""
    length = minus(stop, start)
    pieces = expand(dim)
    if length == whole:
        return dim
    if len(pieces) > 1:
        return _outer_part(pieces, start, stop, whole)
    if not pieces:
        return fresh(length)
    root = pieces[0].factor.root()
    if (start, stop) not in root.parts:
        made = fresh(length)
        _bring_marks(root, made)
        place(root, (start, stop), made)
    return tuple(Piece(p.factor, pieces[0].origins) for p in expand(root.parts[(start, stop)]))


def _outer_part(pieces: list[Piece], start: Size, stop: Size, whole: Size) -> Dim | None:
    inner = size_of(pieces[1:], whole)
    if not (divides(inner, start) and divides(inner, stop)):
        return None
    outer = quotient(whole, inner)
    cut = part((pieces[0],), quotient(start, inner), quotient(stop, inner), outer)
    return None if cut is None else (*cut, *pieces[1:])


def _bring_marks(root: Factor, made: Dim) -> None:
    for word, evidence in root.marks.items():
        mark(made, word, evidence)

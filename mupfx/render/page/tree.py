"""The model as boxes in boxes: cells in residual branches in repeated layers.

What is alike is shown once with how often it occurs; an edge belongs to the innermost box that
holds both its ends, and to the borders of the boxes that it crosses.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mupfx.core.analysis import Analysis
from mupfx.render.page.cells import Cell, Kind, cells
from mupfx.render.page.cells import Edge as NodeEdge
from mupfx.render.page.layers import Edge
from mupfx.render.page.repeats import Run, runs
from mupfx.render.page.rows import Row

Path = tuple[tuple[int, int], ...]
"""From the outermost box to a cell: which child, and which of its repetitions."""


@dataclass(frozen=True, slots=True)
class Vertex:
    """A cell, or a box with others inside."""

    cell: Cell | None = None
    children: tuple["Vertex", ...] = ()
    times: int = 1
    branch: bool = False
    """A residual branch."""
    edges: tuple[Edge, ...] = ()
    """Between children."""
    entries: tuple[int, ...] = ()
    """Children that are fed from outside."""
    exits: tuple[int, ...] = ()
    places: Mapping[str, Path] = field(default_factory=dict)
    """The nodes inside, those of repetitions too."""
    sign: Hashable = ()
    """The same for vertices that are shown as one."""

    @property
    def rows(self) -> tuple[str, ...]:
        """The parameters of its cells, in order."""
        if self.cell is not None:
            return self.cell.parameters
        return tuple(name for child in self.children for name in child.rows)


@dataclass(slots=True)
class _Crossings:
    """What edges do to one box."""

    edges: dict[Edge, None] = field(default_factory=dict)
    entries: dict[int, None] = field(default_factory=dict)
    exits: dict[int, None] = field(default_factory=dict)


def tree(analysis: Analysis, row_of: Mapping[str, Row]) -> Vertex:
    """The outermost box."""
    found, edges = cells(analysis)
    units: dict[str, list[Vertex]] = {}
    for cell in found:
        inside = cell.branch if cell.kind is not Kind.ADD else None
        units.setdefault(inside or f"{cell.node} alone", []).append(_leaf(cell, row_of))
    whole = _box([_unit(name, units[name]) for name in _order(units, edges)])
    crossings: dict[tuple[int, ...], _Crossings] = {}
    for edge in edges:
        _cross(edge, whole.places, crossings)
    return _wired(whole, (), crossings)


def _order(units: Mapping[str, Sequence[Vertex]], edges: Sequence[NodeEdge]) -> list[str]:
    """As the forward pass, but what nothing feeds right before what it feeds.

    A table that the first layer looks up would else stand in the middle of that layer's unit, and
    the layer would not be like the others.
    """
    unit_of = {
        node: name for name, parts in units.items() for part in parts for node in part.places
    }
    at = {name: float(number) for number, name in enumerate(units)}
    fed = {unit_of[end] for start, end in edges if unit_of[start] != unit_of[end]}
    first: dict[str, float] = {}
    for start, end in edges:
        name, to = unit_of[start], unit_of[end]
        if name not in fed and name != to:
            first[name] = min(first.get(name, at[to]), at[to])
    return sorted(units, key=lambda name: first[name] - 0.5 if name in first else at[name])


def _unit(name: str, parts: Sequence[Vertex]) -> Vertex:
    if len(parts) == 1 and name.endswith(" alone"):
        return parts[0]
    return replace(_box(parts), branch=True)


def _leaf(cell: Cell, row_of: Mapping[str, Row]) -> Vertex:
    rows = tuple(row_of[name].key for name in cell.parameters)
    site = None if cell.site is None else (cell.site.kind, cell.site.scale)
    return Vertex(cell, places={cell.node: ()}, sign=(cell.kind, rows, site))


def _box(parts: Sequence[Vertex]) -> Vertex:
    """Put vertices into a box, those that repeat once."""
    children: list[Vertex] = []
    for run in runs([part.sign for part in parts]):
        own = parts[run.start : run.stop]
        children += [_group(own, run)] if run.times > 1 and _weighty(own) else own
    places = {n: ((i, 0), *p) for i, c in enumerate(children) for n, p in c.places.items()}
    sign = tuple((child.sign, child.times) for child in children)
    return Vertex(None, tuple(children), places=places, sign=sign)


def _weighty(parts: Sequence[Vertex]) -> bool:
    return any(part.rows for part in parts)


def _group(parts: Sequence[Vertex], run: Run) -> Vertex:
    children = tuple(parts[: run.length])
    places = {
        node: ((at % run.length, at // run.length), *path)
        for at, part in enumerate(parts)
        for node, path in part.places.items()
    }
    sign = tuple(child.sign for child in children)
    return Vertex(None, children, run.times, places=places, sign=sign)


def _cross(
    edge: NodeEdge,
    places: Mapping[str, Path],
    crossings: dict[tuple[int, ...], _Crossings],
) -> None:
    """Note an edge where its two ends part, and on every border inside."""
    if edge[0] not in places or edge[1] not in places:
        return
    start, end = places[edge[0]], places[edge[1]]
    same = 0
    while start[same] == end[same]:
        same += 1
    (out, copy), (into, other) = start[same], end[same]
    box = crossings.setdefault(_prefix(start, same), _Crossings())
    if copy == other:
        box.edges[out, into] = None
    else:
        box.exits[out] = box.entries[into] = None
    for depth in range(same + 1, len(start)):
        crossings.setdefault(_prefix(start, depth), _Crossings()).exits[start[depth][0]] = None
    for depth in range(same + 1, len(end)):
        crossings.setdefault(_prefix(end, depth), _Crossings()).entries[end[depth][0]] = None


def _prefix(path: Path, depth: int) -> tuple[int, ...]:
    return tuple(child for child, _ in path[:depth])


def _wired(
    vertex: Vertex, path: tuple[int, ...], crossings: Mapping[tuple[int, ...], _Crossings]
) -> Vertex:
    own = crossings.get(path, _Crossings())
    return replace(
        vertex,
        children=tuple(_wired(c, (*path, i), crossings) for i, c in enumerate(vertex.children)),
        edges=tuple(own.edges),
        entries=tuple(own.entries),
        exits=tuple(own.exits),
    )

"""A small directed graph in layers: every edge leads down, and few cross.

``arrange(3, ((0, 1), (1, 2), (0, 2)))`` puts 0, 1 and 2 below each other, with a place beside 1
that the edge from 0 to 2 passes through. Edges from one vertex share their way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Edge = tuple[int, int]

_SWEEPS = 6


@dataclass(frozen=True, slots=True)
class Layers:
    """Vertices below the given number are the graph's; the others are places of long edges."""

    rows: tuple[tuple[int, ...], ...]
    links: tuple[Edge, ...]
    """Between neighbouring rows."""
    paths: dict[Edge, tuple[int, ...]]
    """The vertices along every edge, its ends among them."""


def arrange(count: int, edges: Sequence[Edge]) -> Layers:
    """Layer, cut long edges, and order every row. Edges that do not lead to a later one are not."""
    down = list(dict.fromkeys((a, b) for a, b in edges if a < b))
    depth = _depths(count, down)
    lanes: dict[int, list[int]] = {}
    paths: dict[Edge, tuple[int, ...]] = {}
    for a, b in down:
        lane = lanes.setdefault(a, [])
        for at in range(depth[a] + 1 + len(lane), depth[b]):
            lane.append(len(depth))
            depth.append(at)
        paths[a, b] = (a, *lane[: depth[b] - depth[a] - 1], b)
    links = tuple(dict.fromkeys(link for path in paths.values() for link in pairwise(path)))
    rows = [
        [v for v, d in enumerate(depth) if d == row] for row in range(max(depth, default=-1) + 1)
    ]
    for row in rows:
        row.sort(key=lambda v: v < count)  # long edges pass on the left
    return Layers(_ordered(rows, links), links, paths)


def _depths(count: int, edges: Sequence[Edge]) -> list[int]:
    """The longest way to each; what nothing leads to stands right above what it feeds."""
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for a, b in edges:
        before[b].append(a)
        after[a].append(b)
    depth = [0] * count
    for v in range(count):
        depth[v] = max((depth[a] + 1 for a in before[v]), default=0)
    for v in range(count):
        if not before[v] and after[v]:
            depth[v] = min(depth[b] for b in after[v]) - 1
    return depth


def _ordered(rows: list[list[int]], links: Sequence[Edge]) -> tuple[tuple[int, ...], ...]:
    """Sort each row by where its neighbours are, down and up again; keep the best that was seen."""
    above: dict[int, list[int]] = {}
    below: dict[int, list[int]] = {}
    for a, b in links:
        above.setdefault(b, []).append(a)
        below.setdefault(a, []).append(b)
    best = [list(row) for row in rows]
    fewest = _crossings(rows, links)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        neighbours, order = (above, rows[1:]) if sweep % 2 == 0 else (below, rows[-2::-1])
        for row in order:
            _sort(row, rows, neighbours)
        crossings = _crossings(rows, links)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    return tuple(tuple(row) for row in best)


def _sort(row: list[int], rows: list[list[int]], neighbours: dict[int, list[int]]) -> None:
    at = {v: i for each in rows for i, v in enumerate(each)}
    centre = {v: [at[n] for n in neighbours.get(v, ())] or [at[v]] for v in row}
    row.sort(key=lambda v: sum(centre[v]) / len(centre[v]))


def _crossings(rows: Sequence[Sequence[int]], links: Sequence[Edge]) -> int:
    at = {v: (depth, i) for depth, row in enumerate(rows) for i, v in enumerate(row)}
    by_row: dict[int, list[Edge]] = {}
    for a, b in links:
        by_row.setdefault(at[a][0], []).append((at[a][1], at[b][1]))
    return sum(
        (a1 - b1) * (a2 - b2) < 0
        for pairs in by_row.values()
        for i, (a1, a2) in enumerate(pairs)
        for b1, b2 in pairs[:i]
    )

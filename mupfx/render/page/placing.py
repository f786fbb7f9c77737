"""Coordinates for boxes in layers: straight where an edge is long, none over another.

``place(((80, 30), (80, 30)), ((0, 1),))`` centres the second box under the first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mupfx.render.page.layers import Edge, Layers, arrange

Size = tuple[float, float]
Point = tuple[float, float]
Doors = tuple[float, float]
"""Where edges enter a box at its top, and leave it at its bottom."""

GAP_X = 18.0
GAP_Y = 26.0
_PLACE: Size = (6.0, 0.0)
"""Room for an edge that passes a row."""
_LANE_GAP = 3.0
"""Between two of them."""
_SWEEPS = 12
_STRAIGHT = 8.0
"""How much more a long edge weighs than a short one."""
_RIGID = 1000.0
"""How much more a place of a long edge weighs than a box that would push it aside."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Top left corners of boxes, the points that edges pass, and the size of all."""

    corners: tuple[Point, ...]
    routes: Mapping[Edge, tuple[Point, ...]]
    size: Size


def place(
    sizes: Sequence[Size], edges: Sequence[Edge], doors: Sequence[Doors] | None = None
) -> Placed:
    """Lay boxes out from top to bottom.

    Args:
        sizes: Width and height of each.
        edges: From an earlier box to a later one.
        doors: Where edges enter and leave each box, from its left; else in its middle.
    """
    layers = arrange(len(sizes), edges)
    count = 1 + max((v for row in layers.rows for v in row), default=-1)
    boxes = [*sizes, *[_PLACE] * (count - len(sizes))]
    centres = _centres(layers, boxes, len(sizes))
    left = min((centres[v] - boxes[v][0] / 2 for v in range(count)), default=0.0)
    centres = [x - left for x in centres]
    tops, heights = _tops(layers, boxes)
    corners = tuple(
        (centres[v] - w / 2, tops[v] + (heights[v] - h) / 2) for v, (w, h) in enumerate(sizes)
    )
    routes = {
        edge: _route(path, centres, _ends(path, corners, sizes, doors), (tops, heights))
        for edge, path in layers.paths.items()
    }
    width = max((centres[v] + boxes[v][0] / 2 for v in range(count)), default=0.0)
    height = max((tops[v] + heights[v] for v in range(count)), default=0.0)
    return Placed(corners, routes, (width, height))


def _tops(layers: Layers, boxes: Sequence[Size]) -> tuple[dict[int, float], dict[int, float]]:
    tops: dict[int, float] = {}
    heights: dict[int, float] = {}
    y = 0.0
    for row in layers.rows:
        height = max(boxes[v][1] for v in row)
        tops |= dict.fromkeys(row, y)
        heights |= dict.fromkeys(row, height)
        y += height + GAP_Y
    return tops, heights


def _route(
    path: Sequence[int],
    centres: Sequence[float],
    ends: tuple[Point, Point],
    rows: tuple[Mapping[int, float], Mapping[int, float]],
) -> tuple[Point, ...]:
    """From end to end, straight through the rows between."""
    tops, heights = rows
    points = [ends[0]]
    for v in path[1:-1]:
        points += [(centres[v], tops[v]), (centres[v], tops[v] + heights[v])]
    return (*points, ends[1])


def _ends(
    path: Sequence[int],
    corners: Sequence[Point],
    sizes: Sequence[Size],
    doors: Sequence[Doors] | None,
) -> tuple[Point, Point]:
    """At the bottom of the first box, and at the top of the last."""
    first, last = path[0], path[-1]
    leave = sizes[first][0] / 2 if doors is None else doors[first][1]
    enter = sizes[last][0] / 2 if doors is None else doors[last][0]
    bottom = corners[first][1] + sizes[first][1]
    return (corners[first][0] + leave, bottom), (corners[last][0] + enter, corners[last][1])


def _centres(layers: Layers, boxes: Sequence[Size], real: int) -> list[float]:
    """Where each would like to be, next to its neighbours, as far as the order leaves room."""
    neighbours: dict[int, list[tuple[int, float]]] = {}
    for a, b in layers.links:
        weight = _STRAIGHT if max(a, b) >= real else 1.0
        neighbours.setdefault(a, []).append((b, weight))
        neighbours.setdefault(b, []).append((a, weight))
    centres = [0.0] * len(boxes)
    for row in layers.rows:
        _settle(row, [0.0] * len(row), centres, boxes, [1.0] * len(row))
    for sweep in range(_SWEEPS):
        for row in layers.rows if sweep % 2 == 0 else layers.rows[::-1]:
            wishes = [_median(neighbours.get(v, ()), centres, centres[v]) for v in row]
            weights = [_RIGID if v >= real else 1.0 for v in row]
            _settle(row, wishes, centres, boxes, weights)
    return centres


def _median(neighbours: Sequence[tuple[int, float]], centres: Sequence[float], own: float) -> float:
    """The middle of the neighbours, by weight; of two equal ones, their mean."""
    if not neighbours:
        return own
    places = sorted((centres[v], weight) for v, weight in neighbours)
    half = sum(weight for _, weight in places) / 2
    low = high = places[-1][0]
    total = 0.0
    for at, (x, weight) in enumerate(places):
        total += weight
        if total >= half:
            low = x
            high = places[at + 1][0] if total == half and at + 1 < len(places) else x
            break
    return (low + high) / 2


def _settle(
    row: Sequence[int],
    wishes: Sequence[float],
    centres: list[float],
    boxes: Sequence[Size],
    weights: Sequence[float],
) -> None:
    """Put a row as near to its wishes as its order and widths allow, in least squares."""
    offsets = [0.0]
    for a, b in pairwise(row):
        gap = _LANE_GAP if boxes[a] == boxes[b] == _PLACE else GAP_X
        offsets.append(offsets[-1] + (boxes[a][0] + boxes[b][0]) / 2 + gap)
    blocks: list[list[float]] = []  # value, weight, how many
    for wish, offset, weight in zip(wishes, offsets, weights, strict=True):
        blocks.append([wish - offset, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            value, heavy, many = blocks.pop()
            last = blocks[-1]
            last[0] = (last[0] * last[1] + value * heavy) / (last[1] + heavy)
            last[1] += heavy
            last[2] += many
    flat = [value for value, _, many in blocks for _ in range(int(many))]
    for v, value, offset in zip(row, flat, offsets, strict=True):
        centres[v] = value + offset

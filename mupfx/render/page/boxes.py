"""The picture in coordinates: boxes in boxes with their texts, and curves between them.

Sizes follow from the number of characters, as text is set in a font of one width.
"""

from dataclasses import dataclass, replace
from itertools import pairwise, starmap

from mupfx.render.page.captions import TIMES, Caption, Captions, Line
from mupfx.render.page.cells import Kind
from mupfx.render.page.classes import Chip
from mupfx.render.page.placing import Doors, Placed, Point, Size, place
from mupfx.render.page.tree import Vertex

_CHARACTER = 6.7
_LINE = 18.0
_TITLE = 20.0
_PAD = 8.0
_BORDER = 12.0
"""Between a box and what it holds."""
_CHIP_GAP = 4.0
_NARROWEST = 64.0
_ADD = 18.0
_ROUND = (Kind.ADD, Kind.START)


@dataclass(frozen=True, slots=True)
class PlacedChip:
    """A chip, where it stands in its cell."""

    chip: Chip
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class PlacedLine:
    """A line of a cell; ``y`` is its middle."""

    word: str
    y: float
    chips: tuple[PlacedChip, ...]


@dataclass(frozen=True, slots=True)
class Box:
    """One rectangle; coordinates are those of the box around."""

    x: float
    y: float
    width: float
    height: float
    title: str
    whole: str
    tag: str
    style: str
    row: str = ""
    times: int = 1
    lines: tuple[PlacedLine, ...] = ()
    children: tuple["Box", ...] = ()
    curves: str = ""
    """All edges between children, as SVG writes a path."""
    origin: Point = (0.0, 0.0)
    """Where the curves' own coordinates begin."""
    doors: Doors = (0.0, 0.0)


def picture(whole: Vertex, captions: Captions) -> Box:
    """Lay the outermost box out."""
    placed = _inside(whole, captions, "")
    return _shell(placed, (0.0, 0.0), ("", "", "", "model"), 1)


@dataclass(frozen=True, slots=True)
class _Inside:
    """What a box holds, laid out."""

    children: tuple[Box, ...]
    curves: str
    size: Size
    doors: Doors | None
    """Where its ports are; None where it has none."""


def _inside(vertex: Vertex, captions: Captions, around: str) -> _Inside:
    """Children below each other, between a port at the top and one at the bottom."""
    boxes = [_box(child, captions, around) for child in vertex.children]
    last = len(boxes) + 1
    edges = [(0, 1 + at) for at in vertex.entries]
    edges += [(1 + a, 1 + b) for a, b in vertex.edges]
    edges += [(1 + at, last) for at in vertex.exits]
    sizes = [(1.0, 0.0), *((box.width, box.height) for box in boxes), (1.0, 0.0)]
    doors = [(0.5, 0.5), *(box.doors for box in boxes), (0.5, 0.5)]
    if not vertex.entries and not vertex.exits:
        placed = place(sizes[1:-1], [(a - 1, b - 1) for a, b in edges], doors[1:-1])
        corners, ports = placed.corners, None
    else:
        placed = place(sizes, edges, doors)
        corners = placed.corners[1:-1]
        ports = placed.corners[0][0] + 0.5, placed.corners[-1][0] + 0.5
    children = tuple(_moved(box, at) for box, at in zip(boxes, corners, strict=True))
    return _Inside(children, _curves(placed), placed.size, ports)


def _box(vertex: Vertex, captions: Captions, around: str) -> Box:
    if vertex.cell is not None:
        return _cell(captions.cell(vertex.cell, around), round_=vertex.cell.kind in _ROUND)
    inner = captions.common(vertex.rows) if vertex.rows else around
    if not (inner == around or inner.startswith(f"{around}.") or not around):
        inner = around
    inside = _inside(vertex, captions, inner)
    title = captions.box(vertex.rows, around)
    tag = "residual" if vertex.branch else ""
    style = "branch" if vertex.branch else "layers"
    return _shell(inside, (_BORDER, _TITLE + 4), (title, title, tag, style), vertex.times)


def _shell(inside: _Inside, at: Point, words: tuple[str, str, str, str], times: int) -> Box:
    """A rectangle around what it holds."""
    title, whole, tag, style = words
    badge = f" {TIMES}{times}" if times > 1 else ""
    text = _CHARACTER * len(title + badge + tag) + 3 * _PAD
    left, top = at
    width = max(inside.size[0] + 2 * left, text if title else 0.0)
    shift = (width - inside.size[0]) / 2
    children = tuple(_moved(child, (child.x + shift, child.y + top)) for child in inside.children)
    height = inside.size[1] + top + (left and _BORDER / 2)
    enter, leave = inside.doors or (inside.size[0] / 2,) * 2
    return Box(
        *(0, 0, width, height, title, whole, tag, style),
        times=times,
        children=children,
        curves=inside.curves,
        origin=(shift, top),
        doors=(enter + shift, leave + shift),
    )


def _cell(caption: Caption, *, round_: bool) -> Box:
    if round_:
        words = caption.title, caption.whole, "", caption.style
        return Box(0, 0, _ADD, _ADD, *words, doors=(_ADD / 2, _ADD / 2))
    lines = tuple(
        _line(line, _TITLE + 4 + _LINE * (at + 0.5)) for at, line in enumerate(caption.lines)
    )
    title = _CHARACTER * len(caption.title + caption.tag) + _PAD * (2 if caption.tag else 0)
    width = max(_NARROWEST, title + 2 * _PAD, *(_extent(line) + 2 * _PAD for line in lines))
    height = _TITLE + 4 + _LINE * len(lines) + (4 if lines else 0)
    words = caption.title, caption.whole, caption.tag, caption.style
    doors = width / 2, width / 2
    return Box(0, 0, width, height, *words, caption.row, 1, lines, doors=doors)


def _line(line: Line, y: float) -> PlacedLine:
    x = _PAD + _CHARACTER * (len(line.word) + 1)
    chips = []
    for chip in line.chips:
        width = _CHARACTER * len(chip.text) + 8
        chips.append(PlacedChip(chip, x, width))
        x += width + _CHIP_GAP
    return PlacedLine(line.word, y, tuple(chips))


def _extent(line: PlacedLine) -> float:
    if line.chips:
        return line.chips[-1].x + line.chips[-1].width - _PAD
    return _CHARACTER * len(line.word)


def _moved(box: Box, to: Point) -> Box:
    return replace(box, x=to[0], y=to[1])


def _curves(placed: Placed) -> str:
    """All edges as one path; what several share is drawn once."""
    pieces = (piece for route in placed.routes.values() for piece in pairwise(route))
    return " ".join(starmap(_curve, dict.fromkeys(pieces)))


def _curve(start: Point, end: Point) -> str:
    """From point to point, leaving and arriving straight down."""
    (x, y), (to_x, to_y) = start, end
    if abs(to_x - x) < 0.5:
        return f"M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}"
    middle = (y + to_y) / 2
    return f"M{x:.1f} {y:.1f}C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {to_y:.1f}"

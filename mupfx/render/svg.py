"""Line plots as SVG text: log or linear axes, intervals, dashes, a legend; no library, no script.

``svg(Plot("update", "width", "rms", (Line("seed 0", ((64, 1.0), (128, 1.1))),)))`` is one
``<svg>`` element. Colours are the variables of ``STYLE``, so that a page chooses them, light or
dark; alone, in a file, the picture brings its own: ``standalone``.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import inf, sqrt
from xml.sax.saxutils import escape, quoteattr

from mupfx.render.scale import Scale, label, scale, ticks

Point = tuple[float, float]

COLOURS = 8
"""How many series have a colour of their own; more start again."""

STYLE = """
.plot { color-scheme: light dark; font: 11px system-ui, sans-serif; overflow: visible;
  --ink: #1d2530; --faint: #667085; --grid: #e4e7ec; --expected: #475467;
  --s0: #2463eb; --s1: #d9480f; --s2: #0f8a5f; --s3: #9333ea;
  --s4: #b7791f; --s5: #0891b2; --s6: #be185d; --s7: #4d7c0f; }
.plot text { fill: var(--ink); }
.plot .tick text, .plot .note { fill: var(--faint); }
.plot .tick line { stroke: var(--grid); stroke-width: 1; }
.plot .frame { fill: none; stroke: var(--grid); }
.plot .title { font-weight: 600; font-size: 12px; }
.plot .line { fill: none; stroke-width: 1.75; stroke-linejoin: round; }
.plot .dashed { stroke-dasharray: 5 4; }
.plot .faint { opacity: .38; }
.plot .band { stroke: none; opacity: .16; }
.plot .expected { stroke: var(--expected); }
.plot circle.expected, .plot .band.expected { fill: var(--expected); }
""" + "".join(
    f".plot .s{n} {{ stroke: var(--s{n}); }} "
    f".plot circle.s{n}, .plot .band.s{n} {{ fill: var(--s{n}); }}\n"
    for n in range(COLOURS)
)

DARK = """
  --ink: #e6e9ef; --faint: #98a2b3; --grid: #2c3442; --expected: #b6bfcc;
  --s0: #74a2ff; --s1: #ff9a66; --s2: #4ed6a3; --s3: #c79bff;
  --s4: #f0c05a; --s5: #55cfe6; --s6: #ff86b6; --s7: #a5d65a;
"""
"""The same variables on a dark page: put them where the page says that it is dark."""


@dataclass(frozen=True, slots=True)
class Line:
    """One series."""

    name: str
    """In the legend, and shown under the pointer; lines of one name share an entry."""
    points: tuple[Point, ...]
    colour: int | None = 0
    """One of ``COLOURS``; None for what is expected, not measured."""
    dashed: bool = False
    faint: bool = False
    """Stands behind: the control."""
    interval: tuple[Point, ...] = ()
    """The lower and upper end at each point; none is drawn if empty."""
    markers: bool = True

    @property
    def classes(self) -> str:
        """Of the elements of the series."""
        colour = "expected" if self.colour is None else f"s{self.colour % COLOURS}"
        return colour + (" faint" if self.faint else "")


@dataclass(frozen=True, slots=True)
class Plot:
    """What is drawn."""

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    x_ticks: tuple[float, ...] = ()
    """Numbers at the axis below; round ones if empty."""
    log_x: bool = True
    log_y: bool = True
    width: int = 360
    height: int = 240
    also_x: tuple[float, ...] = ()
    """What has a place too, so that plots beside each other have one axis."""
    also_y: tuple[float, ...] = ()
    square: bool = False
    """On log axes: y spans at least what x does, so that noise about a constant looks flat."""
    titled: bool = True
    """Whether the title stands above; else it is for screen readers alone."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where things are in a plot."""

    plot: Plot
    x: Scale
    y: Scale

    def has(self, point: Point) -> bool:
        return self.x.shows(point[0]) and self.y.shows(point[1])

    def at(self, point: Point) -> str:
        return f"{self.x(point[0]):.1f},{self.y(point[1]):.1f}"


_LEFT, _RIGHT, _TOP, _BARE, _BOTTOM, _ROW, _LETTER = 56, 12, 28, 8, 38, 16, 6.2


def svg(plot: Plot) -> str:
    """One ``<svg>`` element, to stand in a page that has ``STYLE``."""
    legend = tuple(_legend(plot))
    rows = max((row for row, *_ in legend), default=-1) + 1
    lost = sum(not _frame(plot).has(point) for line in plot.lines for point in line.points)
    height = plot.height + _ROW * (rows + bool(lost))
    parts = (*_axes(_frame(plot)), *_series(_frame(plot)), *_entries(plot, legend))
    if lost:
        text = f"{lost} {'point' if lost == 1 else 'points'} not shown: zero or not finite"
        parts = (*parts, _text(_LEFT, height - 4, text, "note"))
    return (
        f'<svg class="plot" xmlns="http://www.w3.org/2000/svg" role="img" '
        f'viewBox="0 0 {plot.width} {height}" width="{plot.width}" height="{height}" '
        f"aria-label={quoteattr(plot.title)}>{''.join(parts)}</svg>"
    )


def standalone(plot: Plot) -> str:
    """A file of its own, with its colours."""
    dark = f"@media screen and (prefers-color-scheme: dark) {{ .plot {{ {DARK} }} }}"
    start, rest = svg(plot).split(">", 1)
    return f"{start}><style>{STYLE}{dark}</style>{rest}\n"


def _frame(plot: Plot) -> _Frame:
    drawn = [point for line in plot.lines for point in line.points]
    ends = [
        (x, y)
        for line in plot.lines
        for (x, _), pair in zip(line.points, line.interval, strict=False)
        for y in pair
    ]
    xs, ys = ([point[at] for point in (*drawn, *ends)] for at in (0, 1))
    if plot.square:
        ys += _as_wide(xs, ys)
    right, below = plot.width - _RIGHT, plot.height - _BOTTOM
    return _Frame(
        plot,
        scale([*xs, *plot.also_x], _LEFT, right, log=plot.log_x, room=0.05),
        scale(
            [*ys, *plot.also_y], below, _TOP if plot.titled else _BARE, log=plot.log_y, room=0.08
        ),
    )


def _as_wide(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, ...]:
    """Ends of a y axis of as many octaves as x has, about the middle of y."""
    good = [y for y in ys if 0 < y < inf]
    if not good or not xs:
        return ()
    middle, half = sqrt(min(good)) * sqrt(max(good)), sqrt(max(xs) / min(xs))
    return middle / half, middle * half


def _axes(frame: _Frame) -> Iterator[str]:
    plot, x, y = frame.plot, frame.x, frame.y
    if plot.titled:
        yield _text(_LEFT, 14, _short(plot.title, plot.width - _LEFT), "title")
    for value in plot.x_ticks or ticks(x.low, x.high, log=plot.log_x):
        yield _tick(x(value), x(value), y.start, y.end)
        yield _tick_label(x(value), y.start + 14, label(value), "middle")
    for value in ticks(y.low, y.high, log=plot.log_y):
        yield _tick(x.start, x.end, y(value), y(value))
        yield _tick_label(x.start - 6, y(value) + 4, label(value), "end")
    yield (
        f'<rect class="frame" x="{x.start}" y="{y.end}" width="{x.end - x.start}" '
        f'height="{y.start - y.end}"/>'
    )
    yield from _axis_labels(frame)


def _axis_labels(frame: _Frame) -> Iterator[str]:
    across, down = ((axis.start + axis.end) / 2 for axis in (frame.x, frame.y))
    below = f'x="{across}" y="{frame.y.start + 31}"'
    beside = f'transform="translate(11 {down}) rotate(-90)"'
    for place, text in ((below, frame.plot.x_label), (beside, frame.plot.y_label)):
        yield f'<text {place} text-anchor="middle">{escape(text)}</text>'


def _tick(x1: float, x2: float, y1: float, y2: float) -> str:
    return f'<g class="tick"><line x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"/></g>'


def _tick_label(x: float, y: float, text: str, anchor: str) -> str:
    return f'<g class="tick"><text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text></g>'


def _text(x: float, y: float, text: str, name: str) -> str:
    return f'<text class="{name}" x="{x}" y="{y}">{escape(text)}</text>'


def _short(text: str, room: float) -> str:
    """A text that fits, its middle left out if it must."""
    most = int(room / _LETTER) - 4
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-(most - most // 2) :]}"


def _series(frame: _Frame) -> Iterator[str]:
    for line in sorted(frame.plot.lines, key=lambda line: not line.faint):
        yield from _band(frame, line)
    for line in sorted(frame.plot.lines, key=lambda line: not line.faint):
        yield f"<g><title>{escape(line.name)}</title>{''.join(_strokes(frame, line))}</g>"


def _band(frame: _Frame, line: Line) -> Iterator[str]:
    pairs = zip(line.points, line.interval, strict=False)
    lower, upper = [], []
    for (x, _), (low, high) in pairs:
        if frame.has((x, low)) and frame.has((x, high)):
            lower.append(frame.at((x, low)))
            upper.append(frame.at((x, high)))
    if lower:
        places = " ".join((*upper, *reversed(lower)))
        yield f'<polygon class="band {line.classes}" points="{places}"/>'


def _strokes(frame: _Frame, line: Line) -> Iterator[str]:
    dash = " dashed" if line.dashed else ""
    for shown, run in groupby(line.points, frame.has):
        if not shown:
            continue
        points = tuple(run)
        places = " ".join(map(frame.at, points))
        yield f'<polyline class="line {line.classes}{dash}" points="{places}"/>'
        if line.markers:
            yield from (_marker(frame, line, point) for point in points)


def _marker(frame: _Frame, line: Line, point: Point) -> str:
    said = escape(f"{line.name}: {label(point[0])}, {point[1]:.3g}")
    x, y = frame.at(point).split(",")
    return (
        f'<circle class="{line.classes}" cx="{x}" cy="{y}" r="2.6"><title>{said}</title></circle>'
    )


def _legend(plot: Plot) -> Iterator[tuple[int, float, Line]]:
    """Row, place and line of each entry, one a name, broken over rows that fit."""
    names = {line.name: line for line in reversed(plot.lines)}
    row, x = 0, float(_LEFT)
    for line in sorted(names.values(), key=plot.lines.index):
        needed = 28 + _LETTER * len(line.name)
        if x > _LEFT and x + needed > plot.width:
            row, x = row + 1, float(_LEFT)
        yield row, x, line
        x += needed + 10


def _entries(plot: Plot, legend: Iterable[tuple[int, float, Line]]) -> Iterator[str]:
    for row, x, line in legend:
        y = plot.height + _ROW * row + 6
        dash = " dashed" if line.dashed else ""
        yield f'<polyline class="line {line.classes}{dash}" points="{x},{y} {x + 20},{y}"/>'
        yield _text(x + 25, y + 4, line.name, "entry")


def through(points: Sequence[Point], slope: float) -> tuple[Point, ...]:
    """The power law of a slope through the middle of points, from the first to the last.

    >>> [(x, round(y, 9)) for x, y in through(((1, 2.0), (4, 2.0)), 1)]
    [(1, 1.0), (4, 4.0)]
    """
    good = [(x, y) for x, y in points if x > 0 and 0 < y < float("inf")]
    if not good:
        return ()
    factor = 1.0
    for x, y in good:
        factor *= (y / x**slope) ** (1 / len(good))
    ends = sorted({x for x, _ in points})
    return tuple((x, factor * x**slope) for x in (ends[0], ends[-1]))

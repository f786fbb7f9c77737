"""The coordinate check at a glance: growth against what is expected, and slopes with intervals.

A statistic that grows as it should is a level line at 1; the wedge is what the margin allows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp, isfinite, log

from mupfx.core.report import Report, Slope
from mupfx.core.vocabulary import Role
from mupfx.render.check.alike import alike
from mupfx.render.check.words import exponent, mean, power
from mupfx.render.svg import Line, Plot, Point, svg

_COLOURS = {role: at for at, role in enumerate(Role)}
_UNKNOWN = 7


@dataclass(frozen=True, slots=True)
class Overview:
    """All statistics of one kind along one axis."""

    axis: str
    statistic: str
    plots: tuple[tuple[str, str], ...]
    """A heading and a picture each: as measured, and the control beside it."""
    bars: tuple["Bar", ...]
    """Slopes, those that stand for layers that are alike once."""
    low: float
    high: float
    """Ends of the bars' axis."""
    margin: float

    @property
    def title(self) -> str:
        """What stands above."""
        return f"{self.statistic}, along {self.axis}"

    def at(self, value: float) -> float:
        """Where a slope stands between the ends, in percent."""
        return 100 * (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)


@dataclass(frozen=True, slots=True)
class Bar:
    """One slope less what is expected, with its interval."""

    name: str
    use: str
    off: float
    low: float
    high: float
    control: float | None
    said: str
    verdict: str


def overviews(report: Report, roles: Mapping[str, str]) -> tuple[Overview, ...]:
    """One for every axis and statistic that was measured."""
    kinds = dict.fromkeys((slope.axis, slope.statistic) for slope in report.slopes)
    found = (_overview(report, axis, statistic, roles) for axis, statistic in kinds)
    return tuple(each for each in found if each is not None)


def _overview(
    report: Report, axis: str, statistic: str, roles: Mapping[str, str]
) -> Overview | None:
    own, control = (_judged(found, axis, statistic) for found in (report.slopes, report.control))
    if not own:
        return None
    margin = report.settings.get("margin")
    margin = float(margin) if isinstance(margin, int | float) else 0.0
    sizes = [float(size.along(axis)) for size in report.sizes[axis]]
    every = [y for slope in (*own, *control) for _, y in relative(slope, sizes)]
    plots = [
        (heading, svg(_plot(heading, slopes, _wedge(sizes, margin), every, roles)))
        for heading, slopes in zip(_headings(report), (own, control), strict=True)
        if slopes
    ]
    bars = tuple(_bars(own, control, roles))
    ends = [value for bar in bars for value in (bar.low, bar.high, bar.control or 0.0)]
    low, high = min(*ends, -1.5 * margin), max(*ends, 1.5 * margin)
    return Overview(axis, statistic, tuple(plots), bars, low or -1.0, high or 1.0, margin)


def _headings(report: Report) -> tuple[str, str]:
    return report.parametrization, "control: as it is without"


def _judged(slopes: Sequence[Slope], axis: str, statistic: str) -> tuple[Slope, ...]:
    return tuple(s for s in slopes if (s.axis, s.statistic) == (axis, statistic))


def relative(slope: Slope, sizes: Sequence[float]) -> tuple[Point, ...]:
    """Geometric means over seeds, over that of the smallest size and what is expected of growth."""
    means = [_mean([row[at] for row in slope.values]) for at in range(len(sizes))]
    first = means[0] if means else None
    if not first:
        return ()
    expected = slope.expected or 0.0
    return tuple(
        (size, value / first / (size / sizes[0]) ** expected)
        for size, value in zip(sizes, means, strict=True)
        if value
    )


def _mean(values: Sequence[float]) -> float | None:
    known = [value for value in values if isfinite(value) and value > 0]
    return exp(sum(map(log, known)) / len(known)) if known else None


def _plot(
    heading: str,
    slopes: Sequence[Slope],
    wedge: Line,
    every: Sequence[float],
    roles: Mapping[str, str],
) -> Plot:
    sizes = [x for x, _ in wedge.points]
    lines = [_line(slope, sizes, roles) for slope in slopes]
    lines.sort(key=lambda line: line.colour or 0)
    first = slopes[0]
    title = f"{heading}: growth of {first.statistic} against {first.axis}, over what is expected"
    return Plot(
        title,
        first.axis,
        "growth over expected",
        (wedge, *lines),
        tuple(sizes),
        also_y=tuple(every),
        titled=False,
    )


def _line(slope: Slope, sizes: Sequence[float], roles: Mapping[str, str]) -> Line:
    role = roles.get(slope.parameter, "")
    colour = _COLOURS[Role(role)] if role else _UNKNOWN
    return Line(role or "weights", relative(slope, sizes), colour)


def _wedge(sizes: Sequence[float], margin: float) -> Line:
    points = tuple((size, 1.0) for size in sizes)
    reaches = [(size / sizes[0]) ** margin for size in sizes]
    interval = tuple((1 / reach, reach) for reach in reaches) if margin else ()
    return Line("expected", points, None, dashed=True, interval=interval, markers=False)


def _bars(
    slopes: Sequence[Slope], control: Sequence[Slope], roles: Mapping[str, str]
) -> Iterator[Bar]:
    beside = {(slope.parameter, slope.use): slope for slope in control}
    for name, group in layers(slopes, control, roles):
        worst = max(group, key=lambda s: abs((mean(s) or 0.0) - (s.expected or 0.0)))
        yield _bar(name, worst, beside.get((worst.parameter, worst.use)))


def layers(
    slopes: Sequence[Slope], control: Sequence[Slope], roles: Mapping[str, str]
) -> tuple[tuple[str, tuple[Slope, ...]], ...]:
    """Slopes of the same weight in every layer: of one role and verdict, and of like controls."""
    beside = {(slope.parameter, slope.use): mean(slope) for slope in control}

    def key(slope: Slope) -> tuple[str, ...]:
        other = beside.get((slope.parameter, slope.use))
        halves = "" if other is None else str(round(2 * other))
        role = roles.get(slope.parameter, "")
        return str(slope.use), exponent(slope.expected), slope.outcome, role, halves

    return alike(slopes, lambda slope: slope.parameter, key)


def _bar(name: str, slope: Slope, control: Slope | None) -> Bar:
    expected = slope.expected or 0.0
    low, high = slope.interval
    other = None if control is None else mean(control)
    said = f"{power(mean(slope), slope.axis)} ({low:+.2f} to {high:+.2f})"
    said += f", expected {power(slope.expected, slope.axis)}"
    said += "" if other is None else f", control {power(other, slope.axis)}"
    return Bar(
        name,
        f" use {slope.use + 1}" if slope.use else "",
        (mean(slope) or 0.0) - expected,
        low - expected,
        high - expected,
        None if other is None else other - expected,
        said,
        str(slope.verdict),
    )

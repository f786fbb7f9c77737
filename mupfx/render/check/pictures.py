"""Statistics of training as plots: a line a seed, the expected slope dashed, the control faint.

Of repeated layers the one furthest from what is expected is drawn.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mupfx.core.report import Report, Slope, Verdict
from mupfx.render.check.alike import key, slopes_alike
from mupfx.render.check.words import mean, power
from mupfx.render.svg import Line, Plot, Point, svg, through

_ORDER = (*map(str, (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)), "shown")


@dataclass(frozen=True, slots=True)
class Picture:
    """One plot with what is said beside it."""

    name: str
    """Of all layers that it stands for."""
    shown: str
    """The one that is drawn, where there are several."""
    count: int
    said: str
    outcome: str
    """Its verdict, or that it has none."""
    svg: str


def pictures(report: Report) -> tuple[Picture, ...]:
    """All of them, what failed first."""
    beside = {key(slope): slope for slope in report.control}
    groups = slopes_alike(report.slopes, report.control)
    drawn = (_picture(name, group, report, beside) for name, group in groups)
    return tuple(sorted(drawn, key=lambda picture: _ORDER.index(picture.outcome)))


def _picture(
    name: str,
    group: Sequence[Slope],
    report: Report,
    beside: dict[tuple[str, int, str, str], Slope],
) -> Picture:
    worst = max(group, key=_distance)
    low, high = worst.interval
    use = f", use {worst.use + 1}" if worst.use else ""
    return Picture(
        name=f"{name}{use}",
        shown=worst.parameter if len(group) > 1 else "",
        count=len(group),
        said=f"{worst.statistic} grows as {power(mean(worst), worst.axis)}"
        f" ({low:.2f} to {high:.2f}); expected {power(worst.expected, worst.axis)}",
        outcome=worst.outcome,
        svg=svg(_plot(worst, report, beside.get(key(worst)))),
    )


def _distance(slope: Slope) -> float:
    return abs((mean(slope) or 0.0) - (slope.expected or 0.0))


def _plot(slope: Slope, report: Report, control: Slope | None) -> Plot:
    tried = tuple(float(size.along(slope.axis)) for size in report.sizes[slope.axis])
    margin = report.settings.get("margin")
    lines = (
        *(_control(control, tried) if control is not None else ()),
        *_expected(slope, tried, margin if isinstance(margin, float) else 0.0),
        *_seeds(slope, tried),
    )
    title = f"{slope.statistic} of {slope.parameter} against {slope.axis}"
    what = f"rms of {slope.statistic}"
    return Plot(title, slope.axis, what, lines, tried, square=True, titled=False)


def _seeds(slope: Slope, tried: Sequence[float]) -> Iterator[Line]:
    for seed, row in enumerate(slope.values):
        yield Line(f"seed {seed}", tuple(zip(tried, row, strict=False)), seed)


def _control(control: Slope, tried: Sequence[float]) -> Iterator[Line]:
    name = f"control {power(mean(control), control.axis)}"
    for row in control.values:
        points = tuple(zip(tried, row, strict=False))
        yield Line(name, points, colour=None, faint=True)


def _expected(slope: Slope, tried: Sequence[float], margin: float) -> Iterator[Line]:
    if slope.expected is None:
        return
    points = tuple(point for row in slope.values for point in zip(tried, row, strict=False))
    line = through(points, slope.expected)
    if line:
        name = f"expected {power(slope.expected, slope.axis)}"
        yield Line(name, line, None, dashed=True, markers=False, interval=_margin(line, margin))


def _margin(line: Sequence[Point], margin: float) -> tuple[Point, ...]:
    """What the equivalence margin allows, turned around the middle of the line."""
    (first, at_first), (last, at_last) = line[0], line[-1]
    wide = (last / first) ** (margin / 2)
    return (at_first / wide, at_first * wide), (at_last / wide, at_last * wide)

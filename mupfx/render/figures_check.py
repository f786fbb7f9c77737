"""A coordinate check as a figure for papers: growth over what is expected, and slopes.

Needs matplotlib: ``pip install 'mupfx[plot]'``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mupfx.core.report import Report, Slope, Verdict
from mupfx.render.figures import empty, log_ticks, saved
from mupfx.render.page.coordinates import Overview, layers, overviews, relative

_MARKS = {Verdict.PASS: "#1a7f37", Verdict.FAIL: "#c2222e", Verdict.INCONCLUSIVE: "#8a6100"}
_LETTERS = 46
"""Of a name beside a slope."""


def check_figure(report: Report, path: Path) -> None:
    """Write a PNG, SVG or PDF, by the path's suffix.

    Raises:
        MupfxError: Nothing was trained; there is no matplotlib; or the file cannot be written.
    """
    found = overviews(report, {})
    heights = [max(3.2, 1.1 + 0.24 * len(each.bars)) for each in found]
    figure = empty((11.5, sum(heights) or 3.2), "the check trained nothing: no slopes", found)
    parts = figure.subfigures(len(found), 1, height_ratios=heights, squeeze=False)
    for part, each in zip(parts[:, 0], found, strict=True):
        _row(part, each, report)
    saved(figure, path)


def _row(part: Any, each: Overview, report: Report) -> None:
    part.suptitle(each.title, fontsize=10)
    sides = [(report.parametrization, report.slopes), ("control", report.control)]
    shown = [(name, _of(slopes, each)) for name, slopes in sides]
    shown = [(name, slopes) for name, slopes in shown if slopes]
    grid = part.add_gridspec(1, len(shown) + 1, width_ratios=[*[1.0] * len(shown), 1.25])
    panel = None
    for at, (name, slopes) in enumerate(shown):
        panel = part.add_subplot(grid[0, at], sharey=panel)
        _growth(panel, slopes, report, each)
        panel.set_title(name, fontsize=9)
    log_ticks(panel)  # of all, when everything is drawn
    _slopes(part.add_subplot(grid[0, len(shown)]), each)


def _of(slopes: Sequence[Slope], each: Overview) -> list[Slope]:
    return [
        slope for slope in slopes if (slope.axis, slope.statistic) == (each.axis, each.statistic)
    ]


def _growth(panel: Any, slopes: Sequence[Slope], report: Report, each: Overview) -> None:
    sizes = [float(size.along(each.axis)) for size in report.sizes[each.axis]]
    reach = [(size / sizes[0]) ** each.margin for size in sizes]
    panel.fill_between(sizes, [1 / r for r in reach], reach, color="0.5", alpha=0.18, linewidth=0)
    panel.axhline(1.0, color="0.35", linestyle="--", linewidth=1)
    own, control = (_of(found, each) for found in (report.slopes, report.control))
    for at, (_, group) in enumerate(layers(own, control, {})):
        names = {(slope.parameter, slope.use) for slope in group}
        for slope in slopes:
            points = relative(slope, sizes) if (slope.parameter, slope.use) in names else ()
            panel.plot(
                [x for x, _ in points],
                [y for _, y in points],
                color=f"C{at % 10}",
                marker=".",
                linewidth=1.2,
            )
    panel.set_xscale("log", base=2)
    panel.set_xticks(sizes, [f"{size:g}" for size in sizes])
    panel.minorticks_off()
    panel.set_xlabel(each.axis)
    panel.set_ylabel("growth over expected")
    panel.grid(visible=True, linewidth=0.4, alpha=0.5)


def _slopes(panel: Any, each: Overview) -> None:
    panel.axvspan(-each.margin, each.margin, color="0.5", alpha=0.18, linewidth=0)
    panel.axvline(0.0, color="0.35", linestyle="--", linewidth=1)
    for row, bar in enumerate(each.bars):
        colour = _MARKS[Verdict(bar.verdict)]
        panel.plot([bar.low, bar.high], [row, row], color=colour, linewidth=2)
        panel.plot([bar.off], [row], marker="o", color=colour, markersize=4)
        if bar.control is not None:
            panel.plot(
                [bar.control], [row], marker="o", color="0.4", markersize=4, fillstyle="none"
            )
    names = [f"{bar.name}{bar.use}"[-_LETTERS:] for bar in each.bars]
    panel.set_yticks(range(len(names)), names, fontsize=7)
    panel.invert_yaxis()
    panel.set_xlabel("slope less expected (hollow: control)")
    panel.grid(visible=True, axis="x", linewidth=0.4, alpha=0.5)

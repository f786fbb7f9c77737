"""Observations as a figure for papers: a panel a quantity, a line an op or the whole model.

Needs matplotlib: ``pip install 'mupfx[plot]'``.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

from mupfx.core.observed import Row
from mupfx.errors import MupfxError, did_you_mean
from mupfx.render.figures import empty, log_ticks, saved
from mupfx.render.page.observed import Series, axis_of, lines_of, title_of
from mupfx.render.svg import Point

_COLUMNS = 3
_LEGEND_COLUMNS = 2


def observed_figure(rows: Sequence[Row], path: Path, only: Sequence[str] = ()) -> None:
    """Write a PNG, SVG or PDF, by the path's suffix.

    Args:
        rows: What was observed.
        path: The file.
        only: Quantities that are drawn, in this order; all where there are none.

    Raises:
        MupfxError: There is none of that name, no matplotlib, or the file cannot be written.
    """
    axis = axis_of(rows)
    known = dict.fromkeys(row.quantity for row in rows)
    for name in only:
        if name not in known:
            raise MupfxError(
                f"`{name}` was not observed",
                expected=", ".join(known),
                hint=did_you_mean(name, known),
            )
    names = tuple(only) or tuple(known)
    every = {name: lines_of([row for row in rows if row.quantity == name], axis) for name in names}
    shown = {name: lines for name, lines in every.items() if lines}
    columns = min(_COLUMNS, len(shown))
    down = ceil(len(shown) / max(columns, 1))
    most = max(map(len, shown.values()), default=0)
    height = 3.1 + 0.12 * ceil(most / _LEGEND_COLUMNS)
    figure = empty(
        (3.8 * columns, height * down), "no quantity that was seen at several sizes", shown
    )
    panels = list(figure.subplots(down, columns, squeeze=False).flat)
    for panel, (name, lines) in zip(panels, shown.items(), strict=False):
        _panel(panel, lines, axis)
        panel.set_title(name, fontsize=10)
    for panel in panels[len(shown) :]:
        panel.set_visible(False)
    saved(figure, path)


def _panel(panel: Any, lines: Mapping[Series, Sequence[tuple[Point, Point]]], axis: str) -> None:
    for name, points in lines.items():
        xs = [x for (x, _), _ in points]
        (line,) = panel.plot(
            xs, [y for (_, y), _ in points], marker=".", linewidth=1.2, label=title_of(name)
        )
        low, high = [pair[0] for _, pair in points], [pair[1] for _, pair in points]
        panel.fill_between(xs, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
    if all(low > 0 for points in lines.values() for _, (low, _) in points):
        log_ticks(panel)
    if axis != "step":
        ticks = sorted({x for points in lines.values() for (x, _), _ in points})
        panel.set_xscale("log", base=2)
        panel.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        panel.minorticks_off()
    panel.set_xlabel(axis)
    panel.grid(visible=True, linewidth=0.4, alpha=0.5)
    if len(lines) > 1:
        below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.22)}  # beside no line
        panel.legend(fontsize=6, frameon=False, ncols=_LEGEND_COLUMNS, **below)

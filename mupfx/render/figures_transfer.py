"""Loss against learning rate by size, a panel a parametrization, as a figure for papers.

Sizes go from light to dark; the band is from the best to the worst seed, the marker is the fitted
optimum with its interval. Needs matplotlib: ``pip install 'mupfx[plot]'``.
"""

from collections.abc import Mapping
from math import isfinite, log2
from pathlib import Path
from typing import Any

from mupfx.core.report import Size
from mupfx.core.transfer import SP, Curve, Optimum, Transfer
from mupfx.render.figures import empty, saved
from mupfx.render.transfer import label

_TITLES = {SP: "standard (SP)", "mup": "muP", "own": "as the target converts itself"}
_ABOVE = 0.6
"""What is shown above the least loss, as a part of the way to the loss at the start."""


def transfer_figure(found: Transfer, path: Path) -> None:
    """Write a PNG, SVG or PDF, by the path's suffix.

    Raises:
        MupfxError: There is no matplotlib, or the file cannot be written.
    """
    saved(_figure(found), path)


def _figure(found: Transfer) -> Any:
    names = list(found.curves)
    figure = empty((4.2 * len(names) + 0.8, 4.0), "no curves", found.curves)
    panels = figure.subplots(1, len(names), sharex=True, sharey=True, squeeze=False)[0]
    for panel, name in zip(panels, names, strict=True):
        _panel(panel, found.curves[name], found.optima[name])
        panel.set_title(f"{_TITLES.get(name, name)}{_moved(found, name)}", fontsize=10)
    panels[0].set_ylabel("loss")
    panels[0].set_ylim(*_limits(found))
    panels[-1].legend(title="width" if _one_depth(found) else "width x depth", fontsize=8)
    return figure


def _panel(panel: Any, curves: Mapping[Size, Curve], optima: Mapping[Size, Optimum]) -> None:
    from matplotlib import colormaps  # noqa: PLC0415 - an extra

    shades = colormaps["viridis_r"]
    for position, (size, curve) in enumerate(curves.items()):
        colour = shades(0.12 + 0.88 * position / max(1, len(curves) - 1))
        _line(panel, curve, colour, label(size))
        _mark(panel, optima[size], colour)
    panel.set_xscale("log", base=2)
    panel.set_xlabel("learning rate")
    panel.grid(visible=True, linewidth=0.4, alpha=0.5)


def _line(panel: Any, curve: Curve, colour: Any, name: str) -> None:
    shown = [
        (rate, mean, row)
        for rate, mean, row in zip(curve.rates, curve.means, curve.losses, strict=True)
        if isfinite(mean)
    ]
    rates = [rate for rate, _, _ in shown]
    rows = [[loss for loss in row if loss is not None] for _, _, row in shown]
    panel.plot(rates, [m for _, m, _ in shown], color=colour, marker=".", linewidth=1.4, label=name)
    panel.fill_between(
        rates, [min(row) for row in rows], [max(row) for row in rows], color=colour, alpha=0.15,
        linewidth=0,
    )  # fmt: skip


def _mark(panel: Any, optimum: Optimum, colour: Any) -> None:
    """A filled marker where the optimum is inside the grid, a hollow one where it is at the end."""
    low, high = optimum.interval or (optimum.lr, optimum.lr)
    reach = [[optimum.lr - low], [high - optimum.lr]]
    panel.errorbar(
        [optimum.lr], [optimum.loss], xerr=reach, color=colour, marker="D", markersize=6,
        markerfacecolor="white" if optimum.edge else colour, markeredgecolor="black",
        capsize=3, linewidth=1.2, zorder=5,
    )  # fmt: skip


def _limits(found: Transfer) -> tuple[float, float]:
    """From below the least loss to where curves have nothing more to say."""
    curves = [curve for of in found.curves.values() for curve in of.values()]
    means = [mean for curve in curves for mean in curve.means if isfinite(mean)]
    seen = [loss for c in curves for row in c.losses for loss in row if loss is not None]
    starts = [run.start for run in found.runs if run.start is not None]
    least = min(seen, default=0.0)
    top = min(max(means, default=1.0), least + _ABOVE * (max(starts, default=1.0) - least))
    room = 0.05 * (top - least)
    return least - room, top + room


def _moved(found: Transfer, name: str) -> str:
    totals = [d for d in found.drifts if d.parametrization == name and d.axis == "width"]
    if len(totals) != 1:
        return ""
    sizes = [size.along("width") for size in found.grid.sizes]
    return f": {totals[0].total:+.2f} octaves over x{2 ** (log2(sizes[-1] / sizes[0])):g} width"


def _one_depth(found: Transfer) -> bool:
    return all(size.depth is None for size in found.grid.sizes)

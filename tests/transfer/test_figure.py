"""The figure of a sweep: a panel a parametrization, a line a size, an optimum on each."""

from pathlib import Path
from typing import Any

import pytest

from mupfx.core.report import Size
from mupfx.core.transfer import Curve, Grid, Recipe, Run, Transfer, Trial
from mupfx.observables.drift import drift, fitted
from mupfx.render.figures_transfer import _figure, transfer_figure

RATES = tuple(2.0**x for x in range(-9, -3))
WIDTHS = (64, 128, 256)


def sweep(*names: str, diverged: bool = False) -> Transfer:
    """Parabolas; those of ``sp`` move by an octave each doubling."""
    curves = {
        name: {Size(w): _curve(name, at, diverged=diverged) for at, w in enumerate(WIDTHS)}
        for name in names
    }
    fits = {name: {s: fitted(c) for s, c in of.items()} for name, of in curves.items()}
    grid = Grid(tuple(map(Size, WIDTHS)), RATES, (0, 1), names)
    run = Run(Trial("mup", Size(64), 0, 0.1), 2.0, 5.5, 3, 1.0)
    return Transfer(
        Recipe("target", Size(64)), grid, 0.5, (run,), curves,
        {name: {s: f.optimum for s, f in of.items()} for name, of in fits.items()},
        tuple(drift(name, "width", None, of, 0.5) for name, of in fits.items()),
    )  # fmt: skip


def _curve(name: str, at: int, *, diverged: bool) -> Curve:
    best = -6 - at * (name == "sp")
    rows = [[2 + 0.1 * (x - best) ** 2 + 0.01 * seed for seed in (0, 1)] for x in range(-9, -3)]
    losses: list[tuple[float | None, ...]] = [tuple(row) for row in rows]
    if diverged:
        losses[-1] = (None, None)
    return Curve(RATES, tuple(losses), (0, 1))


def panels(found: Transfer) -> list[Any]:
    return list(_figure(found).axes)


def lines(panel: Any) -> dict[str, tuple[list[float], list[float]]]:
    return {
        line.get_label(): (list(line.get_xdata()), list(line.get_ydata()))
        for line in panel.get_lines()
        if not line.get_label().startswith("_")
    }


def test_losses_are_where_they_were_measured() -> None:
    found = sweep("mup", "sp")
    for panel, name in zip(panels(found), ("mup", "sp"), strict=True):
        shown = lines(panel)
        assert list(shown) == ["64", "128", "256"]
        for width in WIDTHS:
            curve = found.curves[name][Size(width)]
            rates, losses = shown[str(width)]
            assert rates == list(curve.rates)
            assert losses == pytest.approx(list(curve.means))


def test_panels_share_their_axes_and_are_named() -> None:
    mup, sp = panels(sweep("mup", "sp"))
    assert mup.get_title() == "muP: +0.00 octaves over x4 width"
    assert sp.get_title() == "standard (SP): -2.00 octaves over x4 width"
    assert mup.get_ylim() == sp.get_ylim()
    assert mup.get_xscale() == "log"


def test_what_diverged_is_left_out() -> None:
    (panel,) = panels(sweep("mup", diverged=True))
    rates, losses = lines(panel)["64"]
    assert len(rates) == len(losses) == len(RATES) - 1


@pytest.mark.parametrize(("suffix", "begins"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_files(tmp_path: Path, suffix: str, begins: bytes) -> None:
    path = tmp_path / f"losses{suffix}"
    transfer_figure(sweep("mup", "sp"), path)
    assert path.read_bytes().startswith(begins)

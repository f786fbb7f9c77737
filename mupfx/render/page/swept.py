"""A sweep of learning rates, as the page shows it: losses by rate, and where the best rate goes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from statistics import median

from mupfx.core.report import Size
from mupfx.core.transfer import SP, Curve, Optimum, Transfer
from mupfx.render.document import Table
from mupfx.render.svg import Line, Plot, Point, svg
from mupfx.render.transfer import drifts, label, optima

_TITLES = {SP: "standard (SP)", "mup": "muP", "own": "as the target converts itself"}
_ABOVE = 1.35
"""What is shown of curves: up to the worst of the optima, and so much of their span again."""


@dataclass(frozen=True, slots=True)
class Swept:
    """One sweep."""

    found: Transfer
    losses: tuple[tuple[str, str], ...]
    """A heading and a picture for each parametrization."""
    moves: tuple[tuple[str, str], ...]
    """The best rate against size."""
    tables: tuple[Table, ...]


def swept(found: Transfer) -> Swept:
    """Work out what the template writes."""
    names = tuple(found.curves)
    top = _top(found)
    losses = tuple((_TITLES.get(n, n), svg(_losses(found, n, top))) for n in names)
    axis = _axis(found.grid.sizes)
    return Swept(
        found,
        losses,
        ((f"best rate against {axis}", svg(_moves(found, axis))),),
        (optima(found), drifts(found)),
    )


def _axis(sizes: Sequence[Size]) -> str:
    return "width" if len({size.width for size in sizes}) > 1 else "depth"


def _top(found: Transfer) -> float:
    """The largest loss that is shown; what is worse than at the start says no more than that."""
    means = [m for of in found.curves.values() for c in of.values() for m in c.means if m < inf]
    best = [o.loss for of in found.optima.values() for o in of.values() if isfinite(o.loss)]
    if not means or not best:
        return inf
    starts = [run.start for run in found.runs if run.start is not None]
    worst = min(max(means), median(starts or means))
    span = max(max(best) - min(best), 0.05 * abs(min(best)), 0.45 * (worst - min(means)))
    return max(best) + _ABOVE * span


def _losses(found: Transfer, name: str, top: float) -> Plot:
    curves = found.curves[name].items()
    lines = [_line(size, curve, at, top) for at, (size, curve) in enumerate(curves)]
    lines += _optima(found.optima[name].values(), top)
    every = [y for of in found.curves.values() for c in of.values() for y in c.means if y <= top]
    return Plot(
        f"{_TITLES.get(name, name)}: loss against learning rate",
        "learning rate",
        "loss",
        tuple(lines),
        log_y=False,
        also_x=found.grid.rates,
        also_y=tuple(every),
        titled=False,
    )


def _line(size: Size, curve: Curve, at: int, top: float) -> Line:
    shown: list[tuple[Point, Point]] = []
    for rate, mean, row in zip(curve.rates, curve.means, curve.losses, strict=True):
        known = [loss for loss in row if loss is not None]
        if mean <= top:
            shown.append(((rate, mean), (min(known), min(max(known), top))))
    points, interval = tuple(p for p, _ in shown), tuple(i for _, i in shown)
    return Line(label(size), points, at, interval=interval if len(curve.seeds) > 1 else ())


def _optima(found: Iterable[Optimum], top: float) -> Iterator[Line]:
    points = tuple((o.lr, o.loss) for o in found if o.loss <= top)
    if points:
        yield Line("best", points, None, dashed=True)


def _moves(found: Transfer, axis: str) -> Plot:
    lines: list[Line] = []
    for at, (name, of) in enumerate(found.optima.items()):
        for other, sizes in _by_other(of, axis).items():
            points = tuple((float(size.along(axis)), of[size].lr) for size in sizes)
            pairs = tuple(of[size].interval or (of[size].lr,) * 2 for size in sizes)
            beside = "" if other is None else f" at {other}"
            lines.append(Line(f"{_TITLES.get(name, name)}{beside}", points, at, interval=pairs))
    ticks = tuple(sorted({x for line in lines for x, _ in line.points}))
    title = f"best learning rate against {axis}"
    return Plot(title, axis, "best learning rate", tuple(lines), ticks, titled=False)


def _by_other(of: Iterable[Size], axis: str) -> dict[int | None, list[Size]]:
    groups: dict[int | None, list[Size]] = {}
    for size in of:
        other = size.depth if axis == "width" else size.width
        groups.setdefault(other, []).append(size)
    return groups

"""Observations, as the page shows them: for each quantity a plot and its exponents.

Against width where several were tried, else against depth, else against the step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import fmean

from mupfx.core.observed import Exponent, Row
from mupfx.render.check.words import LETTERS
from mupfx.render.document import Column, Table
from mupfx.render.svg import COLOURS, Line, Plot, Point, svg

AXES = ("width", "depth", "step")
Series = tuple[str, str, str]
"""Block, op and parameter."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One quantity."""

    quantity: str
    said: str
    picture: str
    """Empty where there is nothing to draw."""


def observed(rows: Sequence[Row], exponents: Sequence[Exponent]) -> tuple[Observed, ...]:
    """Work out what the template writes, a part a quantity."""
    axis = axis_of(rows)
    names = dict.fromkeys(row.quantity for row in rows)
    whole = {each.quantity: each for each in exponents if not (each.op or each.block)}
    return tuple(
        _observed([row for row in rows if row.quantity == name], axis, whole.get(name))
        for name in names
    )


def axis_of(rows: Sequence[Row]) -> str:
    """What was varied most tellingly."""
    varied = (axis for axis in AXES if len({getattr(row, axis) for row in rows} - {None}) > 1)
    return next(varied, "step")


def lines_of(rows: Sequence[Row], axis: str) -> dict[Series, tuple[tuple[Point, Point], ...]]:
    """Means over seeds with the smallest and largest, at the last step and the largest other size.

    Of what is seen at every op, those are kept that change most and least along the axis.
    """
    last = max((row.step for row in rows), default=0)
    kept = [row for row in rows if axis == "step" or row.step == last]
    for other in ("width", "depth"):
        if other != axis:
            largest = max((getattr(row, other) or 0 for row in kept), default=0)
            kept = [row for row in kept if (getattr(row, other) or 0) == largest]
    series: dict[Series, dict[float, list[float]]] = {}
    for row in kept:
        at = getattr(row, axis)
        if at is not None and isfinite(row.value):
            found = series.setdefault((row.block, row.op, row.parameter), {})
            found.setdefault(float(at), []).append(row.value)
    return {name: _points(found) for name, found in _telling(series).items()}


def _points(found: Mapping[float, Sequence[float]]) -> tuple[tuple[Point, Point], ...]:
    return tuple(
        ((x, fmean(values)), (min(values), max(values))) for x, values in sorted(found.items())
    )


def _telling(
    series: Mapping[Series, Mapping[float, list[float]]],
) -> dict[Series, Mapping[float, list[float]]]:
    if len(series) <= COLOURS:
        return dict(series)

    def change(name: Series) -> float:
        values = series[name]
        first, last = fmean(values[min(values)]), fmean(values[max(values)])
        return last / first if first else 0.0

    ordered = sorted(series, key=change)
    chosen = {*ordered[: COLOURS // 2], *ordered[-COLOURS // 2 :]}
    return {name: found for name, found in series.items() if name in chosen}


def title_of(name: Series) -> str:
    """What a series is called in a legend."""
    block, op, parameter = name
    return parameter or op or block or "model"


def _observed(rows: Sequence[Row], axis: str, exponent: Exponent | None) -> Observed:
    every = {(row.block, row.op, row.parameter) for row in rows}
    drawn = lines_of(rows, axis)
    if not drawn:
        return Observed(rows[0].quantity, _numbers(rows), "")
    left = len(every) - len(drawn)
    said = f"the {len(drawn)} of {len(every)} that change most and least" if left else ""
    if exponent is not None:
        low, high = exponent.interval
        said = f"{LETTERS[exponent.by]}^{exponent.mean:.2f} ({low:+.2f} to {high:+.2f})"
    return Observed(rows[0].quantity, said, svg(_plot(drawn, axis, rows[0].quantity)))


def _numbers(rows: Sequence[Row]) -> str:
    """What was fitted over all sizes, one number a seed."""
    values = [row.value for row in rows]
    spread = f" ({min(values):.3g} to {max(values):.3g})" if len(values) > 1 else ""
    return f"{fmean(values):.3g}{spread}"


def _plot(drawn: Mapping[Series, Sequence[tuple[Point, Point]]], axis: str, quantity: str) -> Plot:
    lines = tuple(
        Line(title_of(name), tuple(p for p, _ in points), at, interval=tuple(i for _, i in points))
        for at, (name, points) in enumerate(drawn.items())
    )
    ticks = tuple(sorted({x for line in lines for x, _ in line.points}))
    positive = all(y > 0 for line in lines for _, y in line.points)
    return Plot(
        f"{quantity} against {axis}",
        axis,
        quantity,
        lines,
        ticks if axis != "step" else (),
        log_x=axis != "step",
        log_y=positive,
        titled=False,
    )


def exponent_table(exponents: Sequence[Exponent]) -> Table:
    """All of them."""
    columns = (
        Column("quantity"),
        Column("block"),
        Column("op"),
        Column("parameter"),
        Column("by"),
        Column("step", right=True),
        Column("exponent", right=True),
        Column("interval", right=True),
        Column("seeds", right=True),
    )
    rows = tuple(
        (
            each.quantity,
            each.block or "-",
            each.op or "-",
            each.parameter or "-",
            each.by if each.at is None else f"{each.by} at {each.at}",
            str(each.step),
            f"{each.mean:+.2f}",
            f"{each.interval[0]:+.2f} to {each.interval[1]:+.2f}",
            str(len(each.slopes)),
        )
        for each in exponents
    )
    return Table("exponents at the last step", columns, rows)

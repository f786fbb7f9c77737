"""A report for a terminal or a pipe: the verdict first, then what is wrong, then every number.

The first lines of a check that fails::

    FAIL model.py:build
      mup, width 64, 128, 256, 512
      1 error; 24 updates measured in training: 23 pass, 1 fail
"""

from collections.abc import Iterator, Sequence

from mupfx.core.finding import Finding
from mupfx.core.report import Quantity, Report, Slope
from mupfx.render.check.alike import alike, findings_alike, key, message, slopes_alike
from mupfx.render.check.words import (
    NONE,
    compared,
    exponent,
    mean,
    measured,
    number,
    power,
    sizes,
    span,
    tally,
)
from mupfx.render.collapse import INDEX, collapse
from mupfx.render.document import Column, Document, Lines, Row, Table


def report_document(report: Report, *, every_layer: bool = False) -> Document:
    """Everything, repeated layers as one unless all are wanted."""
    groups = findings_alike(report.findings)
    if every_layer:
        groups = tuple((finding.parameter or "", (finding,)) for finding in report.findings)
    return (
        verdict_lines(report),
        *(finding_lines(name, found) for name, found in groups),
        *slope_tables(report, every_layer=every_layer),
        *exponent_tables(report, every_layer=every_layer),
        *((Lines("notes", report.notes),) if report.notes else ()),
    )


def verdict_lines(report: Report) -> Lines:
    """What it comes to, in three lines."""
    tried = (f"{axis} {sizes(found, axis)}" for axis, found in report.sizes.items())
    setting = "; ".join((report.parametrization, *tried))
    title = f"{report.verdict.upper()} {report.target}"
    return Lines(title, (setting, f"{tally(report)}; {measured(report)}"))


def finding_lines(name: str, found: Sequence[Finding]) -> Lines:
    """What is wrong with one tensor, or with the same one of several layers."""
    first = found[0]
    title = f"{first.level} {first.code} {name}".rstrip()
    said = message(name, first).splitlines()
    lines = (*said, compared(found), _place(first), _hint(first))
    return Lines(title, tuple(line for line in lines if line))


def slope_tables(report: Report, *, every_layer: bool = False) -> Iterator[Table]:
    """Statistics of training, a table an axis."""
    axes = dict.fromkeys(slope.axis for slope in report.slopes)
    for axis in axes:
        slopes = tuple(slope for slope in report.slopes if slope.axis == axis)
        beside = {key(slope): slope for slope in report.control}
        groups = slopes_alike(slopes, report.control)
        if every_layer:
            groups = tuple((slope.parameter, (slope,)) for slope in slopes)
        rows = tuple(_slope_row(name, group, beside) for name, group in groups)
        yield _without_empty(Table(f"in training, along {axis}", _SLOPES, rows))


def exponent_tables(report: Report, *, every_layer: bool = False) -> Iterator[Table]:
    """Exponents that were read from models and optimizers: a row a parameter, a table an axis."""
    for axis in dict.fromkeys(quantity.axis for quantity in report.quantities):
        found = {(q.parameter, q.name): q for q in report.quantities if q.axis == axis}
        names = tuple(dict.fromkeys(name for _, name in found))
        columns = (Column("parameter", varies=INDEX), *(Column(n, right=True) for n in names))
        rows = tuple(
            (parameter, *(_exponent(found.get((parameter, name))) for name in names))
            for parameter in dict.fromkeys(parameter for parameter, _ in found)
        )
        title = f"before training, along {axis}; what is expected in brackets, where it differs"
        table = Table(title, columns, rows)
        yield table if every_layer else collapse(table)


def quantity_tables(report: Report, *, every_layer: bool = False) -> Iterator[Table]:
    """The same with the numbers themselves: a row a number, a table an axis; no zeros."""
    axes = dict.fromkeys(quantity.axis for quantity in report.quantities)
    for axis in axes:
        found = tuple(q for q in report.quantities if q.axis == axis and any(q.values))
        groups = alike(found, lambda q: q.parameter, _quantity_key)
        if every_layer:
            groups = tuple((quantity.parameter, (quantity,)) for quantity in found)
        rows = tuple(_quantity_row(name, group) for name, group in groups)
        yield Table(f"before training, along {axis}", _QUANTITIES, rows)


_CLOSE = 0.1
"""Chance alone moves the exponent of an init std so far."""
_SLOPES = (
    Column("parameter"),
    Column("use", right=True),
    Column("statistic"),
    Column("expected", right=True),
    Column("measured", right=True),
    Column("interval", right=True),
    Column("control", right=True),
    Column("verdict"),
)
_QUANTITIES = (
    Column("parameter"),
    Column("quantity"),
    Column("smallest", right=True),
    Column("largest", right=True),
    Column("expected", right=True),
    Column("measured", right=True),
)


def _place(finding: Finding) -> str:
    place = finding.place
    return "" if place is None else f"at {place.path}:{place.line}  {place.code}".rstrip()


def _hint(finding: Finding) -> str:
    return f"hint: {finding.hint}" if finding.hint else ""


def _slope_row(
    name: str, group: Sequence[Slope], beside: dict[tuple[str, int, str, str], Slope]
) -> Row:
    first = group[0]
    controls = [beside[key(slope)] for slope in group if key(slope) in beside]
    ends = [slope.interval for slope in group]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    return (
        name,
        str(first.use),
        first.statistic,
        power(first.expected, first.axis),
        span(map(mean, group), first.axis),
        f"{low:.2f} to {high:.2f}",
        span(map(mean, controls), first.axis),
        first.outcome,
    )


def _without_empty(table: Table) -> Table:
    """Leave out the columns that say nothing: no second use, no control."""
    nothing = {"use": "0", "control": NONE}
    kept = [
        at
        for at, column in enumerate(table.columns)
        if {row[at] for row in table.rows} != {nothing.get(column.title)}
    ]
    rows = tuple(tuple(row[at] for at in kept) for row in table.rows)
    return Table(table.title, tuple(table.columns[at] for at in kept), rows)


def _exponent(quantity: Quantity | None) -> str:
    """What a number grows as; as expected where it is close to that."""
    if quantity is None or not any(quantity.values):
        return NONE
    found, expected, axis = quantity.measured, quantity.expected, quantity.axis
    if expected is None or found is None:
        return span((None if found is None else round(found, 1),), axis)
    if abs(found - expected) <= _CLOSE:
        return power(expected, axis)
    return f"{power(round(found, 1), axis)} ({power(expected, axis)})"


def _quantity_key(quantity: Quantity) -> Row:
    found = quantity.measured
    rounded = NONE if found is None else f"{found:.1f}"
    return quantity.name, exponent(quantity.expected), rounded


def _quantity_row(name: str, group: Sequence[Quantity]) -> Row:
    first = group[0]
    ends = first.values[:1] + first.values[-1:]
    smallest, largest = (number(value) for value in ends) if ends else (NONE, NONE)
    return (
        name,
        first.name,
        smallest,
        largest,
        power(first.expected, first.axis),
        span((quantity.measured for quantity in group), first.axis),
    )

"""Observations in a terminal: exponents where there are several sizes, numbers where there is one.

::

    exponents in width, of the whole model
      quantity        step  exponent  interval
      feature_update     4     -0.50  -0.54 to -0.46
"""

from collections.abc import Iterator, Sequence

from mupfx.core.observed import Exponent, Row
from mupfx.render.document import Column, Document, Lines, Table
from mupfx.render.plan import number

AXES = ("width", "depth")
OPS = ("own_update", "rms", "feature_speed", "angle_cosine")
"""Quantities of ops that are shown; the table has all."""


def observations_document(
    rows: Sequence[Row], exponents: Sequence[Exponent], notes: Sequence[str]
) -> Document:
    """What is worth seeing at once."""
    found = [*_exponents(exponents)] or [_numbers(rows)]
    said = (Lines("notes", tuple(notes)),) if notes else ()
    return (*found, *said)


def _exponents(exponents: Sequence[Exponent]) -> Iterator[Table]:
    for by in AXES:
        mine = [e for e in exponents if e.by == by]
        whole = [e for e in mine if not e.op and not e.block]
        ops = [e for e in mine if e.op and e.quantity in OPS]
        if whole:
            columns = (
                Column("quantity"), Column("step", right=True), *_at(by, whole),
                Column("exponent", right=True), Column("interval"),
            )  # fmt: skip
            cells = tuple((e.quantity, str(e.step), *_other(e, whole), *_fit(e)) for e in whole)
            yield Table(f"exponents in {by}, of the whole model", columns, cells)
        if ops:
            columns = (
                Column("op"), Column("block"), Column("parameter"), Column("quantity"),
                *_at(by, ops), Column("exponent", right=True), Column("interval"),
            )  # fmt: skip
            cells = tuple(
                (e.op, e.block, e.parameter, e.quantity, *_other(e, ops), *_fit(e)) for e in ops
            )
            yield Table(f"exponents in {by}, of ops, at the last step", columns, cells)


def _at(by: str, found: Sequence[Exponent]) -> tuple[Column, ...]:
    """A column for the other axis, where it is varied, too."""
    other = next(axis for axis in AXES if axis != by)
    return (Column(other, right=True),) if any(e.at is not None for e in found) else ()


def _other(e: Exponent, found: Sequence[Exponent]) -> tuple[str, ...]:
    return (str(e.at or ""),) if any(each.at is not None for each in found) else ()


def _fit(e: Exponent) -> tuple[str, str]:
    low, high = e.interval
    return f"{e.mean:+.2f}", "" if low == float("-inf") else f"{low:+.2f} to {high:+.2f}"


def _numbers(rows: Sequence[Row]) -> Table:
    """Of the whole model, a row a quantity and a column a step."""
    mine = [r for r in rows if not r.op]
    steps = sorted({r.step for r in mine})
    names = dict.fromkeys((r.seed, r.block, r.quantity) for r in mine)
    value = {(r.seed, r.block, r.quantity, r.step): r.value for r in mine}
    columns = (
        Column("quantity"), Column("block"), Column("seed", right=True),
        *(Column(f"step {s}", right=True) for s in steps),
    )  # fmt: skip
    cells = tuple(
        (name, block, str(seed), *(_cell(value.get((seed, block, name, s))) for s in steps))
        for seed, block, name in names
    )
    return Table("of the whole model", columns, cells)


def _cell(value: float | None) -> str:
    return "" if value is None else number(value)

"""Repeated layers as one row: rows that are the same but for integers in the name.

``layers.0.weight`` to ``layers.5.weight`` become ``layers.{0..5}.weight`` where every other cell is
equal too; cells that count along with the name (a branch ``b0, b2, ...``) become ``b{0..10:2}``.
Which integers may differ is said by ``Column.varies``; the first column of a table is the name.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mupfx.core.ranges import ranges
from mupfx.render.document import Column, Row, Table

INDEX = re.compile(r"(?<![^.])\d+(?![^.])")
"""A whole dotted part of a name that is an integer."""
NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class _Box:
    """Rows shown as one: for each integer of the name, the values that occur."""

    slots: tuple[frozenset[int], ...]
    rows: tuple[Row, ...]


def collapse(table: Table) -> Table:
    """Merge the rows of a table that differ in the integers of their names only.

    >>> rows = (("layers.0.w", "b0"), ("layers.1.w", "b2"), ("head", "-"))
    >>> columns = (Column("name", varies=INDEX), Column("branch", varies=NUMBER))
    >>> collapse(Table("", columns, rows)).rows
    (('layers.{0,1}.w', 'b{0,2}'), ('head', '-'))
    """
    return Table(table.title, table.columns, tuple(row for row, _ in groups(table)))


def groups(table: Table) -> tuple[tuple[Row, tuple[Row, ...]], ...]:
    """The rows of the collapsed table, each with those that it stands for."""
    pattern = table.columns[0].varies
    if pattern is None:
        return tuple((row, (row,)) for row in table.rows)
    found: dict[Row, list[_Box]] = {}
    for row in table.rows:
        slots = tuple(frozenset({int(index)}) for index in pattern.findall(row[0]))
        found.setdefault(_skeleton(row, table.columns), []).append(_Box(slots, (row,)))
    merged = (box for boxes in found.values() for box in _boxes(boxes))
    first = {row: position for position, row in reversed(list(enumerate(table.rows)))}
    ordered = sorted(merged, key=lambda box: min(first[row] for row in box.rows))
    return tuple((_row(box, table.columns), box.rows) for box in ordered)


def _skeleton(row: Row, columns: Sequence[Column]) -> Row:
    """What must be equal for rows to be shown as one."""
    return tuple(_fixed(cell, column) for cell, column in zip(row, columns, strict=True))


def _fixed(cell: str, column: Column) -> str:
    if column.sample:
        return ""
    return column.varies.sub("*", cell) if column.varies else cell


def _boxes(boxes: list[_Box]) -> list[_Box]:
    """Join boxes that differ in one slot only, innermost index first."""
    for slot in reversed(range(len(boxes[0].slots))):
        alike: dict[tuple[frozenset[int], ...], list[_Box]] = {}
        for box in boxes:
            others = box.slots[:slot] + box.slots[slot + 1 :]
            alike.setdefault(others, []).append(box)
        boxes = [_join(group, slot) for group in alike.values()]
    return boxes


def _join(boxes: Sequence[_Box], slot: int) -> _Box:
    values = frozenset[int]().union(*(box.slots[slot] for box in boxes))
    slots = boxes[0].slots
    rows = tuple(row for box in boxes for row in box.rows)
    return _Box((*slots[:slot], values, *slots[slot + 1 :]), rows)


def _row(box: _Box, columns: Sequence[Column]) -> Row:
    texts = list(zip(*box.rows, strict=True))
    name = _fill(texts[0][0], columns[0], [ranges(slot) for slot in box.slots])
    rest = (_cell(cells, column) for cells, column in zip(texts[1:], columns[1:], strict=True))
    return (name, *rest)


def _cell(texts: Sequence[str], column: Column) -> str:
    if column.sample or column.varies is None:
        return texts[0]
    numbers = zip(*(column.varies.findall(text) for text in texts), strict=True)
    return _fill(texts[0], column, [ranges(int(n) for n in found) for found in numbers])


def _fill(text: str, column: Column, values: Sequence[str]) -> str:
    """Put the values where the column's integers stand."""
    if column.varies is None:
        return text
    rest = iter(values)
    return column.varies.sub(lambda _: next(rest), text)

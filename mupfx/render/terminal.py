"""A document for whoever watches: colours, and tables that fit the terminal's width."""

from collections.abc import Iterator, Sequence
from typing import Literal

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from mupfx.render.document import Column, Document, Lines, Table
from mupfx.render.layout import Layout, layout
from mupfx.render.text import GAP, plain

_INDENT = len(GAP)
_FAINT = "bright_black"
_STYLES = {
    "input": "cyan",
    "hidden": "green",
    "output": "magenta",
    "vector": "blue",
    "scalar": _FAINT,
    "width": "green",
    "assumed": "yellow",
    "unknown": "red",
    "pass": "green",
    "inconclusive": "yellow",
    "fail": "red",
}
"""Words of the vocabulary that stand alone in a cell."""


def show(document: Document, console: Console) -> None:
    """Print with colours on a terminal, plainly anywhere else."""
    if not console.is_terminal:
        console.file.write(f"{plain(document)}\n")
        return
    for part in document:
        body = _lines(part) if isinstance(part, Lines) else _table(part, console.width)
        console.print(Text(part.title, style="bold"), Padding(body, (0, 0, 1, _INDENT)))


def _lines(part: Lines) -> RenderableType:
    return Group(*(Text(line) for line in part.lines))


def _table(table: Table, available: int) -> RenderableType:
    where = layout(table, available)
    titles = [Text(column.title, style=_FAINT) for column in table.columns]
    rows = [[Text(cell, style=_STYLES.get(cell, "")) for cell in row] for row in table.rows]
    shown = [_line(titles, where, table.columns)]
    return Group(*shown, *(part for row in rows for part in _row(row, where, table.columns)))


def _row(
    cells: Sequence[Text], where: Layout, columns: Sequence[Column]
) -> Iterator[RenderableType]:
    yield from (cells[at] for at in where.above)
    yield _line(cells, where, columns)
    for at in where.below:
        yield Padding(Text(cells[at].plain, style=_FAINT), (0, 0, 0, 2 * _INDENT))


def _line(cells: Sequence[Text], where: Layout, columns: Sequence[Column]) -> RenderableType:
    """The columns beside each other; equal sizes on every row keep them in line."""
    grid = Grid.grid(padding=(0, _INDENT, 0, 0))
    for at, size in zip(where.beside, where.sizes, strict=True):
        justify: Literal["left", "right"] = "right" if columns[at].right else "left"
        grid.add_column(width=size, justify=justify, overflow="fold")
    grid.add_row(*(cells[at] for at in where.beside))
    return Padding(grid, (0, 0, 0, _INDENT)) if where.above else grid

"""A document for whoever watches: colours, and sentences below their row where it gets narrow."""

from collections.abc import Sequence
from typing import Literal

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from mupfx.render.document import Column, Document, Lines, Table
from mupfx.render.text import GAP, plain, widths

_INDENT = len(GAP)
_SENTENCE = 30
"""A sentence that has less room beside its row goes below it."""
_STYLES = {
    "input": "cyan",
    "hidden": "green",
    "output": "magenta",
    "vector": "blue",
    "scalar": "bright_black",
    "width": "green",
    "assumed": "yellow",
    "unknown": "red",
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
    sizes = _sizes(table, available)
    titles = [Text(column.title, style="bright_black") for column in table.columns]
    parts: list[RenderableType] = [_line(titles, sizes, table.columns)]
    for row in table.rows:
        cells = [Text(cell, style=_STYLES.get(cell, "")) for cell in row]
        parts.append(_line(cells, sizes, table.columns))
        parts += [_below(cell) for cell, size in zip(row, sizes, strict=True) if size == 0]
    return Group(*parts)


def _sizes(table: Table, available: int) -> list[int]:
    """Widths that fit, the widest columns cut first; 0 where a sentence goes below its row."""
    sizes = widths(table)
    sentences = [at for at, column in enumerate(table.columns) if column.wraps]
    room = available - _INDENT * (len(sizes) + 1)
    others = room - sum(size for at, size in enumerate(sizes) if at not in sentences)
    for at in sentences:
        sizes[at] = min(sizes[at], others) if others >= min(sizes[at], _SENTENCE) else 0
    while sum(sizes) > room and max(sizes) > 1:
        sizes[sizes.index(max(sizes))] -= 1
    return sizes


def _line(cells: Sequence[Text], sizes: Sequence[int], columns: Sequence[Column]) -> Grid:
    """One row; equal sizes on every row keep the columns in line."""
    grid = Grid.grid(padding=(0, _INDENT, 0, 0))
    beside = [at for at, size in enumerate(sizes) if size]
    for at in beside:
        justify: Literal["left", "right"] = "right" if columns[at].right else "left"
        grid.add_column(width=sizes[at], justify=justify, overflow="fold")
    grid.add_row(*(cells[at] for at in beside))
    return grid


def _below(sentence: str) -> Padding:
    return Padding(Text(sentence, style="bright_black"), (0, 0, 0, 2 * _INDENT))

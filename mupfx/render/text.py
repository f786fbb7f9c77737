"""Print a document: plainly (stable, for pipes and snapshots) or with rich (for a terminal)."""

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from mupfx.render.document import Column, Document, Lines, Row, Table

_GAP = "  "


def plain(document: Document) -> str:
    """Print without colour and without regard to the terminal's width.

    >>> print(plain((Table("sizes", (Column("n", right=True),), (("1",), ("10",))),)))
    sizes
       n
       1
      10
    """
    return "\n\n".join("\n".join(_plain_part(part)) for part in document)


def show(document: Document, console: Console) -> None:
    """Print for whoever looks: rich tables on a terminal, plain text anywhere else."""
    if not console.is_terminal:
        console.file.write(plain(document) + "\n")
        return
    console.print(Group(*(_rich_part(part) for part in document)), soft_wrap=False)


def _plain_part(part: Table | Lines) -> list[str]:
    if isinstance(part, Lines):
        return [part.title, *(f"{_GAP}{line}".rstrip() for line in part.lines)]
    header = tuple(column.title for column in part.columns)
    rows = (header, *part.rows)
    widths = [max(len(row[at]) for row in rows) for at in range(len(header))]
    return [part.title, *(_plain_row(row, widths, part.columns) for row in rows)]


def _plain_row(row: Row, widths: Sequence[int], columns: Sequence[Column]) -> str:
    cells = (
        cell.rjust(width) if column.right else cell.ljust(width)
        for cell, width, column in zip(row, widths, columns, strict=True)
    )
    return (_GAP + _GAP.join(cells)).rstrip()


def _rich_part(part: Table | Lines) -> RenderableType:
    title = Text(part.title, style="bold")
    if isinstance(part, Lines):
        lines = [Padding(Text(line), (0, 0, 0, 2)) for line in part.lines]
        return Group(title, *lines, Text())
    table = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in part.columns:
        _rich_column(table, column)
    for row in part.rows:
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    return Group(title, Padding(table, (0, 0, 0, 2)), Text())


def _rich_column(table: RichTable, column: Column) -> None:
    table.add_column(
        Text(column.title),
        justify="right" if column.right else "left",
        overflow="fold",
        ratio=None,
        no_wrap=not column.wraps and column.right,
    )


_STYLES = {
    "input": "cyan",
    "hidden": "green",
    "output": "magenta",
    "vector": "blue",
    "scalar": "dim",
    "assumed": "yellow",
    "unknown": "bold red",
    "width": "green",
}

"""A document as plain text: stable, for pipes and snapshots."""

from collections.abc import Sequence

from mupfx.render.document import Column, Document, Lines, Row, Table

GAP = "  "


def plain(document: Document) -> str:
    """Print without colour and without regard to any width.

    >>> print(plain((Table("sizes", (Column("n", right=True),), (("1",), ("10",))),)))
    sizes
       n
       1
      10
    """
    return "\n\n".join("\n".join(_part(part)) for part in document)


def widths(table: Table) -> list[int]:
    """The width that each column's longest cell needs."""
    rows = (tuple(column.title for column in table.columns), *table.rows)
    return [max(map(len, cells)) for cells in zip(*rows, strict=True)]


def _part(part: Table | Lines) -> list[str]:
    if isinstance(part, Lines):
        return [part.title, *(f"{GAP}{line}".rstrip() for line in part.lines)]
    header = tuple(column.title for column in part.columns)
    needed = widths(part)
    return [part.title, *(_row(row, needed, part.columns) for row in (header, *part.rows))]


def _row(row: Row, needed: Sequence[int], columns: Sequence[Column]) -> str:
    cells = (
        cell.rjust(width) if column.right else cell.ljust(width)
        for cell, width, column in zip(row, needed, columns, strict=True)
    )
    return (GAP + GAP.join(cells)).rstrip()

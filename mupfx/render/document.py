"""What a report consists of, before anybody decides how it is printed.

``Table("classes", (Column("name"), Column("size", right=True)), (("c0", "64"),))`` prints as::

    classes
      name  size
      c0      64
"""

import re
from dataclasses import dataclass

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    title: str
    right: bool = False
    """Numbers stand on the right."""
    varies: re.Pattern[str] | None = None
    """Integers that may differ between rows that are shown as one."""
    sample: bool = False
    """Rows shown as one show the first row's text here, whatever the others say."""
    wraps: bool = False
    """A sentence: a terminal may break it over lines."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a title."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """Sentences under a title."""

    title: str
    lines: tuple[str, ...]


Document = tuple[Table | Lines, ...]

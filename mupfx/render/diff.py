"""The difference of two plans as a table, what repeated layers share in one row."""

from collections.abc import Sequence

from mupfx.core.plan_change import PlanChange
from mupfx.render.collapse import INDEX, collapse
from mupfx.render.document import Column, Document, Lines, Table

_SAME = "the plans are the same"
_NONE = "-"


def diff_document(changes: Sequence[PlanChange], *, every_layer: bool = False) -> Document:
    """What ``mupfx diff`` prints."""
    if not changes:
        return (Lines("diff", (_SAME,)),)
    columns = (
        Column("where", varies=INDEX),
        Column("what", wraps=True),
        Column("old", wraps=True),
        Column("new", wraps=True),
    )
    rows = tuple((c.where, c.what, c.old or _NONE, c.new or _NONE) for c in changes)
    table = Table(f"diff: {len(changes)} changes", columns, rows)
    return (table if every_layer else collapse(table),)

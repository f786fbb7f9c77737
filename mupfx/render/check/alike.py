"""Repeated layers as one: items that are the same but for integers in their names.

Of twelve layers with one fault a person wants one entry, ``blocks.{0..11}.mlp.0.weight``.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from mupfx.core.finding import Finding
from mupfx.render.collapse import INDEX, groups
from mupfx.render.document import Column, Row, Table

T = TypeVar("T")


def alike(
    items: Iterable[T], name: Callable[[T], str], key: Callable[[T], Row]
) -> tuple[tuple[str, tuple[T, ...]], ...]:
    """Groups of items under their joint name, in the order of their first ones.

    Args:
        items: Anything that has a name.
        name: Of an item, with integers as parts: ``blocks.0.weight``.
        key: What else must be equal, as texts.

    >>> alike(["a.0", "a.1", "b"], str, lambda _: ())
    (('a.{0,1}', ('a.0', 'a.1')), ('b', ('b',)))
    """
    found: dict[Row, list[T]] = {}
    for item in items:
        found.setdefault((name(item), *key(item)), []).append(item)
    if not found:
        return ()
    count = len(next(iter(found)))
    columns = (Column("", varies=INDEX), *(Column("") for _ in range(count - 1)))
    table = Table("", columns, tuple(found))
    return tuple(
        (shown[0], tuple(item for row in rows for item in found[row]))
        for shown, rows in groups(table)
    )


def findings_alike(found: Iterable[Finding]) -> tuple[tuple[str, tuple[Finding, ...]], ...]:
    """Findings of one rule that repeated layers share, at one line of the code."""
    return alike(found, lambda finding: finding.parameter or "", _key)


def message(name: str, first: Finding) -> str:
    """What the first of them says, of all."""
    return first.message.replace(first.parameter, name) if first.parameter else first.message


def _key(finding: Finding) -> Row:
    place = finding.place
    where = ("", "") if place is None else (place.path, place.line)
    same = (finding.code, finding.level, finding.expected, finding.axis, finding.dynamic)
    return tuple(map(str, (*same, finding.hint, *where)))

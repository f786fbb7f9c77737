"""Repeated layers as one: items that are the same but for integers in their names.

Of twelve layers with one fault a person wants one entry, ``blocks.{0..11}.mlp.0.weight``.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from typing import TypeVar

from mupfx.core.finding import Finding
from mupfx.core.report import Slope
from mupfx.render.check.words import exponent, mean
from mupfx.render.collapse import INDEX, groups
from mupfx.render.document import Column, Row, Table

T = TypeVar("T")
_NUMBERS = re.compile(rf"{INDEX.pattern}|(?<=:[a-z])\d+$")
"""What may differ in a name: an index of a layer, and the number of a branch in ``branch:b2``."""
_NUMBERED = re.compile(r"_\d+$")


def alike(
    items: Iterable[T], name: Callable[[T], str], same: Callable[[T], Row]
) -> tuple[tuple[str, tuple[T, ...]], ...]:
    """Groups of items under their joint name, in the order of their first ones.

    Args:
        items: Anything that has a name.
        name: Of an item, with integers as parts: ``blocks.0.weight``.
        same: What else must be equal, as texts.

    >>> alike(["a.0", "a.1", "b"], str, lambda _: ())
    (('a.{0,1}', ('a.0', 'a.1')), ('b', ('b',)))
    """
    found: dict[Row, list[T]] = {}
    for item in items:
        found.setdefault((name(item), *same(item)), []).append(item)
    if not found:
        return ()
    count = len(next(iter(found)))
    columns = (Column("", varies=_NUMBERS), *(Column("") for _ in range(count - 1)))
    table = Table("", columns, tuple(found))
    return tuple(
        (shown[0], tuple(item for row in rows for item in found[row]))
        for shown, rows in groups(table)
    )


def findings_alike(found: Iterable[Finding]) -> tuple[tuple[str, tuple[Finding, ...]], ...]:
    """Findings of one rule that repeated layers share, at one line of the code."""
    groups = alike(found, _name, _key)
    return tuple((_counted(name, group), group) for name, group in groups)


def _name(finding: Finding) -> str:
    """Of a tensor; sites of one kind (``attention:matmul_2``) have one name between them."""
    name = finding.parameter or ""
    return _NUMBERED.sub("", name) if ":" in name else name


def _counted(name: str, found: Sequence[Finding]) -> str:
    hidden = ":" in name and "{" not in name and len(found) > 1
    return f"{name} ({len(found)} sites)" if hidden else name


def slopes_alike(
    found: Iterable[Slope], control: Iterable[Slope]
) -> tuple[tuple[str, tuple[Slope, ...]], ...]:
    """Statistics that repeated layers share, and whose controls are not far from each other."""
    beside = {key(slope): mean(slope) for slope in control}

    def same(slope: Slope) -> Row:
        other = beside.get(key(slope))
        near = "" if other is None or not isfinite(other) else str(round(2 * other))
        words = (slope.axis, slope.use, slope.statistic, exponent(slope.expected), slope.outcome)
        return (*map(str, words), near)

    return alike(found, lambda slope: slope.parameter, same)


def key(slope: Slope) -> tuple[str, int, str, str]:
    """What a statistic is of; the control's is of the same."""
    return slope.parameter, slope.use, slope.statistic, slope.axis


def message(name: str, first: Finding) -> str:
    """What the first of them says, of all."""
    if first.parameter is None or ":" in name:
        return first.message
    return first.message.replace(first.parameter, name)


def _key(finding: Finding) -> Row:
    place = finding.place
    where = ("", "") if place is None else (place.path, place.line)
    same = (finding.code, finding.level, finding.expected, finding.axis, finding.dynamic)
    return tuple(map(str, (*same, finding.hint, *where)))

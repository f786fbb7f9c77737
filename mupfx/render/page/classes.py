"""Factor classes as the page shows them: those of repeated layers are one.

A chip is one factor of one axis, ``heads 16``; all chips with one key light up together.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mupfx.core.analysis import Analysis
from mupfx.core.axes import Axis, FactorClass
from mupfx.core.ranges import ranges
from mupfx.core.vocabulary import Kind
from mupfx.render.page.rows import Row


@dataclass(frozen=True, slots=True)
class Chip:
    """One factor of an axis."""

    key: str
    label: str
    size: int
    width: bool

    @property
    def text(self) -> str:
        """As it is shown."""
        return f"{self.label} {self.size}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One class in the list beside the graph."""

    chip: Chip
    ratio: str | None
    status: str
    why: str
    override: str | None
    parameters: int
    """How many have it along an axis."""


@dataclass(frozen=True, slots=True)
class Classes:
    """Chips by class name, and the list."""

    chips: Mapping[str, Chip]
    entries: tuple[Entry, ...]

    def axis(self, factors: Axis) -> tuple[Chip, ...]:
        """The chips of one axis."""
        return tuple(self.chips[name] for name in factors)


def classes(analysis: Analysis, rows: Sequence[Row]) -> Classes:
    """Give classes that stand in the same place of repeated layers one key."""
    first = _merged(analysis, rows)
    found = analysis.axes.classes
    members: dict[str, list[str]] = {}
    for name, key in first.items():
        members.setdefault(key, []).append(name)
    made = {key: _chip(found[key], names) for key, names in members.items()}
    chips = {name: made[key] for name, key in first.items()}
    counts = _counts(analysis, first)
    keys = sorted(counts, key=lambda key: (not made[key].width, -counts[key]))
    entries = (_entry(made[key], found[key], analysis, counts[key]) for key in keys)
    return Classes(chips, tuple(entries))


def _merged(analysis: Analysis, rows: Sequence[Row]) -> dict[str, str]:
    """Every class to the first of those that it is shown as."""
    above: dict[str, str] = {}
    for row in rows:
        axes = [analysis.roles[name].axes for name in row.names if name in analysis.roles]
        for places in zip(*(_flat(each) for each in axes), strict=False):
            top = _root(above, places[0])
            for other in places[1:]:
                found = _root(above, other)
                if found != top:
                    above[found] = top
    return {name: _root(above, name) for name in analysis.axes.classes}


def _flat(axes: Iterable[Axis]) -> list[str]:
    return [name for axis in axes for name in axis]


def _root(above: Mapping[str, str], name: str) -> str:
    while name in above:
        name = above[name]
    return name


def _chip(found: FactorClass, names: Sequence[str]) -> Chip:
    label = found.label
    if label == found.name and len(names) > 1:
        label = f"c{ranges(int(name[1:]) for name in names)}"
    return Chip(found.name, label, found.size, found.kind is Kind.WIDTH)


def _counts(analysis: Analysis, first: Mapping[str, str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for role in analysis.roles.values():
        for key in {first[name] for name in _flat(role.axes)}:
            counts[key] = counts.get(key, 0) + 1
    return counts


def _entry(chip: Chip, found: FactorClass, analysis: Analysis, count: int) -> Entry:
    ratios = analysis.ratios
    ratio = None if ratios is None else str(ratios.classes.get(found.name, 1))
    reason = "" if found.reason is None else f"{found.reason}: "
    return Entry(chip, ratio, str(found.status), reason + found.evidence, found.override, count)

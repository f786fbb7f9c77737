"""Several parametrizations beside each other: a row each, a column for parameters that agree.

::

    parametrization  embedding 0.weight  hidden in branches, 8 of them  branch
    mup              1, 1, 4             0.5, 0.25, 1                   1
"""

import re
from collections.abc import Mapping, Sequence

from mupfx.core.comparison import Cell, Comparison
from mupfx.render.document import Column, Document, Lines, Row, Table
from mupfx.render.plan import number

_LAYER = re.compile(r"(?<=\.)\d+(?=\.)")
_LEGEND = "init std, Adam lr, SGD lr as factors on values at the base; own: as the model draws it"


def comparison_document(found: Sequence[Comparison]) -> Document:
    """One table of all, and what its columns stand for."""
    fitting = [each for each in found if each.refused is None]
    groups = _groups(fitting)
    kinds = list(dict.fromkeys(kind for each in fitting for kind in each.sites))
    titles = _titles(fitting[0].cells, list(groups.values())) if fitting else []
    columns = (Column("parametrization"), *map(Column, titles), *map(Column, kinds))
    rows = tuple(_row(each, list(groups.values()), kinds) for each in fitting)
    pairs = zip(titles, groups.values(), strict=True)
    members = tuple(f"{title}: {', '.join(_together(names))}" for title, names in pairs)
    refused = tuple(f"{each.name}: {each.refused}" for each in found if each.refused)
    said = (Lines("refused", refused),) if refused else ()
    return (Table(_LEGEND, columns, rows), Lines("parameters", members), *said)


def _groups(found: Sequence[Comparison]) -> Mapping[tuple[Cell, ...], list[str]]:
    """Parameters on which every parametrization says the same."""
    groups: dict[tuple[Cell, ...], list[str]] = {}
    for name in found[0].cells if found else ():
        groups.setdefault(tuple(each.cells[name] for each in found), []).append(name)
    return groups


def _titles(cells: Mapping[str, Cell], groups: Sequence[Sequence[str]]) -> list[str]:
    """Role and place, numbered where several groups share them."""
    titles: list[str] = []
    for names in groups:
        cell = cells[names[0]]
        title = f"{cell.role} in branches" if cell.inside else str(cell.role)
        count = sum(each.partition(" #")[0] == title for each in titles)
        titles.append(f"{title} #{count + 1}" if count else title)
    return titles


def _row(each: Comparison, groups: Sequence[Sequence[str]], kinds: Sequence[str]) -> Row:
    cells = (each.cells[names[0]] for names in groups)
    return (
        each.name,
        *(f"{_std(cell)}, {number(cell.lr_adam)}, {number(cell.lr_sgd)}" for cell in cells),
        *(number(each.sites.get(kind, 1.0)) for kind in kinds),
    )


def _together(names: Sequence[str]) -> list[str]:
    """Names that differ in numbers alone, once: ``blocks.*.mlp.0.weight``."""
    patterns: dict[str, list[str]] = {}
    for name in names:
        patterns.setdefault(_LAYER.sub("*", name), []).append(name)
    return [found[0] if len(found) == 1 else pattern for pattern, found in patterns.items()]


def _std(cell: Cell) -> str:
    return "own" if cell.std is None else number(cell.std)

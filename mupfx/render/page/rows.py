"""Rows of the page's table: parameters that are alike but for their layer are one.

``Row("p4", "blocks.{0,1}.mlp.0.weight", ("blocks.0.mlp.0.weight", ...), ...)``
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mupfx.core.analysis import Analysis
from mupfx.core.axes import ParameterRole
from mupfx.core.plan import Plan
from mupfx.render.analysis import parameter_table
from mupfx.render.collapse import INDEX, NUMBER, groups
from mupfx.render.document import Column, Table
from mupfx.render.document import Row as Texts
from mupfx.render.factors import CLASS_NUMBER
from mupfx.render.plan import plan_table

_ANALYSED = (1, 3, 4, 5)
"""Columns of the table of an analysis that stand beside those of a plan."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One number or word, and what it sorts by."""

    text: str
    sort: float | str
    numeric: bool = False
    """Stands on the right."""

    @property
    def plain(self) -> bool:
        """Says nothing: a factor of one, or no rule."""
        return self.numeric and self.text in {"1", "-"}


@dataclass(frozen=True, slots=True)
class Row:
    """One parameter, or those of one kind in every layer."""

    key: str
    """Its anchor."""
    name: str
    """With all layers: ``blocks.{0..5}.weight``."""
    names: tuple[str, ...]
    role: str
    cells: tuple[Cell, ...]
    """After name and role."""


@dataclass(frozen=True, slots=True)
class Rows:
    """All of them."""

    titles: tuple[Column, ...]
    """Of the cells."""
    rows: tuple[Row, ...]

    @property
    def of(self) -> dict[str, Row]:
        """The row of every parameter."""
        return {name: row for row in self.rows for name in row.names}


def rows(analysis: Analysis | None, plan: Plan | None, *, every_layer: bool) -> Rows:
    """One row for every parameter that is not like another."""
    texts = {} if plan is None else {row[0]: row for row in plan_table(plan).rows}
    columns = () if plan is None else plan_table(plan).columns[2:]
    names = tuple(texts or ({} if analysis is None else analysis.roles))
    alike: Iterable[tuple[str, tuple[str, ...]]] = ((name, (name,)) for name in names)
    if not every_layer:
        alike = _alike(names, analysis, plan, (texts, columns))
    found = []
    for at, (name, names) in enumerate(alike):
        text = texts.get(names[0], ("", "", *("-" for _ in columns)))
        role = _role(names[0], analysis, plan)
        cells = tuple(_cell(cell, column) for cell, column in zip(text[2:], columns, strict=True))
        found.append(Row(f"p{at}", name, names, role, cells))
    return Rows(tuple(columns), tuple(found))


def _alike(
    names: Sequence[str],
    analysis: Analysis | None,
    plan: Plan | None,
    numbers: tuple[Mapping[str, Texts], Sequence[Column]],
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Names that share a row, after the row's own name."""
    texts, columns = numbers
    analysed = {} if analysis is None else {r[0]: r for r in parameter_table(analysis).rows}
    roles = {} if analysis is None else analysis.roles
    whole = (
        (name, *_structure(name, analysed, plan), *_numbers(name, texts, roles)) for name in names
    )
    table = Table("", (*_NAMED, Column(""), *columns), tuple(whole))
    for row, members in groups(table):
        yield row[0], tuple(member[0] for member in members)


def _numbers(name: str, texts: Mapping[str, Texts], roles: Mapping[str, ParameterRole]) -> Texts:
    """The role, and what the plan's table says beside it."""
    return texts[name][1:] if name in texts else (str(roles[name].role),)


def _structure(name: str, analysed: Mapping[str, Texts], plan: Plan | None) -> Texts:
    """Shape, fans and branch, as far as they are known."""
    if name in analysed:
        return tuple(analysed[name][at] for at in _ANALYSED)
    shape = plan.parameters[name].shape if plan is not None and name in plan.parameters else ()
    return (str(shape), "", "", "")


def _role(name: str, analysis: Analysis | None, plan: Plan | None) -> str:
    if plan is not None:
        return str(plan.parameters[name].role)
    return "" if analysis is None else str(analysis.roles[name].role)


def _cell(text: str, column: Column) -> Cell:
    if not column.right:
        return Cell(text, text)
    numerator, _, denominator = text.partition("/")
    try:
        return Cell(text, float(numerator) / float(denominator or 1), numeric=True)
    except ValueError:
        return Cell(text, -1.0, numeric=True)


_NAMED = (
    Column("parameter", varies=INDEX),
    Column("shape", varies=CLASS_NUMBER),
    Column("fan-in"),
    Column("fan-out"),
    Column("branch", varies=NUMBER),
)

"""From facts to the text of the page."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment
from markupsafe import Markup

from mupfx.core.analysis import Analysis
from mupfx.render.document import Document, Lines, Table
from mupfx.render.explain import explain_document
from mupfx.render.factors import axis
from mupfx.render.page.boxes import Box, picture
from mupfx.render.page.captions import Captions, dotted
from mupfx.render.page.classes import Chip, Classes, classes
from mupfx.render.page.facts import Facts
from mupfx.render.page.measured import Checked, checked
from mupfx.render.page.observed import Observed, exponent_table, observed
from mupfx.render.page.rows import Row, Rows, rows
from mupfx.render.page.swept import Swept, swept
from mupfx.render.page.tree import tree
from mupfx.render.templates import environment

Dimension = tuple[Chip, ...] | str
"""Its factors; or its size, where no graph was traced."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row with what stands in its fold."""

    row: Row
    shape: tuple[Dimension, ...]
    keys: str
    """Of all its classes, for the script."""
    marks: str
    """What a check said of it: codes, or ``pass``."""
    detail: Document


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything that the template writes."""

    facts: Facts
    numbers: tuple[tuple[str, str], ...]
    """A word and a value each, for the top of the page."""
    rows: Rows
    entries: tuple[Entry, ...]
    roles: tuple[str, ...]
    classes: Classes | None
    graph: Box | None
    notes: tuple[str, ...]
    checked: Checked | None
    swept: Swept | None
    observed: tuple[Observed, ...]
    exponents: Table | None


def page(facts: Facts) -> str:
    """Write the page.

    >>> "<title>nothing" in page(Facts("nothing"))
    True
    """
    return _environment().get_template("page.html.j2").render(page=contents(facts))


def contents(facts: Facts) -> Contents:
    """Work out what the template writes."""
    analysis, plan = facts.analysis, facts.plan
    found = rows(analysis, plan, every_layer=facts.every_layer)
    known = None if analysis is None else classes(analysis, found.rows)
    graph = None
    if analysis is not None and known is not None:
        row_of = found.of
        graph = picture(tree(analysis, row_of), Captions(analysis, plan, known, row_of))
    check = _checked(facts, found.rows)
    marks = {} if check is None else check.marks
    return Contents(
        facts,
        _numbers(facts),
        found,
        tuple(_entry(row, facts, known, marks) for row in found.rows),
        tuple(dict.fromkeys(row.role for row in found.rows)),
        known,
        graph,
        _notes(facts),
        check,
        None if facts.transfer is None else swept(facts.transfer),
        observed(facts.observed, facts.exponents),
        exponent_table(facts.exponents) if facts.exponents else None,
    )


def _checked(facts: Facts, found: Sequence[Row]) -> Checked | None:
    roles = {name: row.role for row in found for name in row.names}
    return None if facts.check is None else checked(facts.check, facts.rules, roles)


_NUMBER = re.compile(r"[-+(]*\d+\.\d+(e[-+]?\d+)?[,)]*")


@cache
def _environment() -> Environment:
    return environment("mupfx.render.page", _breaks)


def _breaks(name: str) -> Markup:
    """A text whose names may go on in the next line after a dot; numbers stay whole.

    >>> _breaks("blocks.0.weight by 0.5")
    Markup('blocks.<wbr>0.<wbr>weight by 0.5')
    """
    return Markup(" ").join(map(_word, name.split(" ")))


def _word(word: str) -> Markup:
    return Markup(".<wbr>").join([word] if _NUMBER.fullmatch(word) else dotted(word))


def _numbers(facts: Facts) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    if facts.plan is not None:
        base = facts.plan.base
        found.append(("parametrization", facts.plan.parametrization))
        found.append(("base", str(base["width"] or base["form"])))
    if facts.analysis is not None:
        program = facts.analysis.program
        found += [(f"{s.name} depth", str(s.depth)) for s in facts.analysis.streams.streams]
        found.append(("captured by", program.frontend))
        found.append(("nodes", f"{len(program.graph.nodes):,}"))
    count = len(_shapes(facts))
    return (*found, ("parameters", f"{count:,}")) if count else tuple(found)


def _shapes(facts: Facts) -> dict[str, tuple[int, ...]]:
    if facts.plan is not None:
        return {name: p.shape for name, p in facts.plan.parameters.items()}
    roles = {} if facts.analysis is None else facts.analysis.roles
    return {name: role.shape for name, role in roles.items()}


def _notes(facts: Facts) -> tuple[str, ...]:
    if facts.plan is not None:
        return facts.plan.notes
    return () if facts.analysis is None else facts.analysis.findings


def _entry(row: Row, facts: Facts, known: Classes | None, marks: Mapping[str, str]) -> Entry:
    first = row.names[0]
    role = None if facts.analysis is None else facts.analysis.roles.get(first)
    if role is None or known is None:
        shape: tuple[Dimension, ...] = tuple(map(str, _shapes(facts)[first]))
    else:
        shape = tuple(known.axis(dim) or "1" for dim in role.axes)
    keys = dict.fromkeys(chip.key for dim in shape if not isinstance(dim, str) for chip in dim)
    codes = {code for name in row.names for code in marks.get(name, "").split()}
    codes -= {"pass"} if len(codes) > 1 else set()
    return Entry(row, shape, " ".join(keys), " ".join(sorted(codes)), _detail(row, facts))


def _detail(row: Row, facts: Facts) -> Document:
    first = row.names[0]
    if facts.plan is not None:
        found = explain_document(facts.plan, first)
    else:
        assert facts.analysis is not None
        found = (Lines(first, _evidence(first, facts.analysis)),)
    if len(row.names) == 1:
        return found
    return (*found, Lines(f"the same for all {len(row.names)}", (", ".join(row.names),)))


def _evidence(name: str, analysis: Analysis) -> tuple[str, ...]:
    role, known = analysis.roles[name], analysis.axes.classes
    names = dict.fromkeys(each for dim in role.axes for each in dim)
    sentences = (
        f"{axis((each,), known)} is {known[each].kind}: {known[each].evidence}" for each in names
    )
    return (*sentences, f"{role.role}: {role.why}")

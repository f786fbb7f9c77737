"""A report as one HTML page that needs nothing else: no network, no script.

Light and dark, on paper, by keyboard; what failed stands first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment
from markupsafe import Markup

from mupfx.core.finding import Finding
from mupfx.core.report import Report
from mupfx.core.rule import Rule
from mupfx.render.check.alike import findings_alike, message
from mupfx.render.check.document import quantity_tables, slope_tables, verdict_lines
from mupfx.render.check.pictures import Picture, pictures
from mupfx.render.check.words import compared
from mupfx.render.document import Lines, Table
from mupfx.render.templates import environment


@dataclass(frozen=True, slots=True)
class Card:
    """Findings that are shown as one."""

    name: str
    first: Finding
    said: str
    numbers: str
    rule: Rule | None


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything that the template writes."""

    report: Report
    head: Lines
    cards: tuple[Card, ...]
    pictures: tuple[Picture, ...]
    tables: tuple[Table, ...]
    settings: tuple[tuple[str, str], ...]


def page(report: Report, rules: Mapping[str, Rule]) -> str:
    """The text of the page.

    Args:
        report: What was found.
        rules: All rules by code, for their help.
    """
    return _environment().get_template("page.html.j2").render(page=contents(report, rules))


def contents(report: Report, rules: Mapping[str, Rule]) -> Contents:
    """Work out what the template writes."""
    return Contents(
        report=report,
        head=verdict_lines(report),
        cards=tuple(
            Card(name, found[0], message(name, found[0]), compared(found), rules.get(found[0].code))
            for name, found in findings_alike(report.findings)
        ),
        pictures=pictures(report),
        tables=(*slope_tables(report), *quantity_tables(report)),
        settings=tuple((str(key), str(value)) for key, value in report.settings.items()),
    )


@cache
def _environment() -> Environment:
    return environment("mupfx.render.check", _breaks)


def _breaks(name: str) -> Markup:
    """A name that may go on in the next line after a dot."""
    return Markup(".<wbr>").join(name.split("."))

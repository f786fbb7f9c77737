"""Every form of a report by its name: ``render(report, "sarif", surroundings)`` is a text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mupfx.core.report import Report
from mupfx.core.rule import Rule
from mupfx.render import text
from mupfx.render.check.data import report_json
from mupfx.render.check.document import report_document
from mupfx.render.check.github import annotations
from mupfx.render.check.junit import junit
from mupfx.render.check.places import near, placed
from mupfx.render.check.sarif import sarif


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a form says beside the report."""

    folder: Path
    """The current one, which paths of the report may be relative to."""
    root: Path
    """The repository's, which paths are shown relative to: ``places.root_of(folder)``."""
    rules: Mapping[str, Rule]
    """All rules by code: ``mupfx.checks.rules()``."""
    version: str
    """Of mupfx."""


def _html(report: Report, beside: Surroundings) -> str:
    from mupfx.render.check.html import page  # noqa: PLC0415 - jinja2

    return page(near(report, beside.folder), beside.rules)


Form = Callable[[Report, Surroundings], str]

FORMS: Mapping[str, Form] = {
    "text": lambda report, beside: text.plain(report_document(near(report, beside.folder))),
    "json": lambda report, _: report_json(report),
    "junit": lambda report, beside: junit(report, beside.rules, beside.root),
    "sarif": lambda report, beside: sarif(report, beside.rules, beside.root, beside.version),
    "github": lambda report, beside: annotations(report, beside.root),
    "html": _html,
}
_PLACED = ("junit", "sarif", "github")
"""Forms that name files for others to find."""


def render(report: Report, form: str, beside: Surroundings) -> str:
    """A report in one of ``FORMS``."""
    return FORMS[form](placed(report, beside.folder) if form in _PLACED else report, beside)

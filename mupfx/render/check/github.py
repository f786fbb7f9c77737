"""A report as annotations of GitHub Actions: printed in a workflow, they stand at their lines.

``::error file=src/model.py,line=51,title=MUP003 head.weight::the readout's init does not fall``
"""

from pathlib import PurePath

from mupfx.core.finding import Finding, Level
from mupfx.core.report import Report, Verdict
from mupfx.render.check.alike import findings_alike, message
from mupfx.render.check.places import relative
from mupfx.render.check.words import compared, measured

_COMMANDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}
_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = _DATA | {":": "%3A", ",": "%2C"}


def annotations(report: Report, root: PurePath) -> str:
    """One line a finding; repeated layers share one, since GitHub shows ten of a level."""
    groups = findings_alike(report.findings)
    lines = [_annotation(name, found, root) for name, found in groups]
    if report.verdict is Verdict.INCONCLUSIVE and not report.errors:
        said = f"{measured(report)}: more seeds or wider models would tell"
        lines.append(_command("warning", {"title": "mupfx check is inconclusive"}, said))
    return "\n".join(lines)


def _annotation(name: str, found: tuple[Finding, ...], root: PurePath) -> str:
    first = found[0]
    place = first.place
    where = {} if place is None else {"file": relative(place.path, root), "line": str(place.line)}
    said = (message(name, first), compared(found), first.hint and f"hint: {first.hint}")
    text = "\n".join(part for part in said if part)
    return _command(_COMMANDS[first.level], where | {"title": f"{first.code} {name}".strip()}, text)


def _command(name: str, properties: dict[str, str], text: str) -> str:
    pairs = ",".join(f"{key}={_escape(value, _PROPERTY)}" for key, value in properties.items())
    return f"::{name} {pairs}::{_escape(text, _DATA)}"


def _escape(text: str, table: dict[str, str]) -> str:
    return "".join(table.get(letter, letter) for letter in text)

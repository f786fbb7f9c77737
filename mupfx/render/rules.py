"""Rules of ``mupfx check`` on a page: one with its sections, or the list of all."""

from collections.abc import Iterable
from typing import Any

from mupfx.core.rule import Rule
from mupfx.render.document import Column, Document, Lines, Table


def rule_document(rule: Rule) -> Document:
    """One rule: its title, then a part a section."""
    title = Lines(f"{rule.code} {rule.name}", (rule.title,))
    sections = (Lines(name, tuple(text.splitlines())) for name, text in rule.sections.items())
    return (title, *sections)


def rules_document(rules: Iterable[Rule]) -> Document:
    """All rules, a line each."""
    columns = (Column("code"), Column("name"), Column("what it is about", wraps=True))
    rows = tuple((rule.code, rule.name, rule.title) for rule in rules)
    return (
        Table("rules of mupfx check", columns, rows),
        Lines("more", ("mupfx explain MUP001",)),
    )


def rule_dict(rule: Rule) -> dict[str, Any]:
    """One rule as data."""
    sections = {name.lower(): text for name, text in rule.sections.items()}
    return {"code": rule.code, "name": rule.name, "title": rule.title, **sections}

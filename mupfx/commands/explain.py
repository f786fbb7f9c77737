"""``mupfx explain``: the numbers of one parameter; parametrizations; rules of ``mupfx check``."""

from pathlib import Path

from mupfx import checks
from mupfx.checks import rule, rules
from mupfx.commands.subject import Subject, Wish
from mupfx.commands.terminal import write, write_json
from mupfx.core.plan import Plan
from mupfx.errors import TargetError
from mupfx.exports.plan_file import load_plan
from mupfx.render.explain import explain_dict, explain_document
from mupfx.render.parametrization import (
    parametrization_dict,
    parametrization_document,
    parametrizations_document,
)
from mupfx.render.rules import rule_dict, rule_document, rules_document
from mupfx.tables.parametrizations import PARAMETRIZATIONS, parametrization

PAGE = "parametrization"
"""What is explained where no parameter of a model is."""
RULES = "rules"
"""All rules of a check; one is asked for by its code."""


def explain(  # noqa: PLR0913 - each is typed by the user
    parameter: str,
    table: str | None,
    subject: Subject | None,
    wish: Wish,
    path: Path | None,
    *,
    as_json: bool,
) -> None:
    """Explain a parameter of a target, or of a plan that was written earlier.

    Raises:
        TargetError: A second name was given, which only parametrizations have.
    """
    if table is not None:
        raise TargetError(
            f"`{table}` stands after the parameter",
            expected="one parameter, or `parametrization` and a table without --target and --plan",
            hint=f"--parametrization {table!r}",
        )
    plan = _plan(subject, wish, path)
    if as_json:
        write_json(explain_dict(plan, parameter))
    else:
        write(explain_document(plan, parameter))


def explain_table(name: str | None, *, as_json: bool) -> None:
    """Explain one parametrization, or print all there are."""
    if name is None and as_json:
        write_json([parametrization_dict(found) for found in PARAMETRIZATIONS.values()])
    elif name is None:
        write(parametrizations_document())
    elif as_json:
        write_json(parametrization_dict(parametrization(name)))
    else:
        write(parametrization_document(parametrization(name)))


def is_rule(word: str) -> bool:
    """Whether a word asks for a rule of ``mupfx check``, or for all."""
    return word.lower() == RULES or checks.is_rule(word)


def explain_rule(word: str, *, as_json: bool) -> None:
    """Explain one rule of a check by its code, or list all."""
    every = word.lower() == RULES
    if as_json:
        write_json([rule_dict(r) for r in rules().values()] if every else rule_dict(rule(word)))
    else:
        write(rules_document(rules().values()) if every else rule_document(rule(word)))


def _plan(subject: Subject | None, wish: Wish, path: Path | None) -> Plan:
    match subject, path:
        case Subject(), None:
            from mupfx.commands.convert import converted  # noqa: PLC0415 - torch

            return converted(subject, wish)[1]
        case None, Path():
            return load_plan(path)
    raise TargetError(
        "the parameter belongs to one model", hint="give either --target with --base, or --plan"
    )

"""``mupfx explain``: the chain from the graph to the numbers of one parameter; parametrizations."""

from pathlib import Path

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
from mupfx.tables.parametrizations import PARAMETRIZATIONS, parametrization

PAGE = "parametrization"
"""What is explained where no parameter of a model is."""


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

"""``mupfx explain``: the chain from the graph to the numbers of one parameter."""

from pathlib import Path

from mupfx.commands.subject import Subject, Wish
from mupfx.commands.terminal import write, write_json
from mupfx.core.plan import Plan
from mupfx.errors import TargetError
from mupfx.export.plan_file import load_plan
from mupfx.render.explain import explain_dict, explain_document


def explain(
    parameter: str, subject: Subject | None, wish: Wish, path: Path | None, *, as_json: bool
) -> None:
    """Explain a parameter of a target, or of a plan that was written earlier."""
    plan = _plan(subject, wish, path)
    if as_json:
        write_json(explain_dict(plan, parameter))
    else:
        write(explain_document(plan, parameter))


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

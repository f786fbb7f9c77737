"""``mupfx report``: one HTML page of a model, and of what was measured of it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mupfx import reporting
from mupfx.commands.build import base, base_depth, example, hyperparameters, laws, overrides
from mupfx.commands.subject import Subject, Wish
from mupfx.commands.terminal import progress, write_text
from mupfx.core.report import Report
from mupfx.errors import TargetError
from mupfx.exports.observed_file import load_observed
from mupfx.exports.plan_file import load_plan
from mupfx.exports.transfer_file import load_transfer
from mupfx.observables.observations import Observations
from mupfx.render.check.data import read_report


@dataclass(frozen=True, slots=True)
class Sources:
    """Files that a page shows, each None where there is none."""

    plan: Path | None = None
    check: Path | None = None
    transfer: Path | None = None
    observed: Path | None = None


def report(
    subject: Subject | None, wish: Wish, path: Path, sources: Sources, *, every_layer: bool
) -> None:
    """Write the page, and print where it is.

    Raises:
        TargetError: There is neither a target nor a plan, or both; or a file cannot be read.
    """
    measured = _measured(sources)
    if subject is None:
        if sources.plan is None:
            raise TargetError("a page of what?", hint="give a target with --base, or --plan")
        plan, title = load_plan(sources.plan), str(sources.plan)
        made = reporting.report(plan, path, title=title, every_layer=every_layer, **measured)
        write_text(str(made))
        return
    if sources.plan is not None:
        raise TargetError("the plan is given twice, by a target and by --plan")
    with progress(f"building {subject.target}"):
        found = example(subject, values=False)
        beside = base(subject)
    with progress(f"tracing {subject.target}"):
        made = reporting.report(
            found.model,
            path,
            found.args or (),
            dict(found.kwargs),
            base=beside,
            base_depth=base_depth(subject),
            parametrization=wish.parametrization,
            hyperparameters=hyperparameters(wish),
            grow=subject.grow,
            strict=wish.strict,
            overrides=overrides(subject),
            init=laws(wish),
            hooks=wish.hooks,
            title=_title(subject),
            every_layer=every_layer,
            **measured,
        )
    write_text(str(made))


def _measured(sources: Sources) -> dict[str, Any]:
    """What files hold, as arguments of ``mupfx.report``."""
    found: dict[str, Any] = {}
    if sources.check is not None:
        found["check"] = read_check(sources.check)
    if sources.transfer is not None:
        found["transfer"] = load_transfer(sources.transfer)
    if sources.observed is not None:
        found["observe"] = Observations(str(sources.observed), load_observed(sources.observed))
    return found


def read_check(path: Path) -> Report:
    """Read what ``mupfx check --out check.json`` wrote.

    Raises:
        TargetError: There is no such file, or it is something else.
    """
    try:
        return read_report(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise TargetError(f"cannot read `{path}`: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TargetError(
            f"`{path}` holds no report of a check",
            expected="what mupfx check --out check.json wrote",
            found=str(error),
        ) from error


def _title(subject: Subject) -> str:
    return " ".join((subject.target, *(subject.arguments or ())))

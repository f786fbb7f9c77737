"""``mupfx check``: from what was typed to reports and an exit status."""

import os
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mupfx import __version__, checking
from mupfx.checks import rules
from mupfx.commands.checks_config import configured, named
from mupfx.commands.library import library_of
from mupfx.commands.outputs import TEXT, Outputs, outputs, path_for
from mupfx.commands.target import arguments, find
from mupfx.commands.terminal import meter, write, write_text
from mupfx.core.report import Report, Verdict
from mupfx.errors import MupfxError, TargetError
from mupfx.render.check.document import report_document
from mupfx.render.check.formats import Surroundings, render
from mupfx.render.check.places import near, root_of

STATUS: Mapping[Verdict, int] = {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.INCONCLUSIVE: 2}
"""What the process ends with; the worst of several checks is that of all."""
_WORST = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)
_RENAMED = {"args": "arguments"}


@dataclass(frozen=True, slots=True)
class Order:
    """What was typed."""

    targets: Sequence[str]
    """Targets, and names of configured checks; none for all of these."""
    settings: Mapping[str, Any]
    """Options that were given; they go before what is configured."""
    formats: Sequence[str] = ()
    out: Sequence[str] = ()
    config: Path | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One check to run."""

    name: str
    target: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    """Of the configuration, which files are beside."""


def check(order: Order) -> int:
    """Run every check, write every report, and say what to exit with.

    Raises:
        TargetError: Something that was typed or configured is not understood, or a target fails.
    """
    to = outputs(order.formats, order.out)
    jobs = tuple(_jobs(order))
    for _, file in to.files:
        for job in jobs:
            _require_writable(path_for(file, job.name, len(jobs)))
    reports = [_run(job, order.settings, to, len(jobs)) for job in jobs]
    verdicts = {report.verdict for report in reports}
    return STATUS[next(each for each in _WORST if each in verdicts)]


def _jobs(order: Order) -> Iterable[Job]:
    if order.targets and all(":" in target for target in order.targets):
        yield from (Job(target, target) for target in order.targets)
        return
    file, checks = configured(order.config)
    if not order.targets and not checks:
        raise TargetError(
            f"there is no target, and `{file.name}` configures none",
            expected="[tool.mupfx.checks.NAME] with target = ..., or a target",
            hint="mupfx check module:callable",
        )
    for text in order.targets or checks:
        if ":" in text:
            yield Job(text, text)
        else:
            found = dict(named(checks, text, file))
            yield Job(text, found.pop("target"), found, file.resolve().parent)


def _run(job: Job, typed: Mapping[str, Any], to: Outputs, several: int) -> Report:
    settings = _settled(job.settings, typed)
    if isinstance(settings.get("control"), str):
        settings["control"] = _find(settings["control"], job.folder)
    factory = _find(job.target, job.folder)
    with meter(f"checking {job.name}") as watch:
        report = checking.check(factory, name=job.name, progress=watch, **settings)
    _deliver(report, to, several)
    return report


_INSTEAD = {"fast": "full", "full": "fast"}


def _settled(configured: Mapping[str, Any], typed: Mapping[str, Any]) -> dict[str, Any]:
    """What is typed goes before what is configured; arguments are joined.

    >>> _settled({"full": True, "args": {"a": 1}}, {"fast": True, "arguments": {"b": 2}})
    {'arguments': {'a': 1, 'b': 2}, 'fast': True}
    """
    instead = {_INSTEAD.get(key) for key in typed}
    found = {_RENAMED.get(k, k): v for k, v in configured.items() if k not in instead}
    if "arguments" in found and "arguments" in typed:
        typed = {**typed, "arguments": {**found["arguments"], **typed["arguments"]}}
    return {**found, **typed}


def _deliver(report: Report, to: Outputs, several: int) -> None:
    """Files, standard output, and annotations where GitHub runs it."""
    folder = Path.cwd()
    beside = Surroundings(folder, root_of(folder), rules(), __version__)
    for form, file in to.files:
        text = render(report, form, beside)
        path_for(file, report.target, several).write_text(text, encoding="utf-8")
    if to.printed == TEXT:
        write(report_document(near(report, folder)))
    else:
        write_text(render(report, to.printed, beside).rstrip("\n"))
    if os.environ.get("GITHUB_ACTIONS") == "true" and to.printed != "github":
        _annotate(render(report, "github", beside), beside=to.printed == TEXT)


def _find(target: str, folder: Path | None) -> Any:
    """A callable; files and modules of a configured one are beside the configuration.

    Raises:
        TargetError: There is none, or importing it raised something.
    """
    if library_of(target) is not None:
        raise TargetError(
            f"`{target}` names one model; a check makes models of several widths",
            expected="`package.module:callable` or `path/file.py:callable`, called with a width",
        )
    place, _, name = target.rpartition(":")
    if folder is not None:
        if place.endswith(".py") and not Path(place).is_absolute():
            target = f"{folder / place}:{name}"
        elif str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    try:
        return find(target)
    except MupfxError:
        raise
    except Exception as error:
        what = f"`{target}` cannot be imported: {type(error).__name__}"
        raise TargetError(what, found=str(error) or None) from error


def _require_writable(path: Path) -> None:
    """Before minutes of checking, not after.

    Raises:
        TargetError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8"):
            pass
    except OSError as error:
        raise TargetError(f"cannot write `{path}`: {error.strerror}") from error


def _annotate(text: str, *, beside: bool) -> None:
    """Annotations go with text; where something else is printed, past it."""
    if text.strip():
        stream = sys.stdout if beside else sys.stderr
        stream.write(text.rstrip("\n") + "\n")


def explained(error: MupfxError) -> str:
    """An error as it is printed: first the traceback of the user's own, where that is its cause."""
    cause = error.__cause__
    text = f"{type(error).__name__}: {error}"
    if cause is None or isinstance(cause, MupfxError | OSError):
        return text
    theirs = cause.__traceback__ and cause.__traceback__.tb_next  # the first frame is ours
    return "".join(traceback.format_exception(type(cause), cause, theirs)) + text


def read_arguments(pairs: Sequence[str] | None) -> dict[str, Any] | None:
    """Arguments of the target, as typed."""
    return arguments(pairs) if pairs else None

"""``mupfx transfer``: sweep, show what is ahead and how far it has come, and write the outcome."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mupfx.commands.target import arguments, find
from mupfx.commands.terminal import meter, write, write_json
from mupfx.core.report import Verdict
from mupfx.core.transfer import Run, Transfer
from mupfx.errors import MupfxError
from mupfx.exports.transfer_file import OUTCOME
from mupfx.pipeline.transfer.sweep import Ahead
from mupfx.render.figures import require_drawable
from mupfx.render.figures_transfer import transfer_figure
from mupfx.render.transfer import exponent, label, transfer_document
from mupfx.transferring import Watch
from mupfx.transferring import transfer as run

__all__ = ["announcement", "arguments", "transfer"]

STATUS: Mapping[Verdict, int] = {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.INCONCLUSIVE: 2}


def transfer(
    target: str, folder: Path, settings: Mapping[str, Any], plots: Sequence[Path], *, as_json: bool
) -> int:
    """Run a sweep, and say what to exit with.

    Raises:
        MupfxError: Its subclass says what does not fit.
    """
    for path in plots:
        require_drawable(path)
    try:
        found = _run(target, folder, settings)
    except KeyboardInterrupt:
        sys.stderr.write(f"stopped; the same command goes on where it was: {folder}\n")
        raise
    _print(found, as_json=as_json)
    _write(found, folder, plots)
    return STATUS[found.verdict]


def _write(found: Transfer, folder: Path, plots: Sequence[Path]) -> None:
    outcome = json.dumps(found.to_dict(), indent=1)
    try:
        (folder / OUTCOME).write_text(f"{outcome}\n", encoding="utf-8")
        for path in plots:
            path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MupfxError(
            "the outcome cannot be written",
            where=str(error.filename),
            found=error.strerror,
            hint="the runs are kept: the same command trains nothing again",
        ) from error
    for path in plots:
        transfer_figure(found, path)


def _run(target: str, folder: Path, settings: Mapping[str, Any]) -> Transfer:
    with meter("training") as tell:
        return run(
            find(target),
            folder=folder,
            name=target,
            find=partial(find, target),
            progress=_watch(tell),
            **settings,
        )


def _print(found: Transfer, *, as_json: bool) -> None:
    if as_json:
        write_json(found.to_dict())
    else:
        write(transfer_document(found))


def _watch(tell: Callable[[str, float, float], None]) -> Watch:
    """Seconds that were planned, done and ahead."""
    share = 0.0

    def planned(ahead: Ahead) -> None:
        nonlocal share
        share = 0.0
        sys.stderr.write(f"{announcement(ahead)}\n")
        tell(ahead.reason, 0.0, 1.0)

    def done(run: Run, part: float) -> None:
        nonlocal share
        share += part
        trial = run.trial
        tell(f"{trial.parametrization} {label(trial.size)} 2^{exponent(trial.lr)}", share, 1.0)

    return Watch(planned, done)


def announcement(ahead: Ahead) -> str:
    """What is about to be trained, and how long that takes.

    >>> announcement(Ahead(168, 840.0, 2, 0, "the grid"))
    'the grid: 168 trainings, 2 at a time, about 14 min'
    """
    found = f"; {ahead.done} are done" if ahead.done else ""
    return (
        f"{ahead.reason}: {ahead.trials} trainings, {ahead.jobs} at a time,"
        f" about {duration(ahead.seconds)}{found}"
    )


def duration(seconds: float) -> str:
    """In the largest unit that it has two of.

    >>> duration(90.4), duration(840), duration(9000)
    ('90 s', '14 min', '2.5 h')
    """
    if seconds < 2 * 60:
        return f"{seconds:.0f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"

"""``mupfx plot``: a figure for papers of what a check, a sweep or observations wrote."""

import json
from collections.abc import Sequence
from pathlib import Path

from mupfx.commands.report import read_check
from mupfx.commands.terminal import write_text
from mupfx.errors import TargetError
from mupfx.exports.observed_file import load_observed
from mupfx.exports.transfer_file import load_transfer
from mupfx.render.figures_check import check_figure
from mupfx.render.figures_observed import observed_figure
from mupfx.render.figures_transfer import transfer_figure

_FORMS = "JSON of mupfx check or mupfx transfer, the folder of a sweep, or CSV of mupfx observe"


def plot(path: Path, out: Path, only: Sequence[str]) -> None:
    """Write the figure, and print where it is.

    Raises:
        TargetError: The file is none of those that have figures.
    """
    if path.suffix == ".csv":
        observed_figure(load_observed(path), out, only)
    elif path.is_dir() or "curves" in _keys(path):
        transfer_figure(load_transfer(path), out)
    else:
        check_figure(read_check(path), out)
    write_text(str(out))


def _keys(path: Path) -> set[str]:
    """Of the outermost object.

    Raises:
        TargetError: It is no JSON, or something else than an object.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TargetError(f"cannot read `{path}`: {error.strerror}", expected=_FORMS) from error
    except ValueError as error:
        raise TargetError(f"`{path}` is no JSON", expected=_FORMS, found=str(error)) from error
    if not isinstance(data, dict):
        raise TargetError(f"`{path}` has no figure", expected=_FORMS)
    return set(data)

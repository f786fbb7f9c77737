"""What figures for papers share: an empty one, and a file of it.

Needs matplotlib: ``pip install 'mupfx[plot]'``.
"""

from collections.abc import Sized
from pathlib import Path
from typing import Any

from mupfx.errors import MupfxError
from mupfx.render.scale import label, ticks


def empty(size: tuple[float, float], nothing: str, found: Sized) -> Any:
    """A figure of a size in inches.

    Raises:
        MupfxError: There is nothing to draw, or no matplotlib.
    """
    if not len(found):
        raise MupfxError("there is nothing to draw", found=nothing)
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise MupfxError("figures need matplotlib", hint="pip install 'mupfx[plot]'") from error
    return Figure(figsize=size, layout="constrained")


def require_drawable(path: Path) -> None:
    """Say before long work that its figure could not be written after it.

    Raises:
        MupfxError: There is no matplotlib, or no such format.
    """
    known = empty((1, 1), "", "one").canvas.get_supported_filetypes()
    if path.suffix.removeprefix(".") not in known:
        raise MupfxError(
            "figures have no such format", found=path.name, expected=", ".join(sorted(known))
        )


def saved(figure: Any, path: Path) -> None:
    """Write a PNG, SVG or PDF, by the path's suffix.

    Raises:
        MupfxError: The file cannot be written.
    """
    try:
        figure.savefig(path, dpi=160)
    except (OSError, ValueError) as error:
        raise MupfxError(
            "the figure cannot be written", where=str(path), found=str(error)
        ) from error


def log_ticks(panel: Any) -> None:
    """A log axis with a handful of round numbers, even where it spans less than a decade."""
    panel.set_yscale("log")
    low, high = panel.get_ylim()
    chosen = ticks(low, high, log=True)
    panel.set_yticks(chosen, [label(each) for each in chosen])
    panel.minorticks_off()
    panel.set_ylim(low, high)

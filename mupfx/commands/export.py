"""``mupfx export``: a trained model in a form that needs no mupfx, run beside its source."""

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from mupfx import shipping
from mupfx.commands.convert import converted_example
from mupfx.commands.subject import Subject, Wish
from mupfx.commands.terminal import progress, write, write_json
from mupfx.core.exported import Exported
from mupfx.errors import TargetError
from mupfx.exports.formats import format_of
from mupfx.exports.weights import load_weights
from mupfx.render.document import Column, Document, Lines, Table


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to, in which format, and with which weights."""

    path: Path
    format: str | None = None
    weights: Path | None = None
    """None for the values that the model starts from."""
    tolerance: float | None = None
    multipliers: str = "weights"


def export(subject: Subject, wish: Wish, to: Destination, *, as_json: bool) -> None:
    """Convert, load, write, and print how near it is.

    Raises:
        TargetError: The weights are not those of the model.
    """
    form = format_of(to.path, to.format)  # before anything is built
    made = converted_example(subject, wish)
    if to.weights is not None:
        _load(made.model, to.weights)
    with progress(f"writing {to.path}"):
        done = shipping.export(
            made.model,
            to.path,
            made.args or (),
            dict(made.kwargs),
            format=form,
            multipliers=to.multipliers,
            tolerance=to.tolerance,
        )
    if as_json:
        write_json(done.to_dict())
    else:
        write(_document(done))


def _load(model: nn.Module, path: Path) -> None:
    try:
        model.load_state_dict(load_weights(path), strict=True)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        raise TargetError(
            f"`{path}` does not fit the converted model",
            expected="its state dict, as torch.save or `mupfx convert` writes it",
            found=" ".join(lines[1:3]) or lines[0],
        ) from error


def _document(done: Exported) -> Document:
    columns = (
        Column("format"),
        Column("relative error", right=True),
        Column("at most", right=True),
        Column("calls", right=True),
    )
    row = (done.format, f"{done.error:.2g}", f"{done.tolerance:g}", str(done.calls))
    notes = (Lines("notes", done.notes),) if done.notes else ()
    files = Lines("written", tuple(str(path) for path in done.files))
    return Table("run beside its source", columns, (row,)), *notes, files

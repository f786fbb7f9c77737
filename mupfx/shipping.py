"""A converted model for others: back to an ordinary one, into files, as a program."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from mupfx.core.exported import Exported
from mupfx.kernels.draw import Draw
from mupfx.pipeline.analysis import positional
from mupfx.pipeline.standard import standard

__all__ = ["emit", "export", "to_standard"]


def to_standard(model: nn.Module, *, untie: bool = True) -> nn.Module:
    """Make a converted model an ordinary one again, in place, before or after training.

    All that is outside the weights is multiplied into them: hooks, carried multipliers and, of a
    graph, its multiplier nodes are gone. The function is the same, and so are class, code and
    names. ``convert`` of the result keeps its values.

    Args:
        model: A converted model, also compiled or wrapped in DDP.
        untie: A weight that two uses multiply differently becomes two, with a warning that says so.
            False multiplies what the use reads instead, such as the gain of the last norm, so that
            the values fit a class that ties; and refuses where there is no such thing.

    Returns:
        The same module, out of its wrappers.

    Raises:
        PlanError: The model was not converted, or a part of the conversion is gone.
        LoweringError: No weight can carry a multiplier; the model is then unchanged.
    """
    return standard(model, untie=untie)


def export(  # noqa: PLR0913 - each is an answer that only the user can give
    model: nn.Module,
    path: str | Path,
    args: object = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    format: str | None = None,  # noqa: A002 - what it is
    multipliers: str = "weights",
    tolerance: float | None = None,
) -> Exported:
    """Write a model, trained or not, so that others can use it without mupfx.

    What is written is run beside the model on the example, in evaluation mode; where sizes may
    change, on another size too. If it is not the same function, nothing is left at ``path``.

    Args:
        model: A converted model, or any other; it is left as it is.
        path: A file, replaced if it is there, or a folder that is empty or new.
        args: Positional example inputs; a single tensor may stand for itself.
        kwargs: Keyword example inputs.
        format: ``"state_dict"`` (.pt) and ``"safetensors"``: weights that load into the
            unmodified class; ``"hf"``: a folder for ``from_pretrained``; ``"pt2"``: of
            torch.export; ``"onnx"``; ``"python"``: a folder with code that needs torch and
            safetensors alone. None where the file's suffix says it.
        multipliers: ``"weights"`` multiplies them in; ``"config"`` puts those that the
            configuration of a transformers model has fields for there, with ``format="hf"``.
        tolerance: The largest relative error to accept; None for that of the format and dtype.

    Returns:
        Where it is, the largest relative error, and what became other than it was.

    Raises:
        ExportError: The format does not take the model, or what was written is not the same.
        LoweringError: A multiplier cannot be multiplied into any weight.
    """
    from mupfx.pipeline.exporting import order_for, ship  # noqa: PLC0415 - safetensors

    order = order_for(Path(path), format, tolerance, multipliers)
    return ship(model, tuple(positional(args)), dict(kwargs or {}), order)


def emit(
    model: nn.Module, folder: str | Path, *, laws: Mapping[str, Draw] | None = None
) -> tuple[Path, ...]:
    """Write the starting values of a converted model as a program that needs no mupfx.

    ``init_kernels.py`` holds a table of the model's laws, the Triton kernel and the same in torch.
    Run, it writes a state dict; its ``init_(model, seed=0)`` fills a model, sharded or not. Values
    are those of ``mupfx.init_``. ``plan.json`` and ``param_groups.json`` are written beside it.

    Args:
        model: Converted, or built; the meta device is enough: ``build(..., device="meta")``.
        folder: Where the three files go.
        laws: As for ``init_``.

    Returns:
        The files.

    Raises:
        ExportError: The folder cannot be written.
        InitError: A parameter is not drawn by a law of the kernels.
        PlanError: The model was not converted.
    """
    from mupfx.pipeline.emitting import emit as run  # noqa: PLC0415 - its writers need more

    return run(model, Path(folder), laws or {})

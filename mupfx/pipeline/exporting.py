"""Write a model in a format, run what was written, and keep it only if it is the same function."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from mupfx.core.conversion import ATTRIBUTE, Conversion
from mupfx.core.exported import Exported
from mupfx.core.plan import Plan
from mupfx.errors import ExportError, LoweringError, ModelError, MupfxError
from mupfx.exports.formats import FORMATS, Wants
from mupfx.exports.outputs import flat, largest_error, plain
from mupfx.exports.parcel import Artefact, Call, Parcel
from mupfx.exports.place import beside, files_of
from mupfx.passes.capture import check_signature, tied, unwrapped
from mupfx.passes.frontends.untouched import untouched
from mupfx.pipeline.shipping import own_copy, stock_copy, untied
from mupfx.tables.export_tolerances import COARSEST, TOLERANCES


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be written, and where."""

    path: Path
    format: str
    tolerance: float | None = None
    """None for that of the format and the dtype."""


def ship(model: nn.Module, call: Call, order: Order) -> Exported:
    """Write, run, compare; a file that is another function is not left there.

    Raises:
        ExportError: The format does not take the model, or what was written is not the same.
        LoweringError: A multiplier cannot be multiplied into any weight.
    """
    inner, _ = unwrapped(model)
    _require_values(inner)
    check_signature(inner, call.args, call.kwargs)
    parcel, notes = _parcel(inner, call, FORMATS[order.format].wants)
    tolerance = order.tolerance
    if tolerance is None:
        tolerance = TOLERANCES[order.format][_dtype(parcel)]
    with beside(order.path) as place:
        artefact = _written(parcel, place, order.format)
        calls = (call, *artefact.calls)
        error = max(_error(inner, artefact, each, tolerance) for each in calls)
    return Exported(
        order.path,
        order.format,
        error,
        tolerance,
        len(calls),
        (*notes, *artefact.notes),
        files_of(order.path),
    )


def _require_values(model: nn.Module) -> None:
    for name, value in (*model.named_parameters(), *model.named_buffers()):
        if value.is_meta:
            raise ModelError(
                "there are no values to write",
                where=f"`{name}` is on the meta device",
                hint="build the model on a real device, or call to_empty and initialise it first",
            )


def _parcel(model: nn.Module, call: Call, wants: Wants) -> tuple[Parcel, tuple[str, ...]]:
    made, notes = _copy(model, wants)
    return Parcel(made, call, tied(model), untied(model, made), _plan(model)), notes


def _copy(model: nn.Module, wants: Wants) -> tuple[nn.Module, tuple[str, ...]]:
    if wants is Wants.OWN:
        return own_copy(model), ()
    try:
        return stock_copy(model)
    except LoweringError as error:
        if wants is Wants.STOCK:
            raise
        return own_copy(model), (f"written as it is, for {error.what}",)


def _plan(model: nn.Module) -> Plan | None:
    found = (module.__dict__.get(ATTRIBUTE) for module in model.modules())
    return next((each.plan for each in found if isinstance(each, Conversion)), None)


def _dtype(parcel: Parcel) -> torch.dtype:
    """The coarsest of the parameters."""
    dtypes = {parameter.dtype for parameter in parcel.model.parameters()}
    return next((dtype for dtype in COARSEST if dtype in dtypes), torch.float32)


def _written(parcel: Parcel, place: Path, name: str) -> Artefact:
    try:
        with torch.no_grad():
            return FORMATS[name].write(parcel, place)
    except MupfxError:
        raise
    except Exception as error:
        raise ExportError(
            f"writing format {name!r} failed", where=place.name, found=_line(error)
        ) from error


def _error(model: nn.Module, artefact: Artefact, call: Call, tolerance: float) -> float:
    """How far what was written is from its source.

    Raises:
        ExportError: Too far.
    """
    wanted = _run(model, call)
    try:
        with torch.no_grad():
            found = artefact.run(call)
    except Exception as error:
        raise ExportError("what was written does not run", found=_line(error)) from error
    distance = largest_error(found, wanted)
    if distance <= tolerance:
        return distance
    raise ExportError(
        "what was written is not the same function, and was removed",
        where=", ".join(str(list(tensor.shape)) for tensor in wanted),
        expected=f"a relative error of at most {tolerance:g}",
        found=f"{distance:.3g}",
        hint="tolerance=..., if that is as near as it has to be",
    )


def _run(model: nn.Module, call: Call) -> Sequence[Tensor]:
    """The source's output in evaluation mode; it is left as it was."""
    with untouched(model), torch.no_grad():
        output = flat(plain(model.eval()(*call.args, **call.kwargs)))
    if not output:
        raise ExportError(
            f"{type(model).__name__} returns no tensor to compare", expected="logits or a loss"
        )
    return output


def _line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"

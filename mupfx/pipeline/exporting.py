"""Write a model in a format, run what was written, and keep it only if it is the same function."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mupfx.core.conversion import ATTRIBUTE, Conversion
from mupfx.core.exported import Exported
from mupfx.core.plan import Plan
from mupfx.errors import ExportError, LoweringError, ModelError, MupfxError
from mupfx.exports.formats import FORMATS, Wants, format_of
from mupfx.exports.hugging_face import is_pretrained, pretrained
from mupfx.exports.outputs import flat, largest_error, plain
from mupfx.exports.parcel import Artefact, Call, Parcel
from mupfx.exports.place import beside, files_of
from mupfx.passes.capture import check_signature, tied, unwrapped
from mupfx.passes.frontends.untouched import untouched, unwritten
from mupfx.pipeline.configuring import configured
from mupfx.pipeline.shipping import Stock, own_copy, stock_copy, untied
from mupfx.tables.export_tolerances import COARSEST, TOLERANCES

ALONE = "the model itself takes no other sizes that were tried: run on the example alone"
MULTIPLIERS = ("weights", "config")


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be written, and where."""

    path: Path
    format: str
    tolerance: float | None = None
    """None for that of the format and the dtype."""
    multipliers: str = "weights"
    """Or in the fields of a ``"config"``."""


def order_for(path: Path, name: str | None, tolerance: float | None, multipliers: str) -> Order:
    """What is to be written, from what the user said.

    Raises:
        ExportError: There is no such format, or it is not said which.
    """
    if multipliers not in MULTIPLIERS:
        raise ExportError(
            f"multipliers={multipliers!r} says nothing",
            expected=" or ".join(repr(place) for place in MULTIPLIERS),
        )
    return Order(path, format_of(path, name), tolerance, multipliers)


def ship(
    model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], order: Order
) -> Exported:
    """Write, run, compare; a file that is another function is not left there.

    Raises:
        ExportError: The format does not take the model, or what was written is not the same.
        LoweringError: A multiplier cannot be multiplied into any weight.
    """
    inner, call = unwrapped(model)[0], Call(args, kwargs)
    _require_values(inner)
    check_signature(inner, call.args, call.kwargs)
    parcel, notes = _parcel(inner, call, order)
    tolerance = order.tolerance
    if tolerance is None:
        tolerance = TOLERANCES[order.format][_dtype(parcel)]
    with beside(order.path) as place:
        artefact = _written(parcel, place, order.format)
        errors = [_error(inner, artefact, call), *_others(inner, artefact)]
        _require(max(errors), tolerance, order)
    return Exported(
        order.path,
        order.format,
        max(errors),
        tolerance,
        len(errors),
        (*notes, *artefact.notes, *([ALONE] if artefact.calls and len(errors) == 1 else [])),
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


def _parcel(model: nn.Module, call: Call, order: Order) -> tuple[Parcel, tuple[str, ...]]:
    stock, plan = _copy(model, FORMATS[order.format].wants), _plan(model)
    notes = stock.notes
    if order.multipliers == "config":
        config = _config(stock.module, order.format)
        notes = configured(model, stock, plan, config) if plan else ()
    made = stock.module
    return Parcel(made, call, tied(model), untied(model, made), plan), notes


def _config(model: nn.Module, name: str) -> Any:
    if name == "hf" and is_pretrained(model):
        return pretrained(model).config.get_text_config()
    raise ExportError(
        f"format {name!r} has no configuration to put multipliers into",
        expected='format="hf", and a model of transformers',
        found=type(model).__name__,
        hint='multipliers="weights"',
    )


def _copy(model: nn.Module, wants: Wants) -> Stock:
    if wants is Wants.OWN:
        return Stock(own_copy(model))
    try:
        return stock_copy(model)
    except LoweringError as error:
        if wants is Wants.STOCK:
            raise
        return Stock(own_copy(model), (f"written as it is, for {error.what}",))


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


def _others(model: nn.Module, artefact: Artefact) -> Iterator[float]:
    """Of calls of other sizes, where the model itself takes them."""
    for call in artefact.calls:
        try:
            _run(model, call)
        except Exception:  # noqa: BLE001 - whatever a model raises for sizes that it does not take
            continue
        yield _error(model, artefact, call)


def _error(model: nn.Module, artefact: Artefact, call: Call) -> float:
    """How far what was written is from its source."""
    wanted = _run(model, call)
    try:
        with torch.no_grad(), unwritten():
            found = artefact.run(call)
    except Exception as error:
        raise ExportError("what was written does not run", found=_line(error)) from error
    return largest_error(found, wanted)


def _require(error: float, tolerance: float, order: Order) -> None:
    """Refuse what is too far from its source.

    Raises:
        ExportError: It is.
    """
    if error <= tolerance:
        return
    unread = 'a field that the forward pass does not read so: multipliers="weights"'
    raise ExportError(
        "what was written is not the same function, and was removed",
        where=f"{order.path.name}, format {order.format!r}",
        expected=f"a largest relative error of at most {tolerance:g}",
        found=f"{error:.3g}",
        hint=unread if order.multipliers == "config" else "tolerance=..., if that is near enough",
    )


def _run(model: nn.Module, call: Call) -> Sequence[Tensor]:
    """The source's output in evaluation mode; it is left as it was."""
    with untouched(model), torch.no_grad(), unwritten():
        output = flat(plain(model.eval()(*call.args, **call.kwargs)))
    if not output:
        raise ExportError(
            f"{type(model).__name__} returns no tensor to compare", expected="logits or a loss"
        )
    return output


def _line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"

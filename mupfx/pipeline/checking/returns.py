"""What a target may return, brought to one form.

``(model, optimizer, batch, loss)``, any shorter beginning that makes sense, a mapping with these
names, ``scheduler`` and ``batches``, or ``(model, args[, kwargs])`` as ``mupfx inspect`` takes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn
from torch.optim import Optimizer

from mupfx.core.setup import Loss
from mupfx.errors import TargetError, did_you_mean
from mupfx.pipeline.checking.streams import HELD_OUT, STREAM, one_batch

FORMS = (
    "model, (model, optimizer), (model, optimizer, batch, loss), (model, args[, kwargs]), or a"
    " dict with `model` and any of `optimizer`, `batch` with `loss`, `scheduler`"
)
_KEYS = ("model", "optimizer", "batch", "loss", "scheduler")
_KNOWN = (*_KEYS, STREAM, HELD_OUT)


@dataclass(frozen=True, slots=True)
class Made:
    """What a target brought, and None for what it did not."""

    model: nn.Module
    optimizers: tuple[Optimizer, ...] | None = None
    batch: Any = None
    loss: Loss | None = None
    """None where there is no batch either."""
    args: tuple[Any, ...] | None = None
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    schedulers: tuple[Any, ...] = ()


def read_made(made: object, name: str) -> Made:
    """Sort out what a target returned.

    Raises:
        TargetError: It is none of the forms.
    """
    if isinstance(made, Mapping):
        return _of_mapping(one_batch(made, name).made, name)
    found = _of_tuple(made if isinstance(made, tuple) else (made,), name)
    if found is None:
        raise _none_of_the_forms(made, name)
    return found


def _of_tuple(parts: tuple[object, ...], name: str) -> Made | None:
    match parts:
        case (nn.Module() as model,) | (nn.Module() as model, None):
            return Made(model)
        case (nn.Module() as model, optimizer) if (found := _optimizers(optimizer)) is not None:
            return Made(model, found)
        case (nn.Module() as model, tuple() | list() as args):
            return Made(model, args=tuple(args))
        case (nn.Module() as model, tuple() | list() as args, Mapping() as kwargs):
            return Made(model, args=tuple(args), kwargs=dict(kwargs))
        case (nn.Module() as model, optimizer, batch, loss) if callable(loss):
            found = None if optimizer is None else _required(optimizer, name)
            return Made(model, found, batch, loss)
    return None


def _of_mapping(made: Mapping[Any, Any], name: str) -> Made:
    for key in made:
        if key not in _KEYS:
            raise TargetError(
                f"`{name}` returned a dict with `{key}`",
                expected=", ".join(_KNOWN),
                hint=did_you_mean(str(key), _KNOWN, most=1),
            )
    if ("batch" in made) != ("loss" in made):
        there, other = ("batch", "loss") if "batch" in made else ("loss", "batch")
        raise TargetError(
            f"`{name}` returned a {there} without a {other}",
            expected="batch and loss, where loss(model, batch) is a scalar; or neither",
        )
    model, optimizer, loss = made.get("model"), made.get("optimizer"), made.get("loss")
    if not isinstance(model, nn.Module) or not (loss is None or callable(loss)):
        raise _none_of_the_forms(made, name)
    found = None if optimizer is None else _required(optimizer, name)
    given = made.get("scheduler", ())
    schedulers = tuple(given) if isinstance(given, list | tuple) else (given,)
    return Made(model, found, made.get("batch"), loss, schedulers=schedulers)


def _optimizers(given: object) -> tuple[Optimizer, ...] | None:
    """One, or a list of them; None where it is something else."""
    several = tuple(given) if isinstance(given, list | tuple) else (given,)
    found = tuple(each for each in several if isinstance(each, Optimizer))
    return found if several and len(found) == len(several) else None


def _required(given: object, name: str) -> tuple[Optimizer, ...]:
    found = _optimizers(given)
    if found is None:
        raise TargetError(
            f"`{name}` returned an optimizer that is none",
            expected="a torch.optim.Optimizer, or a list of them",
            found=_kind(given),
        )
    return found


def _none_of_the_forms(made: object, name: str) -> TargetError:
    return TargetError(f"`{name}` returned nothing to check", expected=FORMS, found=_kind(made))


def _kind(made: object) -> str:
    if isinstance(made, tuple):
        return f"({', '.join(map(_kind, made))})"
    if isinstance(made, Mapping):
        return "{" + ", ".join(f"{key}: {_kind(value)}" for key, value in made.items()) + "}"
    return type(made).__name__

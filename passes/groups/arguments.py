"""What an optimizer class takes, and its own defaults, read off its signature.

``AdamW`` answers ``{"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-08, "weight_decay": 0.01, ...}``:
a default that the user did not pass is scaled like one that they did.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from torch.optim import Optimizer

from mupfx.errors import OptimizerError
from mupfx.passes.groups.ratios import reject_stepped

_NAMED = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}


@dataclass(frozen=True, slots=True)
class Arguments:
    """The keyword arguments of an optimizer class."""

    names: tuple[str, ...]
    defaults: Mapping[str, Any]
    open: bool
    """It also takes keywords that no signature names."""


def require_class(optimizer_class: object) -> type[Any]:
    """Refuse an instance, or a function that makes one.

    Raises:
        OptimizerError: It is no class; an instance that was stepped is told so first.
    """
    if isinstance(optimizer_class, type):
        return optimizer_class
    if isinstance(optimizer_class, Optimizer):
        reject_stepped(optimizer_class)
    raise OptimizerError(
        "the optimizer is to be given as its class",
        expected="a class such as torch.optim.AdamW",
        found=f"an object of type {type(optimizer_class).__name__}",
        hint="pass the class, and its hyperparameters as keywords: lr=..., weight_decay=...",
    )


def arguments_of(optimizer_class: type[Any]) -> Arguments:
    """Read the constructor, and those of its bases as far as it passes keywords on."""
    found: dict[str, inspect.Parameter] = {}
    for base in optimizer_class.__mro__:
        if base in {Optimizer, object}:
            break
        if "__init__" not in vars(base):
            continue
        parameters = list(inspect.signature(vars(base)["__init__"]).parameters.values())[2:]
        for parameter in parameters:
            found.setdefault(parameter.name, parameter)
        if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
            return _arguments(found, is_open=False)
    return _arguments(found, is_open=True)


def _arguments(found: Mapping[str, inspect.Parameter], *, is_open: bool) -> Arguments:
    named = {name: p for name, p in found.items() if p.kind in _NAMED}
    defaults = {name: p.default for name, p in named.items() if p.default is not p.empty}
    return Arguments(tuple(named), defaults, is_open)


def require_known(
    arguments: Arguments, hyperparameters: Mapping[str, Any], optimizer_class: type[Any]
) -> None:
    """Refuse hyperparameters that the optimizer does not take.

    Raises:
        OptimizerError: There is one, perhaps misspelt.
    """
    unknown = [name for name in hyperparameters if name not in arguments.names]
    if arguments.open or not unknown:
        return
    close = get_close_matches(unknown[0], arguments.names, n=1)
    raise OptimizerError(
        f"{optimizer_class.__name__} takes no such hyperparameter",
        where=unknown[0],
        expected=", ".join(arguments.names),
        hint=f"did you mean {close[0]}?" if close else None,
    )


def require_lr(settings: Mapping[str, Any]) -> None:
    """Refuse settings without a learning rate.

    Raises:
        OptimizerError: Neither the user nor the optimizer names one.
    """
    if settings.get("lr") is not None:
        return
    raise OptimizerError(
        "there is no learning rate to scale",
        found="lr=None" if "lr" in settings else "an optimizer without a default for it",
        hint="pass lr=...",
    )

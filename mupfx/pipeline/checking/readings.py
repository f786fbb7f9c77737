"""What is read of one size: the spread of starting values, and each group's numbers.

Starting values of all seeds are taken together; an error says how far chance alone may move them.
"""

import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mupfx.core.evidence import OptimizerEvidence
from mupfx.core.optimizer_family import OptimizerFamily
from mupfx.core.setup import Setup
from mupfx.errors import MupfxError
from mupfx.tables.optimizers import ATTRIBUTE, CLASSES, family_of

FEW = 200
NORMAL = 2.0
"""Fourth moment over the squared second, less one, of a normal law."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Rms of starting values, and the standard error of its logarithm."""

    rms: float
    error: float


@dataclass(frozen=True, slots=True)
class Entry:
    """What an optimizer does with one parameter."""

    family: OptimizerFamily | None
    settings: Mapping[str, Any]
    default_decay: float | None


@dataclass(frozen=True, slots=True)
class Reading:
    """One size."""

    spreads: Mapping[str, Spread]
    entries: Mapping[str, tuple[Entry, ...]]
    """By parameter; several where it stands in several groups."""
    trained: Mapping[str, bool]
    optimizers: tuple[OptimizerEvidence, ...]
    kernels: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def read(setups: Sequence[Setup]) -> Reading:
    """Read all seeds of one size; optimizers of the first."""
    first = setups[0]
    names = {id(p): name for name, p in first.model.named_parameters()}
    entries: dict[str, list[Entry]] = {}
    facts = []
    for optimizer in first.optimizers:
        facts.append(_fact(optimizer))
        for name, entry in _entries(optimizer, names):
            entries.setdefault(name, []).append(entry)
    return Reading(
        spreads=_spreads([s.model for s in setups]),
        entries={name: tuple(found) for name, found in entries.items()},
        trained={name: p.requires_grad for name, p in first.model.named_parameters()},
        optimizers=tuple(facts),
    )


def _fact(optimizer: Optimizer) -> OptimizerEvidence:
    name = type(optimizer).__name__
    if steps_by_itself(optimizer):
        return OptimizerEvidence(name, None, "its step is its own")
    try:
        return OptimizerEvidence(name, family_of(type(optimizer), optimizer.defaults).name)
    except MupfxError as error:
        return OptimizerEvidence(name, None, error.what)


def is_known(optimizer: Optimizer) -> bool:
    """Whether it is of a family whose rules are known."""
    return _fact(optimizer).family is not None


def _entries(optimizer: Optimizer, names: Mapping[int, str]) -> Iterator[tuple[str, Entry]]:
    for group in optimizer.param_groups:
        settings = {key: value for key, value in group.items() if key != "params"}
        entry = Entry(_family(optimizer, settings), settings, _default_decay(optimizer))
        for parameter in group["params"]:
            if id(parameter) in names:
                yield names[id(parameter)], entry


def _family(optimizer: Optimizer, settings: Mapping[str, Any]) -> OptimizerFamily | None:
    named = settings.get("mupfx", {})
    if steps_by_itself(optimizer):
        return None
    try:
        return family_of(type(optimizer), settings, named.get("family"))
    except (MupfxError, AttributeError):
        return _family_of_class(optimizer, settings)


def steps_by_itself(optimizer: Optimizer) -> bool:
    """Whether a known optimizer's step was written anew: what it does with rates is not known."""
    kind: Any = type(optimizer)
    for base in kind.__mro__:
        path = f"{base.__module__}.{base.__qualname__}"
        if path in CLASSES or ATTRIBUTE in vars(base) or path.startswith("mupfx."):
            return inspect.unwrap(kind.step) is not inspect.unwrap(base.step)
    return False


def _family_of_class(optimizer: Optimizer, settings: Mapping[str, Any]) -> OptimizerFamily | None:
    try:
        return family_of(type(optimizer), settings)
    except MupfxError:
        return None


def _default_decay(optimizer: Optimizer) -> float | None:
    """What the optimizer's class decays by where nothing is said."""
    try:
        kind: Any = type(optimizer)
        made: Optimizer = kind([torch.zeros(1, 1)])
    except Exception:  # noqa: BLE001 - a class of the user's own, that wants arguments
        return None
    found = made.defaults.get("weight_decay")
    return float(found) if isinstance(found, int | float) else None


def _spreads(models: Sequence[nn.Module]) -> dict[str, Spread]:
    tensors: dict[str, list[Tensor]] = {}
    for model in models:
        for name, parameter in model.named_parameters():
            tensors.setdefault(name, []).append(parameter.detach())
    return {name: spread(found) for name, found in tensors.items()}


def spread(tensors: Sequence[Tensor]) -> Spread:
    """Rms of all entries; its error from their fourth moment."""
    squares = [t.double().square() for t in tensors]
    count = sum(s.numel() for s in squares)
    mean = sum(float(s.sum()) for s in squares) / max(count, 1)
    if not mean > 0 or not math.isfinite(mean):
        return Spread(0.0 if mean == 0 else math.nan, 0.0)
    fourth = sum(float(s.square().sum()) for s in squares) / count
    over = max(fourth / mean**2 - 1, 0.0)
    if over > 0 and count < FEW:  # too few to tell how heavy their tails are
        over = max(over, NORMAL)
    return Spread(math.sqrt(mean), math.sqrt(over / count) / 2)


def number(settings: Mapping[str, Any], key: str) -> float | None:
    """A hyperparameter as a number: the learning rate before any schedule."""
    key, _, place = key.partition(".")
    value = settings.get(f"initial_{key}", settings.get(key))
    if place and isinstance(value, tuple | list):
        value = value[int(place)]
    if isinstance(value, Tensor) and value.numel() == 1:
        return float(value)
    return float(value) if isinstance(value, int | float) else None

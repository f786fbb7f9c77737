"""What a format is given to write, and what it gives back to be checked.

A ``Parcel`` holds a copy of the model, with its multipliers in its weights or as it is. An
``Artefact`` is what was written, read back, as a function from a call to tensors.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mupfx.core.plan import Plan


@dataclass(frozen=True, slots=True)
class Call:
    """What a model is called with."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Parcel:
    """A model that is ready to be written."""

    model: nn.Module
    """In evaluation mode; nobody else's, so that a format may do with it what it likes."""
    call: Call
    tied: Mapping[str, tuple[str, ...]]
    """Names that share one parameter in the source: the first, and the others."""
    untied: tuple[str, ...] = ()
    """Those of the others that have values of their own in the copy."""
    plan: Plan | None = None


@dataclass(frozen=True, slots=True)
class Artefact:
    """What was written."""

    run: Callable[[Call], Sequence[Tensor]]
    """The tensors of its output, in order."""
    calls: tuple[Call, ...] = ()
    """Of other sizes than the example, where those may change."""
    notes: tuple[str, ...] = field(default=())


def device_of(model: nn.Module) -> torch.device:
    """Where a model is."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))


Writer = Callable[[Parcel, Path], Artefact]

"""What a target makes of one size: a model, and all that it takes to train it for some steps."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from mupfx.core.report import Size

Loss = Callable[[nn.Module, Any], Tensor]
"""From a model and a batch to a scalar."""


@dataclass(frozen=True, slots=True)
class Setup:
    """One size and seed of a target, ready to train; fresh, and used once."""

    size: Size
    seed: int
    model: nn.Module
    optimizers: tuple[Optimizer, ...]
    batch: Any
    loss: Loss
    args: tuple[Any, ...]
    """What ``loss`` calls the model with."""
    kwargs: dict[str, Any]
    schedulers: tuple[Any, ...] = ()
    """Stepped after every step of the optimizers."""
    supplied: tuple[str, ...] = ()
    """What the target did not bring, a sentence each."""

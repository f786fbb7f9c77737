"""What feature-speed correction measured, and what it set, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn


@dataclass(frozen=True, slots=True)
class LayerSpeed:
    """One layer, for a step at the rates found."""

    op: str
    block: str
    cosine: float
    """Of the angle between the layer's motion and minus its gradient."""
    gradient: float
    """Root mean square, per entry."""
    speed: float
    """Likewise, of its motion."""
    formula: float
    """The same by the Feature Speed Formula."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement, at one scale of the readout."""

    sensitivity: float
    """S: how much the last features move, of their size, for what the loss falls, of its size."""
    loss: float
    rates: Mapping[str, float]
    """Learning rate of every parameter that has a gradient."""
    layers: tuple[LayerSpeed, ...]


@dataclass(frozen=True, slots=True)
class Correction:
    """What ``mupfx.correct_feature_speed_`` returns."""

    target: float
    scale: float
    """What the readout was multiplied by."""
    readout: tuple[str, ...]
    """Its parameters."""
    rounds: tuple[Measured, ...]
    """The model as it was first, and after every rescaling."""
    reached: bool
    """Whether the last is within the tolerance."""

    @property
    def before(self) -> Measured:
        """The model as it was."""
        return self.rounds[0]

    @property
    def after(self) -> Measured:
        """The model as it is."""
        return self.rounds[-1]

    def groups(self, model: nn.Module, lr: float = 1.0) -> list[dict[str, Any]]:
        """Groups for an optimizer of the family that was asked for, one a parameter.

        Args:
            model: The model that was corrected.
            lr: A factor on all rates: the share of the loss that the first step should take,
                of that which was asked for.
        """
        rates = self.after.rates
        return [
            {"params": [parameter], "lr": lr * rates[name], "name": name}
            for name, parameter in model.named_parameters()
            if name in rates
        ]

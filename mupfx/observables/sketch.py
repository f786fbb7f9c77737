"""Statistics of tensors without the tensors: norms of all entries, and a fixed sample of them.

The sample is of the same entries at every step, so that the change since the start can be told
without keeping what there was at the start; of few entries it is all of them.
"""

from dataclasses import dataclass, field
from math import sqrt

import torch
from torch import Tensor

ENTRIES = 4096


@dataclass(frozen=True, slots=True)
class Sampler:
    """Which entries of a tensor are kept, by its size alone."""

    places: Tensor = field(
        default_factory=lambda: torch.rand(
            ENTRIES, generator=torch.Generator().manual_seed(0), dtype=torch.float64
        )
    )

    def take(self, value: Tensor) -> Tensor:
        """At most ``ENTRIES`` entries, as a copy."""
        value = value.detach()
        if value.numel() <= len(self.places):
            return value.reshape(-1).clone()
        return torch.take(value, (self.places * value.numel()).long().to(value.device))


def rms(value: Tensor) -> Tensor:
    """Root of the mean square, as a tensor of one number: nothing waits for it."""
    found: Tensor = torch.linalg.vector_norm(value.detach(), dtype=_wide(value))
    return found / sqrt(max(value.numel(), 1))


def mean_abs(value: Tensor) -> Tensor:
    """Mean absolute value."""
    found: Tensor = torch.linalg.vector_norm(value.detach(), 1, dtype=_wide(value))
    return found / max(value.numel(), 1)


def _wide(value: Tensor) -> torch.dtype:
    return value.dtype if value.dtype in (torch.float32, torch.float64) else torch.float32

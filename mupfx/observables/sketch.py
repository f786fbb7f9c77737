"""Statistics of tensors without the tensors: norms of all entries, and a fixed sample of them.

The sample is of the same entries at every step, so that the change since the start can be told
without keeping what there was at the start; of few entries it is all of them.
"""

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

ENTRIES = 4096
WIDE = (torch.float32, torch.float64)


class Sampler:
    """Which entries of a tensor are kept, by its size alone."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        places = torch.rand(ENTRIES, generator=generator, dtype=torch.float64)
        self.places = places.sort().values  # memory is read in order
        self.known: dict[tuple[int, torch.device], Tensor] = {}

    def take(self, value: Tensor) -> Tensor:
        """At most ``ENTRIES`` entries, as a copy."""
        entries = value.numel()
        if entries <= ENTRIES:
            return value.detach().reshape(-1).to(_wide(value), copy=True)
        key = entries, value.device
        if key not in self.known:
            self.known[key] = (self.places * entries).long().to(value.device)
        return torch.take(value.detach(), self.known[key]).to(_wide(value))


def rms(value: Tensor) -> float:
    """Root of the mean square."""
    return float(length(value)) * per_entry(value)


def length(value: Tensor) -> Tensor:
    """Root of the sum of squares, as a tensor of one number: nothing waits for it."""
    found: Tensor = torch.linalg.vector_norm(value, dtype=_wide(value))
    return found


def absolute(value: Tensor) -> Tensor:
    """Sum of absolute values, likewise."""
    return value.abs().sum(dtype=_wide(value))  # several times faster than the norm


def changes(now: Sequence[Tensor], before: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Lengths and sums of absolute values of the differences of many samples, one a pair."""
    device, wide = now[0].device, max((t.dtype for t in now), key=lambda d: torch.finfo(d).bits)
    there = [[t.to(device, wide) for t in samples] for samples in (now, before)]
    first, second = (pad_sequence(samples, batch_first=True) for samples in there)
    off = first - second
    return torch.linalg.vector_norm(off, dim=1), off.abs_().sum(1)


def per_entry(value: Tensor) -> float:
    """What a length is multiplied by to be a root mean square."""
    return 1 / sqrt(max(value.numel(), 1))


def _wide(value: Tensor) -> torch.dtype:
    return value.dtype if value.dtype in WIDE else torch.float32

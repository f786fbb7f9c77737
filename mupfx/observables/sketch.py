"""Statistics of tensors without the tensors: norms of all entries, and a fixed sample of them.

The sample is of the same entries at every step, so that the change since the start can be told
without keeping what there was at the start; of few entries it is all of them.
"""

from functools import cache
from math import gcd, sqrt

import torch
from torch import Tensor

ENTRIES = 4096
BESIDE = 16
"""Entries that are taken together, which is faster."""
WIDE = (torch.float32, torch.float64)


def sample(value: Tensor) -> Tensor:
    """At most ``ENTRIES`` entries, as a copy; the same ones of all tensors of one shape."""
    beside = BESIDE if value.numel() % BESIDE == 0 else 1
    chosen = spaced(value.detach(), beside, ENTRIES // beside)
    copy = chosen.clone(memory_format=torch.contiguous_format).view(-1)
    return copy if copy.dtype in WIDE else copy.float()


def spaced(value: Tensor, width: int, most: int) -> Tensor:
    """At most so many rows of a width, of a tensor that is rows one after the other; a view.

    >>> spaced(torch.arange(12), 2, 4).tolist()
    [[0, 1], [10, 11]]
    """
    rows = value.numel() // width
    every = stride(rows, most)
    if value.is_contiguous():  # one call instead of two
        return value.as_strided((-(-rows // every), width), (every * width, 1))
    return value.reshape(-1, width)[::every]


@cache
def stride(length: int, most: int) -> int:
    """Between places of which there are at most so many, in step with no period of the data.

    >>> stride(1000, 64), stride(60, 64), stride(0, 64)
    (17, 1, 1)
    """
    found = max(1, -(-length // most))
    while gcd(found, length) > 1 and length:
        found += 1
    return found


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


def of_rows(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Length and sum of absolute values of every row; the rows are used up."""
    sizes = torch.linalg.vector_norm(rows, dim=1, dtype=_wide(rows))
    return sizes, rows.abs_().sum(1, dtype=_wide(rows))


def per_entry(value: Tensor) -> float:
    """What a length is multiplied by to be a root mean square."""
    return 1 / sqrt(max(value.numel(), 1))


def _wide(value: Tensor) -> torch.dtype:
    return value.dtype if value.dtype in WIDE else torch.float32

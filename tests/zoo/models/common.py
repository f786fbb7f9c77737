"""What every builder of the zoo returns, and its seed: (model, positional arguments, keywords)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

Built = tuple[nn.Module, tuple[Any, ...], dict[str, Any]]


@contextmanager
def seeded(seed: int = 0) -> Iterator[None]:
    """Draw reproducibly, and leave the caller's generator as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def tokens(vocabulary: int, *shape: int, seed: int = 1) -> torch.Tensor:
    """Token ids, the same at every width."""
    with seeded(seed):
        return torch.randint(0, vocabulary, shape)


def floats(*shape: int, seed: int = 1) -> torch.Tensor:
    """Standard normal inputs, the same at every width."""
    with seeded(seed):
        return torch.randn(shape)

"""What the kit's ports share: a base width, batches, losses, and how a row looks at a size."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - as everybody calls it

BASE = 32
"""The width that hyperparameters were tuned at."""
VOCABULARY = 61
CLASSES = 10

Group = dict[str, Any]
Made = tuple[Any, ...]
"""A model, optimizers, and a batch and a loss where the target brings them."""
Factory = Callable[..., Made]


def vectors(rows: int = 32, size: int = 16) -> tuple[Tensor, Tensor]:
    """Points and their classes: the same at every width and seed."""
    draw = torch.Generator().manual_seed(7)
    points = torch.randn(rows, size, generator=draw)
    return points, torch.randint(CLASSES, (rows,), generator=draw)


def pictures(rows: int = 16, size: int = 8) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(8)
    points = torch.randn(rows, 3, size, size, generator=draw)
    return points, torch.randint(CLASSES, (rows,), generator=draw)


def sentences(rows: int = 8, length: int = 16) -> Tensor:
    draw = torch.Generator().manual_seed(9)
    return torch.randint(VOCABULARY, (rows, length + 1), generator=draw)


def classify(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    points, classes = batch
    return F.cross_entropy(model(points), classes)


def regress(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    points, classes = batch
    return F.mse_loss(model(points), F.one_hot(classes, CLASSES).float())


def predict(model: nn.Module, tokens: Tensor) -> Tensor:
    """Each token from those before it."""
    logits = model(tokens[:, :-1])
    return F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


def parameters(module: nn.Module, *, vectors: bool) -> list[Tensor]:
    """Those of one dimension, or the others."""
    return [p for p in module.parameters() if (p.ndim == 1) is vectors]

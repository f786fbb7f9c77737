"""A frozen net with adapters of low rank, which are all that trains."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from tests.mutants.models.common import BASE, CLASSES, Made, classify, vectors

RANK = 4


class Adapted(nn.Module):
    """``W x + B A x`` with a frozen ``W``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.frozen = nn.Linear(width, width)
        self.frozen.requires_grad_(requires_grad=False)
        self.down = nn.Parameter(torch.randn(RANK, width) / width)
        self.up = nn.Parameter(torch.zeros(width, RANK))

    def forward(self, x: Tensor) -> Any:
        """Both ways."""
        return self.frozen(x) + (x @ self.down.T) @ self.up.T


class Adapters(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(16, width)
        self.layers = nn.ModuleList(Adapted(width) for _ in range(2))
        self.last = nn.Linear(width, CLASSES, bias=False)
        nn.init.normal_(self.last.weight, std=4.0 / width)

    def forward(self, x: Tensor) -> Any:
        """Classes of points."""
        x = torch.tanh(self.first(x))
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return self.last(x)


def lora(width: int, seed: int = 0, *, down: float = -1.0) -> Made:
    """What reads the width is slower, what writes it is not."""
    torch.manual_seed(seed)
    model, growth = Adapters(width), width / BASE
    downs = [layer.down for layer in model.layers]
    ups = [layer.up for layer in model.layers]
    optimizer = AdamW(
        [
            {"params": downs, "lr": 5e-3 * growth**down},
            {"params": [*ups, *model.first.parameters()]},
            {"params": [model.last.weight], "lr": 5e-3 / growth},
        ],
        lr=5e-3,
        weight_decay=0.0,
    )
    return model, optimizer, vectors(), classify

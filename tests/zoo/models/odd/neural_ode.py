"""A flow of an augmented state, integrated by Runge and Kutta's fourth-order steps."""

import torch
from torch import nn
from torch.nn import functional

from tests.zoo.models.common import Built, floats, seeded


class Field(nn.Module):
    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.l1 = nn.Linear(size + 1, hidden)
        self.l2 = nn.Linear(hidden, size)

    def forward(self, t: float, z: torch.Tensor) -> torch.Tensor:
        time = torch.full_like(z[:, :1], t)
        out: torch.Tensor = self.l2(torch.tanh(self.l1(torch.cat([z, time], dim=1))))
        return out


class AugmentedODE(nn.Module):
    def __init__(self, data: int, extra: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.extra = extra
        self.field = Field(data + extra, hidden)
        self.read = nn.Linear(data + extra, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z, h = functional.pad(x, (0, self.extra)), 0.25
        for i in range(3):
            t = i * h
            k1 = self.field(t, z)
            k2 = self.field(t + h / 2, z + h / 2 * k1)
            k3 = self.field(t + h / 2, z + h / 2 * k2)
            k4 = self.field(t + h, z + h * k3)
            z = z + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        out: torch.Tensor = self.read(z)
        return out


def build(scale: int = 1) -> Built:
    """The state grows by its added part, the field by its hidden layer."""
    with seeded():
        model = AugmentedODE(2, 8 * scale, 24 * scale, 3)
    return model, (floats(5, 2),), {}

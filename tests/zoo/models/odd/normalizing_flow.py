"""An invertible flow: affine couplings around a vector that stays as wide as the data."""

import math

import torch
from torch import nn

from tests.zoo.models.common import Built, floats, seeded


class ActNorm(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(size))
        self.log_gain = nn.Parameter(torch.zeros(size))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return (x + self.shift) * self.log_gain.exp(), self.log_gain.sum()


class Coupling(nn.Module):
    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(size // 2, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, size),
        )

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        left, right = x.chunk(2, dim=1)
        log_scale, shift = self.net(left).chunk(2, dim=1)
        log_scale = torch.tanh(log_scale)
        right = right * log_scale.exp() + shift
        return torch.cat([right, left], dim=1), log_scale.sum(dim=1)


class Flow(nn.Module):
    def __init__(self, size: int, hidden: int, steps: int) -> None:
        super().__init__()
        self.steps = nn.ModuleList(
            nn.ModuleList([ActNorm(size), Coupling(size, hidden)]) for _ in range(steps)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        log_det = x.new_zeros(x.shape[0])
        for step in self.steps:
            for layer in step.children():
                x, change = layer(x)
                log_det = log_det + change
            x = x.flip(1)
        prior = -0.5 * (x**2 + math.log(2 * math.pi)).sum(1)
        return -(prior + log_det).mean()


def build(scale: int = 1) -> Built:
    with seeded():
        model = Flow(8, 24 * scale, 2)
    return model, (floats(6, 8),), {}

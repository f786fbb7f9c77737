"""Linear maps over quaternions: one weight of sixteen blocks, four of them free."""

import torch
from torch import nn

from tests.zoo.models.common import Built, floats, seeded


class QuaternionLinear(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        shape = (inside // 4, outside // 4)
        self.r, self.i, self.j, self.k = (
            nn.Parameter(torch.randn(shape) / inside**0.5) for _ in range(4)
        )
        self.bias = nn.Parameter(torch.zeros(outside))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        r, i, j, k = self.r, self.i, self.j, self.k
        weight = torch.cat(
            [
                torch.cat([r, -i, -j, -k], dim=0),
                torch.cat([i, r, -k, j], dim=0),
                torch.cat([j, k, r, -i], dim=0),
                torch.cat([k, -j, i, r], dim=0),
            ],
            dim=1,
        )
        return torch.addmm(self.bias, x, weight)


def build(scale: int = 1) -> Built:
    with seeded():
        model = nn.Sequential(
            QuaternionLinear(12, 32 * scale),
            nn.ReLU(),
            QuaternionLinear(32 * scale, 64 * scale),
            nn.ReLU(),
            QuaternionLinear(64 * scale, 32 * scale),
            nn.ReLU(),
            nn.Linear(32 * scale, 5),
        )
    return model, (floats(7, 12),), {}

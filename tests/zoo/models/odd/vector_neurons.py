"""Rotation-equivariant point clouds: every channel is a vector of three, rows mix channels alone."""

import torch
from torch import nn

from tests.zoo.models.common import Built, floats, seeded


class VNLinear(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outside, inside) / inside**0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("oc,bcxn->boxn", self.weight, x)


class VNReLU(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.direction = nn.Linear(channels, channels, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        d = self.direction(x.transpose(1, -1)).transpose(1, -1)
        dot = (x * d).sum(2, keepdim=True)
        squared = (d * d).sum(2, keepdim=True)
        return torch.where(dot >= 0, x, x - dot / (squared + 1e-6) * d)


class VNClassifier(nn.Module):
    def __init__(self, channels: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.lift = VNLinear(3, channels)
        self.act1 = VNReLU(channels)
        self.mix = VNLinear(2 * channels, channels)
        self.act2 = VNReLU(channels)
        self.frame = VNLinear(channels, 3)
        self.fc1 = nn.Linear(channels * 3, hidden)
        self.fc2 = nn.Linear(hidden, classes)

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        x = points.transpose(1, 2)
        mean = x.mean(-1, keepdim=True).expand_as(x)
        x = torch.stack([x, mean, torch.cross(x, mean, dim=1)], dim=1)
        x = self.act1(self.lift(x))
        x = torch.cat([x, x.mean(-1, keepdim=True).expand_as(x)], dim=1)
        x = self.act2(self.mix(x))
        invariant = torch.einsum("bcxn,bkxn->bckn", x, self.frame(x)).flatten(1, 2)
        pooled = invariant.max(dim=-1).values
        out: torch.Tensor = self.fc2(torch.relu(self.fc1(pooled)))
        return out


def build(scale: int = 1) -> Built:
    with seeded():
        model = VNClassifier(20 * scale, 48 * scale, 11)
    return model, (floats(2, 13, 3),), {}

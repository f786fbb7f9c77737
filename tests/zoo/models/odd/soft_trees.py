"""An ensemble of differentiable oblivious trees: each level asks one soft question."""

import torch
from torch import nn

from tests.zoo.models.common import Built, floats, seeded


class SoftForest(nn.Module):
    def __init__(self, features: int, trees: int, depth: int, outputs: int) -> None:
        super().__init__()
        self.depth = depth
        self.norm = nn.BatchNorm1d(features)
        self.choice = nn.Parameter(torch.rand(features, trees, depth))
        self.threshold = nn.Parameter(torch.randn(trees, depth))
        self.log_temperature = nn.Parameter(torch.zeros(trees, depth))
        self.response = nn.Parameter(torch.randn(trees, 2**depth, outputs) / trees)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(x)
        feature = torch.einsum("bf,ftd->btd", x, torch.softmax(self.choice, dim=0))
        right = torch.sigmoid((feature - self.threshold) * torch.exp(-self.log_temperature))
        leaves = torch.ones(x.shape[0], self.threshold.shape[0], 1)
        for level in range(self.depth):
            p = right[:, :, level].unsqueeze(-1)
            leaves = torch.stack([leaves * p, leaves * (1 - p)], dim=-1).flatten(2)
        return torch.einsum("btl,tlo->bo", leaves, self.response)


def build(scale: int = 1) -> Built:
    with seeded():
        model = SoftForest(9, 32 * scale, 4, 3)
    return model.eval(), (floats(5, 9),), {}

"""A sum of one small network a feature, all of them in three stacked tensors."""

import torch
from torch import nn

from tests.zoo.models.common import Built, floats, seeded


class AdditiveModel(nn.Module):
    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(features, hidden))
        self.b1 = nn.Parameter(torch.zeros(features, hidden))
        self.w2 = nn.Parameter(torch.randn(features, hidden, hidden) / hidden**0.5)
        self.b2 = nn.Parameter(torch.zeros(features, hidden))
        self.w3 = nn.Parameter(torch.randn(features, hidden) / hidden**0.5)
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.relu(x.unsqueeze(-1) * self.w1 + self.b1)
        h = torch.relu(torch.einsum("bfh,fhk->bfk", h, self.w2) + self.b2)
        return (h * self.w3).sum(-1).sum(-1) + self.bias


def build(scale: int = 1) -> Built:
    with seeded():
        model = AdditiveModel(6, 16 * scale)
    return model, (floats(5, 6),), {}

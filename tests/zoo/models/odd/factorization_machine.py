"""Pairwise interactions of embedded fields, beside a network on the embeddings in a row."""

import torch
from torch import nn

from tests.zoo.models.common import Built, seeded, tokens


class DeepFM(nn.Module):
    offset: torch.Tensor

    def __init__(self, fields: int, entries: int, factors: int, hidden: int) -> None:
        super().__init__()
        self.first = nn.Embedding(fields * entries, 1)
        self.factors = nn.Embedding(fields * entries, factors)
        self.register_buffer("offset", torch.arange(fields) * entries)
        self.deep = nn.Sequential(
            nn.Linear(fields * factors, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Linear(hidden, 1),
        )

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        ids = ids + self.offset
        linear = self.first(ids).sum(1).squeeze(-1)
        v = self.factors(ids)
        pairs = 0.5 * (v.sum(1) ** 2 - (v**2).sum(1)).sum(-1)
        deep = self.deep(v.flatten(1)).squeeze(-1)
        return torch.sigmoid(linear + pairs + deep)


def build(scale: int = 1) -> Built:
    with seeded():
        model = DeepFM(4, 9, 8 * scale, 20 * scale)
    return model.eval(), (tokens(9, 6, 4),), {}

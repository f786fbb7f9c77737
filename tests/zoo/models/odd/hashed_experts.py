"""Experts by the hash of a token: whole matrices are looked up and applied one a position."""

import torch
from torch import nn

from tests.zoo.models.common import Built, seeded, tokens


class HashLayer(nn.Module):
    def __init__(self, experts: int, dim: int, hidden: int) -> None:
        super().__init__()
        self.experts = experts
        self.norm = nn.LayerNorm(dim)
        self.w1 = nn.Parameter(torch.randn(experts, dim, hidden) / dim**0.5)
        self.b1 = nn.Parameter(torch.zeros(experts, hidden))
        self.w2 = nn.Parameter(torch.randn(experts, hidden, dim) / hidden**0.5)

    def forward(self, x: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        e = (ids * 7 + 3) % self.experts
        h = torch.einsum("btd,btdh->bth", self.norm(x), self.w1[e]) + self.b1[e]
        h = torch.relu(h).unsqueeze(-2)
        return x + (h @ self.w2[e]).squeeze(-2)


class HashLM(nn.Module):
    def __init__(self, vocabulary: int, dim: int, hidden: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, dim)
        self.layers = nn.ModuleList(HashLayer(5, dim, hidden) for _ in range(2))
        self.head = nn.Linear(dim, vocabulary)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embed(ids)
        for layer in self.layers:
            x = layer(x, ids)
        out: torch.Tensor = self.head(x)
        return out


def build(scale: int = 1) -> Built:
    with seeded():
        model = HashLM(29, 16 * scale, 40 * scale)
    return model, (tokens(29, 2, 6),), {}

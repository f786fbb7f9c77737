"""A set transformer: induced points, heads folded into the batch by split and cat."""

import math

import torch
from torch import nn

from tests.zoo.models.common import Built, floats, seeded


class MAB(nn.Module):
    def __init__(self, dim_q: int, dim_k: int, dim: int, heads: int) -> None:
        super().__init__()
        self.dim, self.heads = dim, heads
        self.fc_q = nn.Linear(dim_q, dim)
        self.fc_k = nn.Linear(dim_k, dim)
        self.fc_v = nn.Linear(dim_k, dim)
        self.fc_o = nn.Linear(dim, dim)
        self.ln0 = nn.LayerNorm(dim)
        self.ln1 = nn.LayerNorm(dim)

    def forward(self, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        q, k, v = self.fc_q(queries), self.fc_k(keys), self.fc_v(keys)
        part = self.dim // self.heads
        q, k, v = (torch.cat(torch.split(t, part, dim=2), dim=0) for t in (q, k, v))
        a = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(self.dim), dim=2)
        o = torch.cat(torch.split(q + a @ v, queries.size(0), dim=0), dim=2)
        o = self.ln0(o)
        out: torch.Tensor = self.ln1(o + torch.relu(self.fc_o(o)))
        return out


class ISAB(nn.Module):
    def __init__(self, dim_in: int, dim: int, heads: int, points: int) -> None:
        super().__init__()
        self.inducing = nn.Parameter(torch.empty(1, points, dim))
        nn.init.xavier_uniform_(self.inducing)
        self.mab0 = MAB(dim, dim_in, dim, heads)
        self.mab1 = MAB(dim_in, dim, dim, heads)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        summary = self.mab0(self.inducing.repeat(x.size(0), 1, 1), x)
        out: torch.Tensor = self.mab1(x, summary)
        return out


class SetTransformer(nn.Module):
    def __init__(self, dim_in: int, dim: int, heads: int, classes: int) -> None:
        super().__init__()
        self.enc = nn.Sequential(ISAB(dim_in, dim, heads, 6), ISAB(dim, dim, heads, 6))
        self.seed = nn.Parameter(torch.randn(1, 1, dim))
        self.pool = MAB(dim, dim, dim, heads)
        self.head = nn.Linear(dim, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.enc(x)
        x = self.pool(self.seed.repeat(x.size(0), 1, 1), x)
        out: torch.Tensor = self.head(x.squeeze(1))
        return out


def build(scale: int = 1, *, more_heads: bool = False) -> Built:
    """Heads of a growing size, or a growing number of them."""
    with seeded():
        model = SetTransformer(3, 32 * scale, 4 * scale if more_heads else 4, 7)
    return model, (floats(2, 9, 3),), {}

"""A frozen transformer tuned from outside: learned prefixes of keys and values, and adapters."""

import torch
from torch import nn
from torch.nn import functional

from tests.zoo.models.common import Built, seeded, tokens


class Adapter(nn.Module):
    def __init__(self, dim: int, rank: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(dim, rank), nn.Linear(rank, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = x + self.up(functional.gelu(self.down(x)))
        return out


class TunedLayer(nn.Module):
    def __init__(self, dim: int, heads: int, prefix: int, rank: int) -> None:
        super().__init__()
        self.heads = heads
        self.prefix = nn.Parameter(torch.randn(2, prefix, dim) * 0.1)
        self.q, self.k, self.v, self.o = (nn.Linear(dim, dim) for _ in range(4))
        self.up, self.down = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        self.adapt1, self.adapt2 = Adapter(dim, rank), Adapter(dim, rank)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)

    def split(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, d = x.shape
        h = self.norm1(x)
        k = torch.cat([self.prefix[0].expand(b, -1, -1), self.k(h)], dim=1)
        v = torch.cat([self.prefix[1].expand(b, -1, -1), self.v(h)], dim=1)
        a = functional.scaled_dot_product_attention(
            self.split(self.q(h)), self.split(k), self.split(v)
        )
        x = x + self.adapt1(self.o(a.transpose(1, 2).reshape(b, t, d)))
        out: torch.Tensor = x + self.adapt2(self.down(functional.gelu(self.up(self.norm2(x)))))
        return out


class TunedClassifier(nn.Module):
    def __init__(self, vocabulary: int, dim: int, heads: int, classes: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, dim)
        self.layers = nn.Sequential(*(TunedLayer(dim, heads, 3, 6) for _ in range(2)))
        self.head = nn.Linear(dim, classes)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.head(self.layers(self.embed(ids))[:, 0])
        return out


def build(scale: int = 1) -> Built:
    with seeded():
        model = TunedClassifier(33, 32 * scale, 4 * scale, 5)
    return model, (tokens(33, 2, 7),), {}

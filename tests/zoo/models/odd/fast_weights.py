"""Fast weights by the delta rule: one projection gives each head q, k, v and its own write rate."""

import torch
from torch import nn
from torch.nn import functional

from tests.zoo.models.common import Built, seeded, tokens


def feature(x: torch.Tensor) -> torch.Tensor:
    x = functional.elu(x) + 1.0
    return x / x.sum(-1, keepdim=True)


class DeltaLayer(nn.Module):
    def __init__(self, dim: int, heads: int, size: int) -> None:
        super().__init__()
        self.heads, self.size = heads, size
        self.norm = nn.LayerNorm(dim)
        self.slow = nn.Linear(dim, heads * (3 * size + 1), bias=False)
        self.out = nn.Linear(heads * size, dim, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, _ = x.shape
        qkvb = self.slow(self.norm(x)).view(b, t, self.heads, 3 * self.size + 1)
        q, k, v, beta = torch.split(qkvb, [self.size, self.size, self.size, 1], -1)
        q, k, beta = feature(q), feature(k), torch.sigmoid(beta)
        memory = torch.zeros(b, self.heads, self.size, self.size)
        steps = []
        for i in range(t):
            old = torch.einsum("bhvk,bhk->bhv", memory, k[:, i])
            new = beta[:, i] * (v[:, i] - old)
            memory = memory + new[..., :, None] * k[:, i, :, None, :]
            steps.append((memory @ q[:, i].unsqueeze(-1)).squeeze(-1))
        out: torch.Tensor = x + self.out(torch.stack(steps, 1).reshape(b, t, -1))
        return out


class FastWeights(nn.Module):
    def __init__(self, vocabulary: int, dim: int, heads: int, size: int, layers: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, dim)
        self.layers = nn.ModuleList(DeltaLayer(dim, heads, size) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, vocabulary)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embed(ids)
        for layer in self.layers:
            x = layer(x)
        out: torch.Tensor = self.head(self.norm(x))
        return out


def build(scale: int = 1, *, larger_heads: bool = False) -> Built:
    """More heads, or larger ones: their slices of the projection are 3 * size + 1 long."""
    heads, size = (4, 8 * scale) if larger_heads else (4 * scale, 8)
    with seeded():
        model = FastWeights(40, 32 * scale, heads, size, 2)
    return model, (tokens(40, 2, 5),), {}

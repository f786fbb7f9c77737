"""A language model with a product-key memory: two short searches address n * n values."""

import torch
from torch import nn

from tests.zoo.models.common import Built, seeded, tokens


class ProductKeyMemory(nn.Module):
    def __init__(self, dim: int, heads: int, key: int, n: int, k: int) -> None:
        super().__init__()
        self.heads, self.n, self.k = heads, n, k
        self.query = nn.Linear(dim, heads * key)
        self.keys = nn.Parameter(torch.randn(heads, 2, n, key // 2) / (key // 2) ** 0.5)
        self.values = nn.EmbeddingBag(n * n, dim, mode="sum")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, d = x.shape
        q = self.query(x).view(b * t, self.heads, 2, -1)
        scores = torch.einsum("mhpe,hpne->mhpn", q, self.keys)
        best, where = scores.topk(self.k, dim=-1)
        every = (best[:, :, 0, :, None] + best[:, :, 1, None, :]).flatten(2)
        index = (where[:, :, 0, :, None] * self.n + where[:, :, 1, None, :]).flatten(2)
        best, chosen = every.topk(self.k, dim=-1)
        index = index.gather(-1, chosen)
        weights = best.softmax(-1)
        out = self.values(index.flatten(1), per_sample_weights=weights.flatten(1))
        found: torch.Tensor = out.view(b, t, d)
        return found


class MemoryLM(nn.Module):
    def __init__(self, vocabulary: int, dim: int, layers: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, dim)
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(layers))
        self.memories = nn.ModuleList(ProductKeyMemory(dim, 2, 16, 8, 3) for _ in range(layers))
        self.head = nn.Linear(dim, vocabulary, bias=False)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embed(ids)
        for norm, memory in zip(self.norms, self.memories, strict=True):
            x = x + memory(norm(x))
        out: torch.Tensor = self.head(x)
        return out


def build(scale: int = 1) -> Built:
    with seeded():
        model = MemoryLM(50, 32 * scale, 2)
    return model, (tokens(50, 2, 7),), {}

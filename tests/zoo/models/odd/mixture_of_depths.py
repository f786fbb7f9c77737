"""Only the tokens that a router picks pass through a block; the others skip it."""

import torch
from torch import nn
from torch.nn import functional

from tests.zoo.models.common import Built, seeded, tokens


class Block(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.RMSNorm(dim), nn.RMSNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.proj = nn.Linear(dim, dim, bias=False)
        self.up = nn.Linear(dim, 4 * dim)
        self.down = nn.Linear(4 * dim, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, d = x.shape
        qkv = self.qkv(self.norm1(x)).view(b, t, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        a = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        y: torch.Tensor = self.proj(a.transpose(1, 2).reshape(b, t, d))
        out: torch.Tensor = y + self.down(functional.gelu(self.up(self.norm2(x + y))))
        return out


class Routed(nn.Module):
    def __init__(self, dim: int, heads: int, capacity: float) -> None:
        super().__init__()
        self.capacity = capacity
        self.router = nn.Linear(dim, 1, bias=False)
        self.block = Block(dim, heads)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _, t, d = x.shape
        weights, chosen = self.router(x).squeeze(-1).topk(int(self.capacity * t), dim=1)
        chosen, order = chosen.sort(dim=1)
        weights = weights.gather(1, order)
        index = chosen.unsqueeze(-1).expand(-1, -1, d)
        update = self.block(x.gather(1, index)) * torch.sigmoid(weights).unsqueeze(-1)
        return x.scatter_add(1, index, update)


class DepthLM(nn.Module):
    def __init__(self, vocabulary: int, length: int, dim: int, heads: int) -> None:
        super().__init__()
        self.token = nn.Embedding(vocabulary, dim)
        self.place = nn.Parameter(torch.randn(length, dim) * 0.02)
        self.layers = nn.ModuleList(Routed(dim, heads, 0.5) for _ in range(2))
        self.norm = nn.RMSNorm(dim)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.token(ids) + self.place[: ids.shape[1]]
        for layer in self.layers:
            x = layer(x)
        logits: torch.Tensor = self.norm(x) @ self.token.weight.t()
        return logits


def build(scale: int = 1) -> Built:
    with seeded():
        model = DepthLM(44, 16, 32 * scale, 4 * scale)
    return model, (tokens(44, 2, 10),), {}

"""Attention along the edges of a graph, with features of edges in keys and values."""

import torch
from torch import nn

from tests.zoo.models.common import Built, floats, seeded, tokens


class EdgeAttention(nn.Module):
    def __init__(self, dim: int, heads: int, edge: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v = (nn.Linear(dim, dim) for _ in range(3))
        self.e = nn.Linear(edge, dim, bias=False)
        self.skip = nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: torch.Tensor, edges: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        source, target = edges
        n, d = x.shape
        e = self.e(features)
        q, k, v = self.q(x)[target], self.k(x)[source] + e, self.v(x)[source] + e
        q, k, v = (t.view(-1, self.heads, d // self.heads) for t in (q, k, v))
        score = (q * k).sum(-1) / (d // self.heads) ** 0.5
        index = target[:, None].expand_as(score)
        top = torch.full((n, self.heads), -1e9).scatter_reduce(0, index, score, "amax")
        weight = (score - top[target]).exp()
        total = torch.zeros(n, self.heads).index_add(0, target, weight)
        weight = weight / (total[target] + 1e-9)
        y = torch.zeros(n, self.heads, d // self.heads).index_add(
            0, target, weight.unsqueeze(-1) * v
        )
        out: torch.Tensor = self.norm(y.flatten(1) + self.skip(x))
        return out


class EdgeTransformer(nn.Module):
    def __init__(self, node: int, edge: int, dim: int, heads: int, outputs: int) -> None:
        super().__init__()
        self.lift = nn.Linear(node, dim)
        self.layers = nn.ModuleList(EdgeAttention(dim, heads, edge) for _ in range(2))
        self.read = nn.Linear(dim, outputs)

    def forward(self, x: torch.Tensor, edges: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        x = self.lift(x)
        for layer in self.layers:
            x = x + torch.relu(layer(x, edges, features))
        out: torch.Tensor = self.read(x.sum(0, keepdim=True))
        return out


def build(scale: int = 1, *, more_heads: bool = True) -> Built:
    with seeded():
        model = EdgeTransformer(5, 4, 24 * scale, 3 * scale if more_heads else 3, 2)
    return model, (floats(8, 5), tokens(8, 2, 17), floats(17, 4)), {}

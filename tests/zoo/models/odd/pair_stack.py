"""Sequences and pairs that update one another: outer products, triangles, biased attention."""

import torch
from torch import nn

from tests.zoo.models.common import Built, seeded, tokens


class OuterProductMean(nn.Module):
    def __init__(self, single: int, pair: int, inner: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(single)
        self.left, self.right = nn.Linear(single, inner), nn.Linear(single, inner)
        self.out = nn.Linear(inner * inner, pair)

    def forward(self, m: torch.Tensor) -> torch.Tensor:
        m = self.norm(m)
        outer = torch.einsum("bsic,bsjd->bijcd", self.left(m), self.right(m)) / m.shape[1]
        out: torch.Tensor = self.out(outer.flatten(-2))
        return out


class Triangle(nn.Module):
    def __init__(self, pair: int) -> None:
        super().__init__()
        self.norm_in, self.norm_out = nn.LayerNorm(pair), nn.LayerNorm(pair)
        self.proj = nn.Linear(pair, 2 * pair)
        self.gates = nn.Linear(pair, 2 * pair)
        self.gate = nn.Linear(pair, pair)
        self.out = nn.Linear(pair, pair)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        z = self.norm_in(z)
        a, b = (self.proj(z) * torch.sigmoid(self.gates(z))).chunk(2, dim=-1)
        x = torch.einsum("bikc,bjkc->bijc", a, b)
        out: torch.Tensor = self.out(self.norm_out(x)) * torch.sigmoid(self.gate(z))
        return out


class RowAttention(nn.Module):
    def __init__(self, single: int, pair: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(single)
        self.qkv = nn.Linear(single, 3 * single, bias=False)
        self.bias = nn.Linear(pair, heads, bias=False)
        self.out = nn.Linear(single, single)

    def forward(self, m: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        b, s, r, d = m.shape
        q, k, v = self.qkv(self.norm(m)).reshape(b, s, r, 3, self.heads, -1).unbind(3)
        logits = torch.einsum("bsihc,bsjhc->bshij", q, k) / (d // self.heads) ** 0.5
        logits = logits + self.bias(z).permute(0, 3, 1, 2).unsqueeze(1)
        y = torch.einsum("bshij,bsjhc->bsihc", logits.softmax(-1), v)
        out: torch.Tensor = self.out(y.flatten(-2))
        return out


class PairStack(nn.Module):
    def __init__(self, letters: int, single: int, pair: int, inner: int, heads: int) -> None:
        super().__init__()
        self.letters = letters
        self.embed = nn.Linear(letters, single)
        self.left, self.right = nn.Linear(letters, pair), nn.Linear(letters, pair)
        self.relative = nn.Embedding(9, pair)
        self.rows = RowAttention(single, pair, heads)
        self.outer = OuterProductMean(single, pair, inner)
        self.triangle = Triangle(pair)
        self.distances = nn.Linear(pair, 10)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = nn.functional.one_hot(ids, self.letters).float()
        m = self.embed(x)
        first = x[:, 0]
        place = torch.arange(ids.shape[-1])
        offset = (place[:, None] - place[None]).clamp(-4, 4) + 4
        z = self.left(first)[:, :, None] + self.right(first)[:, None] + self.relative(offset)
        m = m + self.rows(m, z)
        z = z + self.outer(m)
        z = z + self.triangle(z)
        out: torch.Tensor = self.distances(z + z.transpose(1, 2))
        return out


def build(scale: int = 1, *, inner_scale: int = 1) -> Built:
    """Heads grow in number; the outer product's factors grow only where asked."""
    with seeded():
        model = PairStack(21, 24 * scale, 16 * scale, 6 * inner_scale, 4 * scale)
    return model, (tokens(21, 2, 3, 7),), {}

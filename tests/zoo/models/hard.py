"""Models whose structure no autograd graph and no module tree shows: raw weights, cut branches."""

import torch
from torch import nn
from torch.nn import functional

from tests.zoo.models.common import Built, seeded, tokens


def _normal(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape) * 0.02)


class Products(nn.Module):
    """Grouped attention as einsums, ``x @ W``, ``W @ x``, a product with a vector."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        width, inner, heads = 23 * scale, 41 * scale, 3 * scale
        self.heads = heads
        self.table = _normal(97, width)
        self.q = _normal(width, 2 * heads, 7)
        self.kv = _normal(2, width, heads, 7)
        self.o = _normal(2 * heads, 7, width)
        self.up, self.down = _normal(width, inner), _normal(inner, width)
        self.left, self.gate = _normal(width, width), _normal(width)
        self.readout = _normal(width, 13)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.table[ids]
        q = torch.einsum("btd,dhk->bhtk", x, self.q)
        q = q.unflatten(1, (self.heads, 2))  # type: ignore[no-untyped-call]
        k, v = torch.einsum("btd,cdhk->cbhtk", x, self.kv)
        logits = torch.einsum("bhgtk,bhsk->bhgts", q, k) / 7**0.5
        mixed = torch.einsum("bhgts,bhsk->bhgtk", logits.softmax(-1), v).flatten(1, 2)
        x = x + torch.einsum("bhtk,hkd->btd", mixed, self.o)
        x = x + torch.relu(x @ self.up) @ self.down
        x = x + torch.tanh((self.left @ x.mT).mT) * (x @ self.gate).sigmoid()[..., None]
        return x @ self.readout


class Bare(nn.Module):
    """``functional.linear`` and its like on parameters of the model itself; no layer anywhere."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        width, inner = 23 * scale, 41 * scale
        self.heads = 6 * scale
        self.table, self.gain = _normal(97, width), _normal(width)
        self.qkv, self.proj = _normal(3 * self.heads * 7, width), _normal(width, self.heads * 7)
        self.up, self.shift, self.down = (
            _normal(inner, width),
            _normal(inner),
            _normal(width, inner),
        )
        self.kernel = _normal(width, width, 3)
        self.readout, self.offset = _normal(13, width), _normal(13)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = functional.embedding(ids, self.table)
        batch, length = ids.shape
        normed = functional.layer_norm(x, x.shape[-1:], self.gain)
        fused = functional.linear(normed, self.qkv).view(batch, length, 3, self.heads, 7)
        mixed = functional.scaled_dot_product_attention(*fused.permute(2, 0, 3, 1, 4))
        x = x + functional.linear(mixed.transpose(1, 2).flatten(2), self.proj)
        x = x + functional.linear(
            functional.gelu(functional.linear(x, self.up, self.shift)), self.down
        )
        x = x + functional.conv1d(x.mT, self.kernel, padding=1).mT
        return functional.linear(x, self.readout, self.offset)


class Tied(nn.Module):
    """An embedding that reads out too, in one of four spellings."""

    def __init__(self, scale: int, spelling: str) -> None:
        super().__init__()
        self.spelling = spelling
        self.embed = nn.Embedding(97, 23 * scale)
        self.inner = nn.Linear(23 * scale, 23 * scale)
        if spelling == "module":
            self.head = nn.Linear(23 * scale, 97, bias=False)
            self.head.weight = self.embed.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x: torch.Tensor = self.embed(ids)
        x = x + torch.tanh(self.inner(x))
        table = self.embed.weight
        match self.spelling:
            case "module":
                out: torch.Tensor = self.head(x)
                return out
            case "linear":
                return functional.linear(x, table)
            case "product":
                return x @ table.t()
        return torch.einsum("btd,vd->btv", x, table)


class Detached(nn.Module):
    """Branches that autograd does not see: detach, no_grad, frozen weights, straight-through."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        width, inner = 23 * scale, 41 * scale
        self.embed = nn.Embedding(97, width)
        self.side, self.back = nn.Linear(width, inner), nn.Linear(inner, width)
        self.frozen, self.mix = nn.Linear(width, 31 * scale), nn.Linear(31 * scale, width)
        self.round = nn.Linear(width, width)
        self.codes = _normal(19, width)
        self.head, self.probe = nn.Linear(width, 13), nn.Linear(width, 5)
        self.frozen.requires_grad_(requires_grad=False)

    def forward(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.embed(ids)
        x = x + self.back(torch.relu(self.side(x.detach())))
        with torch.no_grad():
            seen = torch.tanh(self.frozen(x))
        x = x + self.mix(seen)
        soft = self.round(x)
        x = soft + (soft.round() - soft).detach()
        nearest = torch.cdist(x.flatten(0, 1), self.codes).argmin(-1)
        x = x + (self.codes[nearest].view_as(x) - x).detach()
        return self.head(x), self.probe(x.detach())


class Data(nn.Module):
    """A branch cut off by ``.data``."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(97, 23 * scale)
        self.inner = nn.Linear(23 * scale, 23 * scale)
        self.head = nn.Linear(23 * scale, 13)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embed(ids)
        out: torch.Tensor = self.head(x + torch.tanh(self.inner(x)).data)
        return out


IDS = tokens(97, 2, 11)


def products(scale: int = 2) -> Built:
    """Width 23, 3 kv heads of 7 shared by 2, 41 inside."""
    with seeded():
        return Products(scale), (IDS,), {}


def bare(scale: int = 2) -> Built:
    """Width 23, 6 heads of 7, 41 inside."""
    with seeded():
        return Bare(scale), (IDS,), {}


def tied(scale: int = 2, *, spelling: str) -> Built:
    """Width 23."""
    with seeded():
        return Tied(scale, spelling), (IDS,), {}


def detached(scale: int = 2) -> Built:
    """Width 23, 41 inside, 31 in the frozen branch, 19 codes."""
    with seeded():
        return Detached(scale), (IDS,), {}


def data(scale: int = 2) -> Built:
    """Width 23."""
    with seeded():
        return Data(scale), (IDS,), {}

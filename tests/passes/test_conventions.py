"""Conventions of growth, and uses that are easily taken for others: small models, literal roles."""

import torch
from torch import nn
from torch.nn import functional

import mupfx
from mupfx.core.analysis import Analysis

IDS = torch.zeros(2, 6, dtype=torch.long)


def roles(found: Analysis) -> dict[str, str]:
    return {name: str(role.role) for name, role in found.roles.items()}


class Block(nn.Module):
    """Multi-head latent attention, as small as it gets: a rank, a norm by hand, shared keys."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.down = nn.Linear(width, 12, bias=False)
        self.gain = nn.Parameter(torch.ones(12))
        self.up = nn.Linear(12, heads * 14, bias=False)
        self.query = nn.Linear(width, heads * 10, bias=False)
        self.key = nn.Linear(width, 10, bias=False)
        self.out = nn.Linear(heads * 14, width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        low = self.down(x)
        low = self.gain * (low * torch.rsqrt(low.pow(2).mean(-1, keepdim=True) + 1e-6))
        shape = (*x.shape[:2], self.heads, -1)
        value = self.up(low).view(shape).transpose(1, 2)
        query = self.query(x).view(shape).transpose(1, 2)
        key = self.key(x).unsqueeze(1).expand(-1, self.heads, -1, -1)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        y: torch.Tensor = x + self.out(mixed.transpose(1, 2).flatten(2))
        return y


class Latent(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, width)
        self.block = Block(width, heads)
        self.head = nn.Linear(width, 50)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.head(self.block(self.embed(ids)))
        return y


def test_a_rank_past_a_norm_stays_and_heads_grow() -> None:
    found = mupfx.analyze(Latent(40, 4), (IDS,))
    assert roles(found) == {
        "embed.weight": "input",
        "block.down.weight": "output",
        "block.gain": "scalar",
        "block.up.weight": "input",
        "block.query.weight": "hidden",
        "block.key.weight": "output",
        "block.out.weight": "hidden",
        "head.weight": "output",
        "head.bias": "scalar",
    }
    assert str(found.roles["block.up.weight"].status) == "assumed"
    beside = mupfx.analyze(Latent(80, 8), (IDS,), base=Latent(40, 4))
    assert roles(beside) == roles(found)


class Narrow(nn.Module):
    """Inverted residuals: narrow between wide inner sizes, and with residuals along it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, width)
        self.up = nn.ModuleList(nn.Linear(width, 4 * width) for _ in range(2))
        self.down = nn.ModuleList(nn.Linear(4 * width, width) for _ in range(2))
        self.head = nn.Linear(width, 5)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embed(ids)
        for up, down in zip(self.up, self.down, strict=True):
            x = x + down(functional.gelu(up(x), approximate="none"))
        y: torch.Tensor = self.head(x)
        return y


def test_a_narrow_residual_stream_is_no_rank() -> None:
    found = roles(mupfx.analyze(Narrow(8), (IDS,)))
    assert found["up.0.weight"] == found["down.0.weight"] == "hidden"


class Factorized(nn.Module):
    """An embedding narrower than the stream; a polynomial along it is no residual."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(50, 12), nn.Embedding(6, 12)
        self.into = nn.Linear(12, width)
        self.inner = nn.Linear(width, width)
        self.head = nn.Linear(width, 5)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.into(self.words(ids) + self.places(torch.arange(6)))
        h = self.inner(x)
        y: torch.Tensor = self.head(x + h + 0.04 * h**3)
        return y


def test_a_factorized_embedding_stays() -> None:
    found = mupfx.analyze(Factorized(32), (IDS,))
    assert roles(found)["into.weight"] == "input"
    assert roles(found)["words.weight"] == "scalar"
    assert str(found.roles["words.weight"].status) == "assumed"


class Reader(nn.Module):
    """A stream that starts in the inputs; a head reads it, or it is returned."""

    def __init__(self, width: int, head: nn.Module) -> None:
        super().__init__()
        self.inner, self.head = nn.Linear(width, width), head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.head(x + self.inner(x).relu())
        return y


def test_a_stream_that_a_head_reads_may_start_in_an_input() -> None:
    found = mupfx.analyze(Reader(8, nn.Linear(8, 3)), (torch.zeros(2, 5, 8),))
    assert roles(found)["inner.weight"] == "hidden"
    assert str(found.roles["inner.weight"].status) == "assumed"
    space = mupfx.analyze(Reader(8, nn.Identity()), (torch.zeros(2, 5, 8),))
    assert roles(space)["inner.weight"] == "scalar"


class Pooler(nn.Module):
    """A learned query over heads, rows that the model chooses, a convolution along channels."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads, width = heads, 8 * heads
        self.embed = nn.Embedding(50, width)
        self.query = nn.Parameter(torch.randn(1, 1, width))
        self.shifts = nn.Parameter(torch.randn(3, width))
        self.near = nn.Conv1d(1, 1, 3, padding=1, bias=False)
        self.head = nn.Linear(width, 3)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embed(ids)
        keys = x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)
        query = self.query.expand(x.shape[0], -1, -1).view(x.shape[0], 1, self.heads, -1)
        mixed = functional.scaled_dot_product_attention(query.transpose(1, 2), keys, keys)
        pooled = mixed.transpose(1, 2).flatten(1)
        pooled = pooled * torch.sigmoid(self.near(pooled.unsqueeze(1))).squeeze(1)
        chosen = self.head(pooled).argmax(-1)
        y: torch.Tensor = self.head(pooled + self.shifts[chosen])
        return y


def test_learned_queries_chosen_rows_and_channels_slid_along() -> None:
    found = roles(mupfx.analyze(Pooler(4), (IDS,), base=Pooler(2)))
    assert found["query"] == "vector"
    assert found["shifts"] == "vector"
    assert found["near.weight"] == "scalar"
    assert found["head.weight"] == "output"


class Grouped(nn.Module):
    """More heads, put into as many groups as before: the groups do not grow."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.embed = nn.Embedding(50, 8 * heads)
        self.into = nn.Linear(8 * heads, 8 * heads, bias=False)
        self.group = nn.Parameter(torch.randn(8, heads, 5))
        self.head = nn.Linear(40, 3)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.into(self.embed(ids)).view(*ids.shape, self.heads, 8)
        x = x.flatten(2).view(*ids.shape, 8, self.heads)
        y: torch.Tensor = self.head(torch.einsum("btgi,gij->btgj", x, self.group).flatten(2))
        return y


def test_groups_of_more_heads_do_not_grow() -> None:
    found = mupfx.analyze(Grouped(8), (IDS,), base=Grouped(4))
    assert roles(found)["group"] == "output"
    assert roles(found)["head.weight"] == "scalar"


def test_nested_cuts_are_cheap() -> None:
    class Prefixes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.into, self.head = nn.Linear(3, 8), nn.Linear(8, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = self.into(x)[..., None].expand(-1, -1, 40).clone()
            for i in range(1, 40):
                h[..., i] = h[..., i] + h[..., :i].clone().sum(-1)
            y: torch.Tensor = self.head(h.sum(-1))
            return y

    found = roles(mupfx.analyze(Prefixes(), (torch.zeros(2, 3),)))
    assert found["into.weight"] == "input"
    assert found["head.weight"] == "output"

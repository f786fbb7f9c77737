"""Hooks: where a multiplier goes that no weight can carry, and that it does what it says."""

import copy
import pickle
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import nn
from torch.nn import functional

import mupfx
from mupfx.errors import LoweringError

Tensor = torch.Tensor
aten = torch.ops.aten
HEADS, BASE, SIZE = 2, 4, 16
Cut = Callable[[Tensor, int], Sequence[Tensor]]


def heads(x: Tensor, size: int) -> Tensor:
    return x.view(*x.shape[:2], HEADS, size).transpose(1, 2)


def rotate(x: Tensor, by: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return x * by.cos() + torch.cat((-x[..., half:], x[..., :half]), -1) * by.sin()


class Fused(nn.Module):
    """One projection for queries, keys and values; ``cut`` takes it apart."""

    def __init__(self, size: int, cut: Cut, *, rotary: bool = False) -> None:
        super().__init__()
        self.size, self.cut, self.rotary = size, cut, rotary
        self.both = nn.Linear(5, 3 * HEADS * size)
        self.out = nn.Linear(HEADS * size, 3)

    def attend(self, y: Tensor, factor: float) -> Tensor:
        q, k, v = self.cut(y, self.size)
        if self.rotary:
            by = torch.arange(y.shape[1], dtype=y.dtype)[:, None]
            q, k = rotate(q, by), rotate(k, by)
        mixed = functional.scaled_dot_product_attention(q * factor if factor != 1 else q, k, v)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out

    def forward(self, x: Tensor) -> Tensor:
        return self.attend(self.both(x), 1.0)


def slices(y: Tensor, d: int) -> list[Tensor]:
    n = HEADS * d
    return [heads(y[..., i * n : (i + 1) * n], d) for i in range(3)]


def permuted(y: Tensor, d: int) -> Tensor:
    return y.reshape(*y.shape[:2], 3, HEADS, d).permute(2, 0, 3, 1, 4)


CUTS: dict[str, tuple[str, Cut]] = {
    "split": ("0:32 of 96", lambda y, d: [heads(p, d) for p in aten.split.Tensor(y, HEADS * d, -1)]),
    "sizes": (
        "0:32 of 96",
        lambda y, d: [heads(p, d) for p in aten.split.sizes(y, [HEADS * d] * 3, -1)],
    ),
    "chunk": ("0:32 of 96", lambda y, d: [heads(p, d) for p in y.chunk(3, -1)]),
    "slices": ("0:32 of 96", slices),
    "unbind": ("0:32 of 96", lambda y, d: permuted(y, d).unbind(0)),
    "index": ("0:32 of 96", lambda y, d: [permuted(y, d)[i] for i in range(3)]),
    # heads outermost: the queries of each head, not the first rows
    "by head": (
        "0:16 of 48",
        lambda y, d: y.view(*y.shape[:2], HEADS, 3 * d).transpose(1, 2).chunk(3, -1),
    ),
    "by head, unbind": (
        "0:16 of 48",
        lambda y, d: y.view(*y.shape[:2], HEADS, 3, d).permute(3, 0, 2, 1, 4).unbind(0),
    ),
    "queries last": ("64:96 of 96", lambda y, d: [heads(p, d) for p in y.chunk(3, -1)][::-1]),
}  # fmt: skip


def fused(size: int, name: str, *, rotary: bool = False) -> Fused:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Fused(size, CUTS[name][1], rotary=rotary).double()


def inputs() -> Tensor:
    return torch.randn(2, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def converted(name: str, *, rotary: bool = False) -> tuple[Fused, Fused]:
    model = fused(SIZE, name, rotary=rotary)
    plain = copy.deepcopy(model)
    mupfx.convert(model, inputs(), base=fused(BASE, name, rotary=rotary))
    return plain, model


@pytest.mark.parametrize("rotary", [False, True], ids=["plain", "rotary"])
@pytest.mark.parametrize("name", CUTS)
def test_queries_of_a_fused_projection(name: str, rotary: bool) -> None:  # noqa: FBT001 - a case
    plain, model = converted(name, rotary=rotary)
    (site,) = mupfx.plan(model).sites.values()
    assert (site.lowering, site.multiplier) == ("hook", 0.5)
    assert site.target == (f"both: output[..., {CUTS[name][0]}] * 0.5",)
    plain.out.load_state_dict(model.out.state_dict())
    torch.testing.assert_close(model(inputs()), plain.attend(plain.both(inputs()), 0.5))


def test_hooks_are_plain_data() -> None:
    _, model = converted("split")
    for copied in (copy.deepcopy(model.both), pickle.loads(pickle.dumps(model.both))):
        assert torch.equal(copied(inputs()), model.both(inputs()))
        assert len(copied._forward_hooks) == 1


def test_without_hooks_it_is_refused() -> None:
    model = fused(SIZE, "split")
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(LoweringError, match="can go nowhere"):
        mupfx.convert(model, inputs(), base=fused(BASE, "split"), hooks=False)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class Read(nn.Module):
    """Queries that something else reads too, or that are the keys as well."""

    def __init__(self, size: int, way: str) -> None:
        super().__init__()
        self.size, self.way = size, way
        self.query, self.key = (nn.Linear(5, HEADS * size) for _ in range(2))
        self.out = nn.Linear(HEADS * size, 3)

    def forward(self, x: Tensor) -> Tensor:
        q, k = heads(self.query(x), self.size), torch.relu(heads(self.key(x), self.size))
        q, k = (q, q) if self.way == "shared" else (q, k)
        q = q * q if self.way == "squared" else q
        q = q + 1 if self.way == "shifted" else q
        mixed = functional.scaled_dot_product_attention(q, k, k)
        mixed = mixed + torch.sigmoid(q) if self.way == "read" else mixed
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


@pytest.mark.parametrize("way", ["shared", "squared", "shifted", "read"])
def test_what_a_factor_would_change_elsewhere_is_refused(way: str) -> None:
    with torch.random.fork_rng():
        model, base = Read(SIZE, way).double(), Read(BASE, way).double()
    with pytest.raises(LoweringError):
        mupfx.convert(model, inputs(), base=base)
    assert not any(module._forward_hooks for module in model.modules())


class Tied(nn.Module):
    """A readout tied to the embedding, called once or at two depths."""

    def __init__(self, width: int, calls: int) -> None:
        super().__init__()
        self.calls = calls
        self.table, self.inner = nn.Embedding(7, width), nn.Linear(width, width)
        self.head = nn.Linear(width, 7, bias=False)
        self.head.weight = self.table.weight

    def hidden(self, ids: Tensor) -> list[Tensor]:
        x: Tensor = self.table(ids)
        found = []
        for _ in range(self.calls):
            x = torch.tanh(self.inner(x))
            found.append(x)
        return found

    def forward(self, ids: Tensor) -> list[Tensor]:
        return [self.head(x) for x in self.hidden(ids)]


@pytest.mark.parametrize("calls", [1, 2])
def test_a_tied_readout_is_scaled_once_at_every_call(calls: int) -> None:
    ids = torch.arange(6).view(2, 3)
    with torch.random.fork_rng():
        model, base = Tied(32, calls), Tied(8, calls)
    mupfx.convert(model, ids, base=base)
    assert len(model.head._forward_pre_hooks) == 1
    for found, x in zip(model(ids), model.hidden(ids), strict=True):
        torch.testing.assert_close(found, functional.linear(x, model.table.weight) / 4)

"""Which of the rows that code takes apart are matrices of their own."""

import torch
from inline_snapshot import snapshot
from torch import Tensor, nn

import mupfx
from mupfx.core.analysis import Analysis
from mupfx.passes.matrices import matrices_of
from tests.zoo.models.common import floats

HEAD, HEADS, WIDTH = 8, 4, 32


class Attention(nn.Module):
    """Attention from queries, keys and values, with a rotary embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.make()
        self.out = nn.Linear(WIDTH, WIDTH, bias=False)

    def make(self) -> None:
        self.query = nn.Linear(WIDTH, WIDTH, bias=False)
        self.key = nn.Linear(WIDTH, WIDTH, bias=False)
        self.value = nn.Linear(WIDTH, WIDTH, bias=False)

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        shape = (*x.shape[:2], HEADS, HEAD)
        return self.query(x).view(shape), self.key(x).view(shape), self.value(x).view(shape)

    def rotated(self, x: Tensor) -> Tensor:
        angles = torch.arange(x.shape[1])[:, None, None] * torch.ones(HEAD // 2)
        first, second = x[..., : HEAD // 2], x[..., HEAD // 2 :]
        turned = (
            first * angles.cos() - second * angles.sin(),
            second * angles.cos() + first * angles.sin(),
        )
        return torch.cat(turned, -1)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.parts(x)
        query, key = self.rotated(query), self.rotated(key)
        scores = torch.einsum("bqhd,bkhd->bhqk", query, key) / HEAD**0.5
        mixed = torch.einsum("bhqk,bkhd->bqhd", scores.softmax(-1), value)
        out: Tensor = self.out(mixed.flatten(2))
        return x + out


class InPairs(Attention):
    """Neighbours turned together."""

    def rotated(self, x: Tensor) -> Tensor:
        angles = torch.arange(x.shape[1])[:, None, None] * torch.ones(HEAD // 2)
        first, second = x.view(*x.shape[:3], -1, 2).unbind(-1)
        turned = (
            first * angles.cos() - second * angles.sin(),
            second * angles.cos() + first * angles.sin(),
        )
        return torch.stack(turned, -1).flatten(3)


class Partly(Attention):
    """A quarter of each head turned, in one projection with its rows by head."""

    def make(self) -> None:
        self.fused = nn.Linear(WIDTH, 3 * WIDTH, bias=False)

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        query, key, value = self.fused(x).unflatten(2, (HEADS, 3 * HEAD)).chunk(3, -1)
        return query, key, value

    def rotated(self, x: Tensor) -> Tensor:
        turned, rest = x[..., :2], x[..., 2:]
        first, second = turned[..., :1], turned[..., 1:]
        angle = torch.arange(x.shape[1])[:, None, None] * torch.ones(1)
        pair = (
            first * angle.cos() - second * angle.sin(),
            second * angle.cos() + first * angle.sin(),
        )
        return torch.cat((*pair, rest), -1)


class Grouped(Attention):
    """One projection, fewer keys and values than queries."""

    def make(self) -> None:
        self.fused = nn.Linear(WIDTH, WIDTH + WIDTH, bias=False)

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        query, key, value = self.fused(x).split([WIDTH, WIDTH // 2, WIDTH // 2], -1)
        key, value = (t.unflatten(2, (2, HEAD)).repeat_interleave(2, 2) for t in (key, value))
        return query.unflatten(2, (HEADS, HEAD)), key, value


class Gated(nn.Module):
    """A gate and a value in one; columns that are of two inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.both = nn.Linear(WIDTH, 2 * WIDTH, bias=False)
        self.joined = nn.Linear(2 * WIDTH, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.both(x).chunk(2, -1)
        out: Tensor = self.joined(torch.cat((torch.sigmoid(gate), value), -1))
        return x + out


def analysed(middle: nn.Module) -> Analysis:
    return mupfx.analyze(
        nn.Sequential(nn.Linear(5, WIDTH), middle, nn.Linear(WIDTH, 3)), floats(2, 6, 5)
    )


def found(middle: nn.Module) -> dict[str, list[tuple[int, int, int, int]]]:
    """By parameter: dimension, start, stop and period of each matrix."""
    analysis = analysed(middle)
    parts = {n: matrices_of(r, analysis.axes, analysis.sites) for n, r in analysis.roles.items()}
    return {
        name: [(p.dim, p.start, p.stop, p.period) for p in rows]
        for name, rows in parts.items()
        if rows and name.endswith("weight")
    }


def test_a_rotary_embedding_divides_no_matrix() -> None:
    assert found(Attention()) == {}
    assert found(InPairs()) == {}
    assert analysed(InPairs()).roles["1.query.weight"].parts, "the code takes it apart"


def test_rows_by_head_of_which_some_are_turned() -> None:
    assert found(Partly()) == snapshot(
        {"1.fused.weight": [(0, 0, 8, 24), (0, 8, 16, 24), (0, 16, 24, 24)]}
    )


def test_fewer_keys_than_queries() -> None:
    assert found(Grouped()) == snapshot(
        {"1.fused.weight": [(0, 0, 32, 64), (0, 32, 48, 64), (0, 48, 64, 64)]}
    )


def test_a_gate_is_a_matrix_and_columns_are_not() -> None:
    assert found(Gated()) == snapshot({"1.both.weight": [(0, 0, 32, 64), (0, 32, 64, 64)]})


def test_torch_s_own_attention() -> None:
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, batch_first=True)
    assert {name: len(rows) for name, rows in found(layer).items()} == {
        "1.self_attn.in_proj_weight": 3
    }

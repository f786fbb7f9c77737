"""Ways of writing a model that say nothing of its width, and must not be read as if they did."""

from typing import Any

import pytest
import torch
from torch import nn

import mupfx
from tests.zoo.models.common import floats, tokens


class LastFeature(nn.Module):
    """Asks for the shape of ``x[:, :, -1]``, as BART does."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, width)
        self.inner = nn.Linear(width, width)
        self.readout = nn.Linear(width, 7)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embed(ids)
        batch, length = x[:, :, -1].shape
        out: torch.Tensor = self.readout(torch.tanh(self.inner(x))).view(batch, length, 7)
        return out


class Positions(nn.Module):
    """A table of positions, read up to the length."""

    def __init__(self, width: int, longest: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, width)
        self.places = nn.Parameter(torch.randn(longest, width) * 0.02)
        self.inner = nn.Linear(width, width)
        self.readout = nn.Linear(width, 7)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embed(ids) + self.places[: ids.shape[1]]
        out: torch.Tensor = self.readout(torch.tanh(self.inner(x)))
        return out


class Attention(nn.Module):
    """Heads; half of each head is turned, or keys are repeated over the batch."""

    def __init__(self, heads: int, size: int, *, turned: bool, repeated: bool) -> None:
        super().__init__()
        width = heads * size
        self.heads, self.size, self.turned, self.repeated = heads, size, turned, repeated
        self.embed = nn.Embedding(11, width)
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.readout = nn.Linear(width, 7)

    def _turn(self, x: torch.Tensor) -> torch.Tensor:
        if not self.turned:
            return x
        half = self.size // 2
        return torch.cat((x[..., :half].sin(), x[..., half:]), -1)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embed(ids)
        batch, length = ids.shape

        def split(y: torch.Tensor) -> torch.Tensor:
            y = y.view(batch, length, self.heads, self.size).transpose(1, 2)
            return y.reshape(batch * self.heads, length, self.size)

        query, key, value = split(self.query(x)), split(self.key(x)), split(self.value(x))
        logits = self._turn(query) @ self._turn(key).transpose(1, 2) / self.size**0.5
        if self.repeated:
            every = split(self.key(x[:1].expand(batch, -1, -1)))[: self.heads]
            logits = logits + query @ every.repeat(batch, 1, 1).transpose(1, 2)
        mixed = (logits.softmax(-1) @ value).view(batch, self.heads, length, self.size)
        out: torch.Tensor = self.readout(x + self.out(mixed.transpose(1, 2).flatten(2)))
        return out


def axes(found: mupfx.Analysis, name: str) -> list[list[str]]:
    """Kinds of the factors of each dimension of a parameter."""
    return [[str(found.classes[c].kind) for c in dim] for dim in found.parameters[name].axes]


def analyzed(model: nn.Module, **options: Any) -> mupfx.Analysis:
    return mupfx.analyze(model, tokens(11, 3, 5), **options)


def test_a_shape_that_is_asked_for_picks_nothing() -> None:
    found = analyzed(LastFeature(32), base=LastFeature(16))
    assert axes(found, "inner.weight") == [["width"], ["width"]]


@pytest.mark.parametrize(
    "base", [16, Positions(16, 24), Positions(16, 9)], ids=["int", "same", "less"]
)
def test_positions_read_up_to_the_length_are_finite(base: int | nn.Module) -> None:
    found = analyzed(Positions(32, 24), base=base)
    assert axes(found, "places") == [["finite"], ["width"]]


def test_heads_of_which_a_part_is_turned() -> None:
    model = Attention(2, 8, turned=True, repeated=False)
    assert axes(analyzed(model, base=8), "query.weight") == [["width", "finite"], ["width"]]
    wider = analyzed(model, base=8, grow="head_dim")
    assert axes(wider, "query.weight") == [["finite", "width"], ["width"]]
    (site,) = wider.sites
    assert wider.ratios is not None
    assert wider.ratios.of_axis(site.classes) == 2


def test_keys_repeated_over_the_batch_leave_heads_to_grow() -> None:
    found = analyzed(Attention(2, 8, turned=False, repeated=True), base=8)
    for name in ("query", "key", "value"):
        assert axes(found, f"{name}.weight") == [["width", "finite"], ["width"]]


class MultiQuery(nn.Module):
    """One projection for all queries, a key and a value, taken by lists of indices, as Falcon."""

    def __init__(self, heads: int, size: int) -> None:
        super().__init__()
        self.heads, self.size = heads, size
        width = heads * size
        self.embed = nn.Embedding(11, width)
        self.fused = nn.Linear(width, (heads + 2) * size)
        self.out = nn.Linear(width, width)
        self.readout = nn.Linear(width, 7)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embed(ids)
        every = self.fused(x).unflatten(-1, (self.heads + 2, self.size))
        query = every[..., :-2, :].transpose(1, 2)
        key, value = every[..., [-2], :].transpose(1, 2), every[..., [-1], :].transpose(1, 2)
        logits = query @ key.transpose(-1, -2) / self.size**0.5
        mixed = (logits.softmax(-1) @ value).transpose(1, 2).flatten(2)
        out: torch.Tensor = self.readout(x + self.out(mixed))
        return out


def test_entries_that_the_code_picks_do_not_hold_an_axis() -> None:
    found = analyzed(MultiQuery(8, 4), base=MultiQuery(4, 4))
    assert axes(found, "fused.weight") == [["width", "finite"], ["width"]]
    assert axes(found, "out.weight") == [["width"], ["width", "finite"]]
    assert found.ratios is not None
    assert float(found.ratios.of_axis(found.parameters["fused.weight"].axes[0])) == 10 / 6


class Padded(nn.Module):
    """A state that starts as the data with zeros after it, and is updated by a layer."""

    def __init__(self, extra: int, width: int) -> None:
        super().__init__()
        self.extra = extra
        self.up, self.down = nn.Linear(2 + extra, width), nn.Linear(width, 2 + extra)
        self.readout = nn.Linear(2 + extra, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = nn.functional.pad(x, (0, self.extra))
        z = z + self.down(torch.tanh(self.up(z)))
        out: torch.Tensor = self.readout(z)
        return out


@pytest.mark.parametrize(("extra", "kind"), [(6, "finite"), (14, "width")])
def test_what_data_is_padded_to_may_grow(extra: int, kind: str) -> None:
    found = mupfx.analyze(Padded(extra, 32), floats(5, 2), base=Padded(6, 16))
    assert axes(found, "up.weight") == [["width"], [kind]]
    assert axes(found, "readout.weight") == [["finite"], [kind]]


def test_what_data_is_padded_to_is_assumed() -> None:
    found = mupfx.analyze(Padded(6, 32), floats(5, 2))
    for name in ("up.weight", "down.weight", "readout.weight"):
        assert found.parameters[name].status == "assumed"


class Stacked(nn.Module):
    """A matrix for each token's class, looked up and multiplied by."""

    def __init__(self, width: int, hidden: int, spelling: str) -> None:
        super().__init__()
        self.spelling = spelling
        self.embed = nn.Embedding(11, width)
        self.stack = nn.Parameter(torch.randn(4, width, hidden) / width**0.5)
        self.readout = nn.Linear(hidden, 7)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x, chosen = self.embed(ids), self.stack[ids % 4]
        if self.spelling == "einsum":
            h = torch.einsum("btd,btdh->bth", x, chosen)
        elif self.spelling == "matmul":
            h = (x.unsqueeze(-2) @ chosen).squeeze(-2)
        else:
            h = (chosen.transpose(-1, -2) @ x.unsqueeze(-1)).squeeze(-1)
        out: torch.Tensor = self.readout(torch.tanh(h))
        return out


@pytest.mark.parametrize("spelling", ["einsum", "matmul", "turned"])
def test_matrices_that_are_looked_up_are_weights(spelling: str) -> None:
    found = analyzed(Stacked(32, 24, spelling), base=Stacked(16, 12, spelling))
    role = found.parameters["stack"]
    assert (str(role.role), role.fan_in) == ("hidden", (1,))
    assert axes(found, "stack") == [["finite"], ["width"], ["width"]]
    assert role.status == "certain"


class Several(nn.Module):
    """Several vectors for each token, compared by their entries: still an embedding."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embed, self.table = nn.Embedding(11, width), nn.Parameter(torch.randn(11, 3, width))
        self.readout = nn.Linear(width, 7)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = (self.embed(ids).unsqueeze(-2) + self.table[ids]).mean(-2)
        out: torch.Tensor = self.readout(torch.tanh(x))
        return out


def test_vectors_that_are_looked_up_are_an_embedding() -> None:
    found = analyzed(Several(32), base=Several(16))
    role = found.parameters["table"]
    assert (str(role.role), role.fan_in) == ("input", (0,))

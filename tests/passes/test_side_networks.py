"""Networks beside the main way, codes, hidden states and heads of one: literal roles, one model."""

import torch
from torch import nn
from torch.nn import functional

import mupfx
from mupfx.core.analysis import Analysis

X = torch.randn(2, 6, 7)


def kinds(found: Analysis, *names: str) -> list[str]:
    """Whether each dimension of these parameters grows: ``w`` or ``.``."""
    answers = []
    for name in names:
        axes = found.roles[name].axes
        answers.append(
            "".join(
                "w" if any(found.classes[c].kind == "width" for c in axis) else "." for axis in axes
            )
        )
    return answers


class Positions(nn.Module):
    """Attention whose bias is a network of coordinates."""

    def __init__(self, heads: int = 3, *, constants: bool = True) -> None:
        super().__init__()
        width = 8 * heads
        self.heads, self.constants = heads, constants
        self.embed = nn.Linear(7, width)
        self.first, self.second = nn.Linear(2, 33), nn.Linear(33, heads)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.head = nn.Linear(width, 5)
        self.grid: torch.Tensor
        self.register_buffer("grid", torch.rand(6, 6, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        grid = self.grid if self.constants else self.grid + x.sum()
        bias = self.second(functional.relu(self.first(grid))).permute(2, 0, 1)
        x = self.embed(x)
        q, k, v = self.qkv(x).view(2, 6, 3, self.heads, 8).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        y: torch.Tensor = self.head(x + self.out(mixed.transpose(1, 2).flatten(2)))
        return y


def test_inside_a_network_of_constants_nothing_grows() -> None:
    found = mupfx.analyze(Positions(), (X,))
    assert kinds(found, "first.weight", "first.bias", "second.weight", "second.bias") == [
        "..", ".", "w.", "w",
    ]  # fmt: skip
    assert "a network of constants alone" in found.classes["c2"].evidence
    assert str(found.roles["second.weight"].status) == "assumed"


def test_a_network_of_the_input_is_none_of_constants() -> None:
    found = mupfx.analyze(Positions(constants=False), (X,))
    assert kinds(found, "first.weight", "second.weight") == ["w.", "ww"]


class Routed(nn.Module):
    """Experts chosen by the scores of a network of two layers."""

    def __init__(self, *, weighs_all: bool = False) -> None:
        super().__init__()
        self.weighs_all = weighs_all
        self.embed = nn.Linear(7, 24)
        self.first, self.second = nn.Linear(24, 10), nn.Linear(10, 4)
        self.experts = nn.Parameter(torch.randn(4, 24, 24) / 5)
        self.head = nn.Linear(24, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        inner = functional.gelu(self.first(x))
        scores = self.second(inner).softmax(-1)
        best = scores.topk(1, -1).indices
        weight = scores.gather(-1, best)
        y = torch.einsum("bti,btio->bto", x, self.experts[best.squeeze(-1)])
        if self.weighs_all:
            weight = weight + inner.sum(-1, keepdim=True)
        z: torch.Tensor = self.head(x + weight * y)
        return z


def test_inside_a_network_that_only_chooses_nothing_grows() -> None:
    found = mupfx.analyze(Routed(), (X,))
    assert kinds(found, "first.weight", "second.weight", "experts") == [".w", "..", ".ww"]
    other = mupfx.analyze(Routed(weighs_all=True), (X,))
    assert kinds(other, "first.weight", "second.weight") == ["ww", ".w"]


class Coded(nn.Module):
    """Codes by the nearest row of a book, the gradient straight through."""

    def __init__(self, size: int = 6) -> None:
        super().__init__()
        self.down, self.book = nn.Linear(24, size), nn.Embedding(32, size)
        self.embed, self.up, self.head = nn.Linear(7, 24), nn.Linear(size, 24), nn.Linear(24, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.down(self.embed(x))
        nearest = torch.cdist(z.flatten(0, 1), self.book.weight).argmin(-1).view(z.shape[:-1])
        z = z + (self.book(nearest) - z).detach()
        y: torch.Tensor = self.head(self.up(z).relu())
        return y


def test_codes_narrower_than_what_they_are_projected_to_stay() -> None:
    names = "down.weight", "book.weight", "up.weight"
    assert kinds(mupfx.analyze(Coded(), (X,)), *names) == [".w", "..", "w."]
    assert kinds(mupfx.analyze(Coded(30), (X,)), *names) == ["ww", ".w", "ww"]


class Pooled(nn.Module):
    def __init__(self, size: int, classes: int) -> None:
        super().__init__()
        self.embed, self.inner = nn.Linear(7, 24), nn.Linear(24, 24)
        self.pool, self.head = nn.Linear(24, size), nn.Linear(24, classes)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.embed(x)
        x = x + self.inner(x).relu()
        return self.pool(x[:, 0]).tanh(), self.head(x)


def test_an_output_as_long_as_the_stream_is_a_hidden_state() -> None:
    found = mupfx.analyze(Pooled(24, 5), (X,))
    assert kinds(found, "pool.weight", "pool.bias", "head.weight") == ["ww", "w", ".w"]
    assert str(found.roles["pool.weight"].status) == "assumed"
    assert "taken for a hidden state" in found.classes[found.roles["pool.bias"].axes[0][0]].evidence


def test_an_output_of_another_length_is_classes() -> None:
    assert kinds(mupfx.analyze(Pooled(23, 5), (X,)), "pool.weight") == [".w"]


class Stages(nn.Module):
    """Attention in two stages of different widths; the second has heads of ``heads`` by 4."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.embed, self.between = nn.Linear(7, 10), nn.Linear(10, 18)
        self.sizes = (10, 2), (18, heads)
        self.qkv = nn.ModuleList(nn.Linear(w, 3 * h * 4) for w, h in self.sizes)
        self.out = nn.ModuleList(nn.Linear(h * 4, w) for w, h in self.sizes)
        self.head = nn.Linear(18, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        for i, (_, heads) in enumerate(self.sizes):
            q, k, v = self.qkv[i](x).view(2, 6, 3, heads, 4).permute(2, 0, 3, 1, 4)
            mixed = functional.scaled_dot_product_attention(q, k, v)
            x = x + self.out[i](mixed.transpose(1, 2).flatten(2))
            x = self.between(x) if i == 0 else x
        y: torch.Tensor = self.head(x)
        return y


def test_what_widths_that_differ_have_alike_stays() -> None:
    names = "qkv.0.weight", "out.0.weight", "qkv.1.weight", "between.weight"
    assert kinds(mupfx.analyze(Stages(2), (X,)), *names) == [".w", "w.", ".w", "ww"]
    assert kinds(mupfx.analyze(Stages(3), (X,)), *names) == ["ww", "ww", "ww", "ww"]


class Scaled(nn.Module):
    """Logits with a learned scale a head."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.embed, self.qkv = nn.Linear(7, 12), nn.Linear(12, 36)
        self.scale = nn.Parameter(torch.ones(heads, 1, 1))
        self.gain = nn.Parameter(torch.ones(1))
        self.head = nn.Linear(12, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x) * self.gain
        q, k, v = self.qkv(x).view(2, 6, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        logits = (q @ k.mT) * self.scale.exp()
        y: torch.Tensor = self.head(x + (logits.softmax(-1) @ v).transpose(1, 2).flatten(2))
        return y


def test_one_head_may_become_several() -> None:
    found = mupfx.analyze(Scaled(1), (X,))
    assert str(found.roles["scale"].status) == "assumed"
    assert "may be a count of heads" in found.roles["scale"].why
    assert str(found.roles["gain"].status) == "certain"
    assert "count of heads" not in mupfx.analyze(Scaled(2), (X,)).roles["scale"].why

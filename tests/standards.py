"""Small models whose multipliers stay outside the weights, for tests of the way back."""

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

import mupfx

HEADS, SIZE, BASE = 2, 12, 4


def heads(x: Tensor) -> Tensor:
    return x.view(*x.shape[:2], HEADS, -1).transpose(1, 2)


class Fused(nn.Module):
    """Queries, keys and values of one layer; ``bias`` and where the queries lie are choices."""

    def __init__(self, size: int, *, bias: bool = True, interleaved: bool = False) -> None:
        super().__init__()
        self.interleaved = interleaved
        self.both: nn.Module = nn.Linear(5, 3 * HEADS * size, bias=bias)
        self.out = nn.Linear(HEADS * size, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.both(x)
        if self.interleaved:
            q, k, v = heads(y).chunk(3, -1)
        else:
            q, k, v = (heads(part) for part in y.chunk(3, -1))
        mixed = functional.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


class Transposed(Fused):
    """The same with the weight stored the other way, as GPT-2 has it."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.both = Backwards(5, 3 * HEADS * size)


class Backwards(nn.Module):
    """A layer whose weight is stored inputs first."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs) / inputs**0.5)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.addmm(self.bias, x.view(-1, x.shape[-1]), self.weight)
        return y.view(*x.shape[:-1], -1)


class Summed(Fused):
    """Queries, keys and values out of two layers that are added."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.beside = nn.Linear(5, 3 * HEADS * size, bias=False)
        self.both = Added(self.both, self.beside)


class Added(nn.Module):
    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.first(x) + self.second(x)
        return out


class Gained(Fused):
    """The fused layer is normalised and has a gain."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.both = nn.Sequential(nn.Linear(5, 3 * HEADS * size), nn.LayerNorm(3 * HEADS * size))


class Bent(nn.Module):
    """Queries and keys that end in no linear map: no weight can scale them."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(5, HEADS * size) for _ in range(3))
        self.bend_q, self.bend_k = nn.Tanh(), nn.Tanh()
        self.out = nn.Linear(HEADS * size, 3)

    def forward(self, x: Tensor) -> Tensor:
        q, k = self.bend_q(self.q(x)), self.bend_k(self.k(x))
        mixed = functional.scaled_dot_product_attention(heads(q), heads(k), heads(self.v(x)))
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


class Tied(nn.Module):
    """An embedding that is the readout as well, behind a norm, once or twice."""

    def __init__(self, width: int, *, norm: bool = True, calls: int = 1) -> None:
        super().__init__()
        self.calls = calls
        self.table, self.inner = nn.Embedding(7, width), nn.Linear(width, width)
        self.norm = nn.LayerNorm(width) if norm else nn.Identity()
        self.head = nn.Linear(width, 7, bias=False)
        self.head.weight = self.table.weight

    def forward(self, ids: Tensor) -> Tensor:
        x: Tensor = self.table(ids)
        out = x.new_zeros(())
        for _ in range(self.calls):
            x = torch.tanh(self.inner(x))
            out = out + self.head(self.norm(x))
        return out


class Functional(Tied):
    """The readout is the embedding's table itself, in the code."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        del self.head

    def forward(self, ids: Tensor) -> Tensor:
        x = self.norm(torch.tanh(self.inner(self.table(ids))))
        return self.readout(x)

    def readout(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.table.weight)


def tokens() -> Tensor:
    return torch.arange(6).view(2, 3)


def vectors() -> Tensor:
    return torch.randn(2, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def inputs_of(model: nn.Module) -> Tensor:
    return tokens() if isinstance(model, Tied) else vectors()


MODELS: dict[str, tuple[Callable[[int], nn.Module], int, int]] = {
    "fused": (Fused, SIZE, BASE),
    "fused, no bias": (lambda n: Fused(n, bias=False), SIZE, BASE),
    "interleaved": (lambda n: Fused(n, interleaved=True), SIZE, BASE),
    "inputs first": (Transposed, SIZE, BASE),
    "two layers added": (Summed, SIZE, BASE),
    "the gain of a norm": (Gained, SIZE, BASE),
    "tied": (Tied, 24, 8),
    "tied, no norm": (lambda n: Tied(n, norm=False), 24, 8),
    "tied, read twice": (lambda n: Tied(n, norm=False, calls=2), 24, 8),
}
"""A model, its size and its base's: each with a multiplier outside its weights."""


def built(name: str) -> tuple[Any, Any]:
    """A model and its base, in double precision."""
    make, size, base = MODELS[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make(size).double(), make(base).double()


@cache
def _converted(name: str, gauge: str, lowering: str) -> Any:
    model, base = built(name)
    x = inputs_of(model)
    return mupfx.convert(model, x, base=base, gauge=gauge, lowering=lowering)


def converted(name: str, gauge: str = "fold", lowering: str = "eager") -> Any:
    return copy.deepcopy(_converted(name, gauge, lowering))


def trained(model: nn.Module, steps: int = 3) -> nn.Module:
    """After a few steps of Adam; ``eps`` is above the rounding of gradients that are zero."""
    optimizer = mupfx.optimizer(torch.optim.Adam, model, lr=1e-2, eps=1e-4)
    x = tokens() if hasattr(model, "table") else vectors()
    for _ in range(steps):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
    return model


def difference(found: Tensor, expected: Tensor) -> float:
    """The largest, relative to the largest number that was expected."""
    return float((found - expected).detach().abs().max() / expected.detach().abs().max())

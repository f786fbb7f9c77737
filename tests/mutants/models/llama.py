"""A Llama: grouped queries, rotary positions, RMSNorm, SwiGLU; multipliers as Megatron has them.

Modules have names that say nothing, and groups go by shape: what has one axis that grows, two.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - as everybody calls it
from torch.optim import SGD, AdamW, Optimizer

from tests.mutants.models.common import BASE, VOCABULARY, Group, Made, predict, sentences


def rotate(x: Tensor) -> Tensor:
    """Rotary positions."""
    half = x.shape[-1] // 2
    frequency = 100.0 ** (-torch.arange(half, device=x.device) / half)
    angle = torch.arange(x.shape[-2], device=x.device)[:, None] * frequency
    one, two = x[..., :half], x[..., half:]
    cos, sin = angle.cos(), angle.sin()
    return torch.cat((one * cos - two * sin, one * sin + two * cos), -1)


class Mix(nn.Module):
    """Twice as many queries as keys; ``scale`` goes to the kernel."""

    def __init__(self, width: int, size: int, scale: float | None, *, normed: bool) -> None:
        super().__init__()
        self.size, self.scale = size, scale
        self.u = nn.Linear(width, width, bias=False)
        self.v = nn.Linear(width, width // 2, bias=False)
        self.w = nn.Linear(width, width // 2, bias=False)
        self.z = nn.Linear(width, width, bias=False)
        self.m, self.n = (nn.RMSNorm(size) if normed else nn.Identity() for _ in range(2))

    def forward(self, x: Tensor) -> Any:
        """Mix positions."""
        q, k, v = (
            part(x).unflatten(-1, (-1, self.size)).transpose(1, 2)
            for part in (self.u, self.v, self.w)
        )
        q, k = rotate(self.m(q)), rotate(self.n(k))
        y = F.scaled_dot_product_attention(
            q, k, v, is_causal=True, scale=self.scale, enable_gqa=True
        )
        return self.z(y.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    def __init__(self, width: int, size: int, scale: float | None, *, normed: bool) -> None:
        super().__init__()
        self.a, self.b = nn.RMSNorm(width), nn.RMSNorm(width)
        self.c = Mix(width, size, scale, normed=normed)
        inner = 8 * width // 3 // 4 * 4
        self.d, self.e = (nn.Linear(width, inner, bias=False) for _ in range(2))
        self.f = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Any:
        """Add both branches."""
        x = x + self.c(self.a(x))
        y = self.b(x)
        return x + self.f(F.silu(self.d(y)) * self.e(y))


class Llama(nn.Module):
    """Tokens in, logits of the next out."""

    def __init__(  # noqa: PLR0913 - a fault each
        self,
        width: int,
        size: int,
        scale: float | None,
        *,
        normed: bool,
        output: float,
        table: float,
    ) -> None:
        super().__init__()
        self.embedding_mult = 10.0 * (width / BASE) ** table
        self.output_mult = (width / BASE) ** output
        self.p = nn.Embedding(VOCABULARY, width)
        self.q = nn.ModuleList(Layer(width, size, scale, normed=normed) for _ in range(2))
        self.r = nn.RMSNorm(width)
        self.s = nn.Linear(width, VOCABULARY, bias=False)
        for parameter in self.parameters():
            if parameter.ndim == 2:
                std = 0.1 if VOCABULARY in parameter.shape else 0.1 * (BASE / width) ** 0.5
                nn.init.trunc_normal_(parameter, std=std)

    def forward(self, tokens: Tensor) -> Any:
        """Logits after each token."""
        x = self.embedding_mult * self.p(tokens)
        for layer in self.q:
            x = layer(x)
        return self.s(self.r(x)) * self.output_mult


def llama(  # noqa: PLR0913 - a fault each
    width: int,
    seed: int = 0,
    *,
    heads: str = "count",
    power: float = -1.0,
    normed: bool = False,
    output: float = -1.0,
    table: float = 0.0,
    optimizer: str = "adamw",
) -> Made:
    """``heads``: of 8 and more of them (``count``), or four that grow (``dim``)."""
    torch.manual_seed(seed)
    size = 8 if heads == "count" else width // 4
    scale = None if heads == "count" else 8**-0.5 * (size / 8) ** power
    model = Llama(width, size, scale, normed=normed, output=output, table=table)
    return model, _optimizer(model, width / BASE, optimizer), sentences(), predict


def _optimizer(model: Llama, growth: float, name: str) -> Optimizer:
    matrices = [p for p in model.parameters() if p.ndim == 2 and VOCABULARY not in p.shape]
    tables = [p for p in model.parameters() if p.ndim == 2 and VOCABULARY in p.shape]
    gains = [p for p in model.parameters() if p.ndim == 1]
    if name == "sgd":
        vectors = [*tables, *gains]
        two: list[Group] = [{"params": matrices}, {"params": vectors, "lr": 0.02 * growth}]
        return SGD(two, lr=0.02)
    three: list[Group] = [
        {"params": matrices, "lr": 4e-3 / growth, "weight_decay": 0.1 * growth},
        {"params": tables, "weight_decay": 0.1},
        {"params": gains},
    ]
    return AdamW(three, lr=4e-3, weight_decay=0.0)

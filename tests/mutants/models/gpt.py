"""A GPT with muP written in as forks of nanoGPT have it: AdamW, groups by name.

``heads`` is what grows: ``"dim"`` (four heads of width / 4) or ``"count"`` (heads of 8).
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - as everybody calls it
from torch.optim import SGD, AdamW, Muon, Optimizer

from tests.mutants.models.common import BASE, VOCABULARY, Made, predict, sentences

LAYERS = 2


class Attention(nn.Module):
    """Causal, with one projection for all three, in the plain spelling."""

    def __init__(self, width: int, heads: str, power: float) -> None:
        super().__init__()
        self.heads = 4 if heads == "dim" else width // 8
        size = width // self.heads
        self.scale = 8.0**-0.5 * (size / 8) ** power
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Any:
        """Mix positions."""
        batch, time, width = x.shape
        q, k, v = (
            part.view(batch, time, self.heads, width // self.heads).transpose(1, 2)
            for part in self.c_attn(x).split(width, dim=2)
        )
        scores = (q @ k.transpose(-2, -1)) * self.scale
        future = torch.ones(time, time, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.masked_fill(future, -math.inf).softmax(-1)
        return self.c_proj((weights @ v).transpose(1, 2).reshape(batch, time, width))


class Block(nn.Module):
    def __init__(self, width: int, heads: str, power: float) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = Attention(width, heads, power)
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Any:
        """Add both branches."""
        x = x + self.attn(self.ln_1(x))
        return x + self.c_proj(F.gelu(self.c_fc(self.ln_2(x))))


class GPT(nn.Module):
    """Tokens in, logits of the next out."""

    def __init__(  # noqa: PLR0913 - a fault each
        self, width: int, heads: str, power: float, *, tied: bool, logits: float, side: str
    ) -> None:
        super().__init__()
        self.mup_width_multiplier = width / BASE
        self.logits, self.side = self.mup_width_multiplier**logits, side
        self.wte = nn.Embedding(VOCABULARY, width)
        self.wpe = nn.Embedding(32, width)
        self.h = nn.ModuleList(Block(width, heads, power) for _ in range(LAYERS))
        self.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, VOCABULARY, bias=False)
        if tied:
            self.lm_head.weight = self.wte.weight
        self.apply(self._init)
        for name, parameter in self.named_parameters():
            if name.endswith("c_proj.weight"):
                nn.init.normal_(parameter, std=self._std / math.sqrt(2 * LAYERS))

    @property
    def _std(self) -> float:
        return 0.1 / math.sqrt(self.mup_width_multiplier)

    def _init(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear) and module is not self.lm_head:
            nn.init.normal_(module.weight, std=self._std)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding) or module is self.lm_head:
            nn.init.normal_(module.weight, std=0.1)

    def forward(self, tokens: Tensor) -> Any:
        """Logits after each token."""
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1], device=tokens.device))
        for block in self.h:
            x = block(x)
        if self.side == "before norm":
            return self.lm_head(self.ln_f(x * self.logits))
        if self.side == "before":
            return self.lm_head(self.ln_f(x) * self.logits)
        return self.lm_head(self.ln_f(x)) * self.logits


def is_hidden(name: str) -> bool:
    """A matrix in a block."""
    return name.startswith("h.") and name.endswith(".weight") and ".ln_" not in name


def adamw(model: GPT, growth: float) -> Optimizer:
    """Weight decay for matrices alone; ``lr * weight_decay`` kept."""
    named = dict(model.named_parameters())
    hidden = [p for n, p in named.items() if is_hidden(n)]
    tables = [p for n, p in named.items() if not is_hidden(n) and p.ndim == 2]
    others = [p for p in named.values() if p.ndim == 1]
    return AdamW(
        [
            {"params": hidden, "lr": 3e-3 / growth, "weight_decay": 0.1 * growth},
            {"params": tables, "weight_decay": 0.1},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=3e-3,
        betas=(0.9, 0.95),
    )


def sgd(model: GPT, growth: float) -> Optimizer:
    """What multiplies width by 1/width has the rate of its inputs: ``lr * width``."""
    named = dict(model.named_parameters())
    return SGD(
        [
            {"params": [p for n, p in named.items() if is_hidden(n)], "lr": 0.05},
            {"params": [p for n, p in named.items() if not is_hidden(n)], "lr": 0.05 * growth},
        ],
        momentum=0.9,
    )


def muon(
    model: GPT, growth: float, *, adjust: str = "match_rms_adamw", power: float = -0.5
) -> list[Optimizer]:
    """Muon for matrices of blocks, AdamW for the rest."""
    named = dict(model.named_parameters())
    hidden = [p for n, p in named.items() if is_hidden(n)]
    others = [p for n, p in named.items() if not is_hidden(n)]
    rate = 0.02 * growth**power
    return [
        Muon(hidden, lr=rate, weight_decay=0.0, adjust_lr_fn=adjust),
        AdamW(others, lr=3e-3, weight_decay=0.0),
    ]


Choice = Callable[[GPT, float], Optimizer | list[Optimizer]]


def gpt(  # noqa: PLR0913 - a fault each
    width: int,
    seed: int = 0,
    *,
    heads: str = "dim",
    attention: float = -1.0,
    tied: bool = False,
    logits: float = -1.0,
    side: str = "after",
    optimizer: Choice = adamw,
) -> Made:
    """The port; with heads of fixed size ``attention`` has no effect."""
    torch.manual_seed(seed)
    model = GPT(width, heads, attention, tied=tied, logits=logits, side=side)
    return model, optimizer(model, width / BASE), sentences(), predict

"""A GPT in one file of plain torch: fused qkv, pre-norm blocks, head tied to the embedding."""

import math

import torch
from torch import nn
from torch.nn import functional

from tests.zoo.models.common import Built, seeded, tokens


class Attention(nn.Module):
    """Causal self-attention with one projection for queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.size()
        q, k, v = self.c_attn(x).split(width, dim=2)
        k = k.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
        q = q.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
        v = v.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        y = y.transpose(1, 2).contiguous().view(batch, length, width)
        out: torch.Tensor = self.c_proj(y)
        return out


class MLP(nn.Module):
    """Four times as wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.c_proj(functional.gelu(self.c_fc(x)))
        return out


class Block(nn.Module):
    """Attention, then the MLP, each added to the stream."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = MLP(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.ln_1(x))
        update: torch.Tensor = self.mlp(self.ln_2(x))
        return x + update


class GPT(nn.Module):
    """Token and position embeddings, blocks, norm, head."""

    def __init__(
        self, tables: tuple[int, int], width: int, heads: int, layers: int, *, tied: bool
    ) -> None:
        super().__init__()
        vocabulary, positions = tables
        self.wte = nn.Embedding(vocabulary, width)
        self.wpe = nn.Embedding(positions, width)
        self.h = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, vocabulary, bias=False)
        if tied:
            self.wte.weight = self.lm_head.weight
        self.apply(self._init)
        for name, p in self.named_parameters():
            if name.endswith("c_proj.weight"):
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * layers))

    def _init(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(
        self, ids: torch.Tensor, targets: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        place = torch.arange(ids.size(1), device=ids.device)
        x = self.wte(ids) + self.wpe(place)
        for block in self.h:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))
        if targets is None:
            return logits, None
        return logits, functional.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))


def gpt(
    scale: int = 2, *, head_scale: int = 1, layers: int = 2, tied: bool = True, loss: bool = False
) -> Built:
    """All sizes apart: 97 tokens, 31 positions, length 11, batch 2, 5 heads, 7 a head."""
    heads, head_dim = 5 * scale, 7 * head_scale
    with seeded():
        model = GPT((97, 31), heads * head_dim, heads, layers, tied=tied)
    ids = tokens(97, 2, 11)
    return model, (ids, tokens(97, 2, 11, seed=2)) if loss else (ids,), {}


def gpt_coincident(scale: int = 2) -> Built:
    """Vocabulary, positions, length and width all equal, heads equal to their size and to batch."""
    heads = 2 * scale
    with seeded():
        model = GPT((16, 16), 4 * heads, heads, 2, tied=True)
    return model, (tokens(16, 4, 16),), {}

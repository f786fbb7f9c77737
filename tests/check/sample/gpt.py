"""A small GPT that is ported to muP by hand: Tensor Programs V, Table 8."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

BASE = 64  # where the learning rate was tuned
HEADS = 4
LENGTH = 16
VOCABULARY = 32

Loss = Callable[[nn.Module, Tensor], Tensor]


class Block(nn.Module):
    """Attention, then a perceptron, each on the stream."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attend(self.norms[0](x))
        stream: Tensor = x + self.down(functional.gelu(self.up(self.norms[1](x))))
        return stream

    def attend(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        scores = q @ k.mT / q.shape[-1]
        causal = torch.ones(LENGTH, LENGTH, dtype=torch.bool, device=x.device).tril()
        weights = scores.masked_fill(~causal, float("-inf")).softmax(-1)
        mixed: Tensor = self.out((weights @ v).transpose(1, 2).flatten(2))
        return mixed


class GPT(nn.Module):
    """Two blocks."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.multiplier = width / BASE
        self.tokens = nn.Embedding(VOCABULARY, width)
        self.places = nn.Embedding(LENGTH, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(2))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, VOCABULARY, bias=False)
        for weight in self.hidden():
            nn.init.normal_(weight, std=weight.shape[1] ** -0.5)
        nn.init.normal_(self.head.weight, std=BASE**-0.5)

    def hidden(self) -> list[nn.Parameter]:
        """Matrices from width to width."""
        return [p for p in self.blocks.parameters() if p.ndim > 1]

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens) + self.places.weight
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(self.norm(x)) / self.multiplier
        return logits


def loss(model: nn.Module, batch: Tensor) -> Tensor:
    """Of the next token."""
    logits = model(batch[:, :-1])
    return functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())


def build(width: int) -> tuple[nn.Module, torch.optim.Optimizer, Tensor, Loss]:
    """What `mupfx check` calls at every width."""
    model = GPT(width)
    hidden = model.hidden()
    others = [p for p in model.parameters() if all(p is not h for h in hidden)]
    rate = 3e-3
    groups = [{"params": hidden, "lr": rate / model.multiplier}, {"params": others, "lr": rate}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.0)
    return model, optimizer, torch.randint(VOCABULARY, (8, LENGTH + 1)), loss

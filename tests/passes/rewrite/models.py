"""Small models with what a graph has to get right: modes, ties, nests, sizes."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.drop = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        shape = (batch, length, self.heads, width // self.heads)
        q, k, v = (t.view(shape).transpose(1, 2) for t in self.qkv(self.norm(x)).chunk(3, -1))
        dropped = 0.1 if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=dropped)
        added: Tensor = self.drop(self.out(mixed.transpose(1, 2).reshape(batch, length, width)))
        return x + added


class Gpt(nn.Module):
    """Tied; a head grows with the width, so that attention has a multiplier."""

    def __init__(self, width: int = 32, blocks: int = 2) -> None:
        super().__init__()
        self.tokens = nn.Embedding(20, width)
        self.places = nn.Embedding(16, width)
        self.blocks = nn.ModuleList(Block(width, 2) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 20, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, tokens: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        x = self.tokens(tokens) + self.places(torch.arange(tokens.shape[1], device=tokens.device))
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.norm(x))
        if labels is None:
            return {"logits": logits}
        loss = functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        return {"loss": loss, "logits": logits}


def tokens(seed: int = 0, batch: int = 2, length: int = 8) -> Tensor:
    return torch.randint(20, (batch, length), generator=torch.Generator().manual_seed(seed))


class ConvNet(nn.Module):
    """Batch norms count steps, and normalise with other numbers in inference."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.head = nn.Linear(width, 5)

    def forward(self, image: Tensor) -> Tensor:
        x = self.norm(self.stem(image)).relu()
        x = x + self.conv(x)
        out: Tensor = self.head(x.mean((2, 3)))
        return out


class Recurrent(nn.Module):
    """One fused kernel with its weights in a list."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.tokens = nn.Embedding(20, width)
        self.cells = nn.LSTM(width, width, 2, batch_first=True, dropout=0.1)
        self.head = nn.Linear(width, 20)

    def forward(self, tokens: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        x, state = self.cells(self.tokens(tokens))
        return self.head(x), state


@dataclass
class Answer:
    scores: Tensor
    hidden: list[Tensor] | None = None
    note: str = ""


class Encoder(nn.Module):
    """Takes a batch as a dict, gives an answer of a class of its own, rotates without gradients."""

    rates: Tensor

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.embed = nn.Linear(6, width)
        self.mix = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 3)
        self.register_buffer("rates", torch.arange(1.0, 3.0), persistent=False)

    def forward(self, batch: dict[str, Tensor], *, hidden: bool = False) -> Answer:
        x = self.embed(batch["features"])
        with torch.no_grad():
            turns = (self.rates.sum() * batch["places"].float()).cos().to(x.dtype)
        y = x * turns[..., None] + self.mix(x).relu()
        scores = self.head(self.norm(y)).masked_fill(batch["mask"][..., None], 0.0)
        return Answer(scores, [x, y] if hidden else None, "plain")


class Plain(nn.Module):
    """Three layers, of which the second is used twice."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.first = nn.Linear(4, width)
        self.second = nn.Linear(width, width)
        self.last = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).tanh()
        for _ in range(2):
            x = self.second(x).tanh()
        out: Tensor = self.last(x)
        return out


def image(batch: int = 2) -> Tensor:
    return torch.randn(batch, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def batch(length: int = 5) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "features": torch.randn(2, length, 6, generator=generator),
        "places": torch.arange(length).expand(2, length),
        "mask": torch.rand(2, length, generator=generator) < 0.2,
    }

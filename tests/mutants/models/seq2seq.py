"""An encoder and a decoder with relative positions, cross-attention and one shared table (T5)."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - as everybody calls it
from torch.optim import Adam

from tests.mutants.models.common import BASE, VOCABULARY, Made, sentences

HEAD = 8


class Attend(nn.Module):
    """Heads of eight, and more of them; no scale, as the weights are drawn smaller."""

    def __init__(self, width: int, *, relative: bool) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.relative = nn.Embedding(32, width // HEAD) if relative else None
        for layer in (self.k, self.v, self.o):
            nn.init.normal_(layer.weight, std=width**-0.5)
        nn.init.normal_(self.q.weight, std=(width * HEAD) ** -0.5)

    def forward(self, x: Tensor, memory: Tensor, *, causal: bool = False) -> Any:
        """From ``memory`` to ``x``."""
        q, k, v = (
            layer(data).unflatten(-1, (-1, HEAD)).transpose(1, 2)
            for layer, data in ((self.q, x), (self.k, memory), (self.v, memory))
        )
        scores = q @ k.transpose(-1, -2)
        if self.relative is not None:
            far = torch.arange(x.shape[1])[:, None] - torch.arange(memory.shape[1])
            scores = scores + self.relative(far.clamp(-16, 15) + 16).permute(2, 0, 1)
        if causal:
            future = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
            scores = scores.masked_fill(future, -1e9)
        return self.o((scores.softmax(-1) @ v).transpose(1, 2).flatten(2))


class Feed(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.wi, self.wo = (
            nn.Linear(width, 4 * width, bias=False),
            nn.Linear(4 * width, width, bias=False),
        )
        nn.init.normal_(self.wi.weight, std=width**-0.5)
        nn.init.normal_(self.wo.weight, std=(4 * width) ** -0.5)

    def forward(self, x: Tensor) -> Any:
        """One layer in between."""
        return self.wo(F.relu(self.wi(x)))


class Seq2Seq(nn.Module):
    """Two sequences in, logits for the second."""

    def __init__(self, width: int, logits: float) -> None:
        super().__init__()
        self.shared = nn.Embedding(VOCABULARY, width)
        self.enc_self = Attend(width, relative=True)
        self.dec_self = Attend(width, relative=True)
        self.cross = Attend(width, relative=False)
        self.enc_ff, self.dec_ff = Feed(width), Feed(width)
        self.norms = nn.ModuleList(nn.RMSNorm(width) for _ in range(7))
        self.logits = (width / BASE) ** logits / BASE**0.5

    def forward(self, source: Tensor, target: Tensor) -> Any:
        """The table is the readout too."""
        norms = iter(self.norms)
        x = self.shared(source)
        y = next(norms)(x)
        x = x + self.enc_self(y, y)
        x = x + self.enc_ff(next(norms)(x))
        memory = next(norms)(x)
        x = self.shared(target)
        y = next(norms)(x)
        x = x + self.dec_self(y, y, causal=True)
        x = x + self.cross(next(norms)(x), memory)
        x = x + self.dec_ff(next(norms)(x))
        return F.linear(next(norms)(x) * self.logits, self.shared.weight)


def translate(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    source, target = batch
    logits = model(source, target=target[:, :-1])
    return F.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten())


def seq2seq(width: int, seed: int = 0, *, logits: float = -1.0) -> Made:
    """Adam: what is square falls."""
    torch.manual_seed(seed)
    model, growth = Seq2Seq(width, logits), width / BASE
    kept = {id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    falling = [p for p in model.parameters() if p.ndim == 2 and id(p) not in kept]
    rest = [p for p in model.parameters() if p.ndim == 1 or id(p) in kept]
    optimizer = Adam([{"params": falling, "lr": 2e-3 / growth}, {"params": rest, "lr": 2e-3}])
    tokens = sentences()
    return model, optimizer, (tokens.flip(1), tokens), translate

"""u-muP by hand: every weight of unit variance, factors in the code, rates by fan-in."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - as everybody calls it
from torch.optim import Adam

from tests.mutants.models.common import BASE, VOCABULARY, Made, predict, sentences


class ULinear(nn.Module):
    """Divided by the root of fan-in, or by fan-in."""

    def __init__(self, fan_in: int, fan_out: int, power: float = -0.5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(fan_out, fan_in))
        self.alpha = fan_in**power

    def forward(self, x: Tensor) -> Any:
        """As it says."""
        return F.linear(x, self.weight) * self.alpha


class UBlock(nn.Module):
    def __init__(self, width: int, tau: float) -> None:
        super().__init__()
        self.tau, self.width = tau, width
        self.qkv, self.o = ULinear(width, 3 * width), ULinear(width, width)
        self.up, self.down = ULinear(width, 4 * width), ULinear(4 * width, width)

    def forward(self, x: Tensor) -> Any:
        """Skips and branches keep the sum's variance."""
        norm = math.sqrt(1 + self.tau**2)
        x = (x + self.tau * self._mix(F.rms_norm(x, (self.width,)))) / norm
        y = F.rms_norm(x, (self.width,))
        return (x + self.tau * self.down(1.7 * F.gelu(self.up(y)))) / norm

    def _mix(self, x: Tensor) -> Any:
        q, k, v = self.qkv(x).chunk(3, -1)
        q, k, v = (part.unflatten(-1, (4, -1)).transpose(1, 2) for part in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=4.0 / q.shape[-1])
        return self.o(y.transpose(1, 2).flatten(2))


class UnitGPT(nn.Module):
    """Tokens in, logits of the next out."""

    def __init__(self, width: int, readout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, width)
        self.blocks = nn.ModuleList(UBlock(width, 0.5) for _ in range(2))
        self.readout = ULinear(width, VOCABULARY, readout)
        self.width = width

    def forward(self, tokens: Tensor) -> Any:
        """Logits after each token."""
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x)
        return self.readout(F.rms_norm(x, (self.width,)))


def unit(
    width: int,
    seed: int = 0,
    *,
    hidden: float = -0.5,
    embedding: float = -0.5,
    readout: float = -1.0,
) -> Made:
    """Rates: by the root of fan-in, of the table's width, and none for the readout."""
    torch.manual_seed(seed)
    model = UnitGPT(width, readout)
    rate = 0.1
    groups = [
        {"params": [parameter], "lr": rate * parameter.shape[1] ** hidden}
        for parameter in model.blocks.parameters()
    ]
    groups += [
        {"params": [model.embedding.weight], "lr": rate * (width / BASE) ** embedding},
        {"params": [model.readout.weight], "lr": rate},
    ]
    return model, Adam(groups), sentences(), predict

"""A readout tied to its embedding, along the line from NTK to muP.

``pytest -m slow tests/measured/test_tied.py``. One residual block between embedding and readout,
widths 64 to 1024, medians of six seeds, one step of gradient descent on a linear loss. With the
output multiplier ``fan_in^q_s`` logits, their change and features have the exponents of a readout
of its own, ``q_s + 1/2``, 0 and ``q + q_s``; but where the stream carries the embedding itself to
the readout, a token's logit for itself is ``width^(1 + q_s)`` at the start, and grows short of muP.

Measured (other tokens, itself, change, features): ntk +0.05, +0.49, -0.06, -0.52; meta(1/2) -0.20,
+0.24, -0.06, -0.27; mup -0.45, -0.01, -0.06, -0.02; without a multiplier, sp +0.55, +0.99, +1.85,
+0.88.
"""

from functools import cache

import pytest
import torch
from torch import Tensor, nn

import mupfx
from mupfx.tables.parametrizations import parametrization
from tests.measured.nets import rms
from tests.measured.slopes import medians, slope

WIDTHS = (64, 128, 256, 512, 1024)
SEEDS = range(6)
TOKENS = 7
RATE = 0.02
TOLERANCE = 0.1


class Tied(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(TOKENS, width)
        self.up = nn.Linear(width, width, bias=False)
        self.down = nn.Linear(width, width, bias=False)
        self.head = nn.Linear(width, TOKENS, bias=False)
        self.head.weight = self.embed.weight

    def features(self, tokens: Tensor) -> Tensor:
        x: Tensor = self.embed(tokens)
        out: Tensor = x + self.down(torch.tanh(self.up(x)))
        return out

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.head(self.features(tokens))
        return out


def converted(width: int, name: str, seed: int) -> Tied:
    torch.manual_seed(seed)
    net = Tied(width).double()
    for layer in (net.up, net.down):
        nn.init.normal_(layer.weight, 0, width**-0.5)
    laws = {"embed.weight": "torch_embedding", "*": "lecun_normal"}
    return mupfx.convert(net, torch.arange(TOKENS), base=64, parametrization=name, init=laws)


def run(width: int, name: str, seed: int) -> tuple[float, float, float, float]:
    """Logits of other tokens and of a token itself at the start; change of logits, of features."""
    net, tokens = converted(width, name, seed), torch.arange(TOKENS)
    signs = torch.sign(
        torch.randn(TOKENS, TOKENS, generator=torch.Generator().manual_seed(1)).double()
    )
    out, features = net(tokens).detach(), net.features(tokens).detach()
    step = mupfx.optimizer(torch.optim.SGD, net, lr=RATE)
    (net(tokens) * signs).mean().backward()
    step.step()
    own = torch.eye(TOKENS, dtype=torch.bool)
    return (
        rms(out[~own]),
        rms(out[own]),
        rms(net(tokens) - out),
        rms(net.features(tokens) - features),
    )


@cache
def measured(name: str) -> tuple[float, ...]:
    columns = [medians([run(width, name, seed) for seed in SEEDS]) for width in WIDTHS]
    return tuple(slope(WIDTHS, list(values)) for values in zip(*columns, strict=True))


def predicted(name: str) -> list[float]:
    point = parametrization(name).point
    assert point is not None
    q_s, q = point
    return [float(q_s) + 0.5, 1 + float(q_s), float(1 + q + 2 * q_s), float(q + q_s)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ntk", "meta(1/2)", "mup"])
def test_tied(name: str) -> None:
    assert measured(name) == pytest.approx(predicted(name), abs=TOLERANCE)


@pytest.mark.slow
def test_without_the_multiplier() -> None:
    """The control: sp ties with no multiplier, and logits and their change grow."""
    others, _, change, _ = measured("sp")
    assert others > 0.25
    assert change > 0.25

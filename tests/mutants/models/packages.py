"""The package ``mup`` of microsoft's: its readout, base shapes and optimizers."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - as everybody calls it

from tests.mutants.models.common import (
    BASE,
    CLASSES,
    VOCABULARY,
    Made,
    classify,
    predict,
    sentences,
    vectors,
)

mup: Any = pytest.importorskip("mup")


class Perceptron(nn.Module):
    """A readout of the package's, whatever comes before it."""

    def __init__(self, width: int, *, zero: bool) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Linear(16, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(),
            nn.Linear(width, width), nn.Tanh(),
        )  # fmt: skip
        self.readout = mup.MuReadout(width, CLASSES, readout_zero_init=zero)

    def forward(self, x: Tensor) -> Any:
        """Classes of points."""
        logits: Tensor = self.readout(self.inner(x))
        return logits


def perceptron(  # noqa: PLR0913 - a fault each
    width: int,
    seed: int = 0,
    *,
    optimizer: str = "MuSGD",
    zero: bool = False,
    rescale: bool = True,
    set_shapes: bool = True,
    lr: float = 0.1,
    **settings: Any,
) -> Made:
    """As the package's README has it."""
    torch.manual_seed(seed)
    model = Perceptron(width, zero=zero)
    base, delta = Perceptron(BASE, zero=zero), Perceptron(2 * BASE, zero=zero)
    if set_shapes:
        mup.set_base_shapes(model, base, delta=delta, rescale_params=rescale)
    else:  # of its own shapes: no width is seen to grow
        mup.set_base_shapes(model, Perceptron(width, zero=zero), delta=delta)
    return (
        model,
        getattr(mup, optimizer)(model.parameters(), lr=lr, **settings),
        vectors(),
        classify,
    )


class Transformer(nn.Module):
    """One block of torch's functions; the table is tied where that is asked."""

    def __init__(self, width: int, *, tied: bool, power: float) -> None:
        super().__init__()
        self.wte = nn.Embedding(VOCABULARY, width)
        self.wpe = nn.Embedding(32, width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.ln_1, self.ln_2, self.ln_f = (nn.LayerNorm(width) for _ in range(3))
        self.power = power
        self.head = (
            mup.MuSharedReadout(self.wte.weight, bias=False, output_mult=0.2)
            if tied
            else mup.MuReadout(width, VOCABULARY, bias=False)
        )

    def forward(self, tokens: Tensor) -> Any:
        """Logits after each token."""
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))
        q, k, v = (
            part.unflatten(-1, (4, -1)).transpose(1, 2)
            for part in self.qkv(self.ln_1(x)).chunk(3, -1)
        )
        scale = 8**0.5 / 8 * (q.shape[-1] / 8) ** self.power
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)
        x = x + self.out(y.transpose(1, 2).flatten(2))
        x = x + self.down(F.gelu(self.up(self.ln_2(x))))
        logits: Tensor = self.head(self.ln_f(x))
        return logits


def transformer(  # noqa: PLR0913 - a fault each
    width: int,
    seed: int = 0,
    *,
    tied: bool = False,
    power: float = -1.0,
    impl: str = "MuAdamW",
    redrawn: bool = True,
) -> Made:
    """Base shapes from two other widths; matrices drawn by the package's own laws."""
    torch.manual_seed(seed)
    model = Transformer(width, tied=tied, power=power)
    base = Transformer(BASE, tied=tied, power=power)
    delta = Transformer(2 * BASE, tied=tied, power=power)
    mup.set_base_shapes(model, base, delta=delta)
    for name, parameter in model.named_parameters():
        if name.split(".")[0] in {"qkv", "out", "up", "down"} and parameter.ndim == 2:
            mup.init.normal_(parameter, std=0.1)
    if tied and redrawn:  # the shared readout's rescaling has gone into the table
        nn.init.normal_(model.wte.weight, std=1.0)
    return model, getattr(mup, impl)(model.parameters(), lr=3e-3), sentences(), predict

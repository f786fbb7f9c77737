"""Plain models that ``mupfx.convert`` puts into a parametrization, in every gauge and lowering."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, AdamW

import mupfx
from tests.mutants.models.common import (
    BASE,
    CLASSES,
    Made,
    classify,
    predict,
    sentences,
    vectors,
)
from tests.mutants.models.gpt import GPT


def plain_mlp(width: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(16, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(),
        nn.Linear(width, CLASSES),
    )  # fmt: skip


def mlp(
    width: int,
    seed: int = 0,
    *,
    base: Callable[[int], int] = lambda _: BASE,
    optimizer: Any = SGD,
    lr: float = 0.1,
    **how: Any,
) -> Made:
    """``base`` tells the base of a width; the right one is the same for all."""
    torch.manual_seed(seed)
    points = vectors()
    model: nn.Module = mupfx.convert(plain_mlp(width), points[0], base=base(width), **how)
    return model, mupfx.optimizer(optimizer, model, lr=lr), points, classify


class Plain(GPT):
    """The GPT without its factors: as its author wrote it first."""

    def __init__(self, width: int, heads: str, *, tied: bool) -> None:
        super().__init__(width, heads, -0.5, tied=tied, logits=0.0, side="after")

    @property
    def _std(self) -> float:
        return 0.02


def gpt(  # noqa: PLR0913 - a fault each
    width: int,
    seed: int = 0,
    *,
    heads: str = "dim",
    tied: bool = False,
    optimizer: Any = AdamW,
    lr: float = 3e-3,
    **how: Any,
) -> Made:
    """Base models on the meta device."""
    torch.manual_seed(seed)
    tokens = sentences()
    with torch.device("meta"):
        base = Plain(BASE, heads, tied=tied)
    model = mupfx.convert(Plain(width, heads, tied=tied), tokens[:, :-1], base=base, **how)
    return model, mupfx.optimizer(optimizer, model, lr=lr), tokens, predict


def with_muon(width: int, seed: int = 0, **how: Any) -> Made:
    """Muon and AdamW, split by the library."""
    torch.manual_seed(seed)
    tokens = sentences()
    with torch.device("meta"):
        base = Plain(BASE, "count", tied=True)
    model = mupfx.convert(Plain(width, "count", tied=True), tokens[:, :-1], base=base, **how)
    groups = mupfx.muon_groups(model, muon={"lr": 0.02}, adamw={"lr": 3e-3})
    return model, [mupfx.Muon(groups.muon), AdamW(groups.adamw)], tokens, predict

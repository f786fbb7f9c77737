"""Residual nets in CompleteP: branches at 1/depth, and width and depth together."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - as everybody calls it
from torch.optim import SGD, AdamW

from tests.mutants.models.common import BASE, CLASSES, Made, classify, vectors

BASE_DEPTH = 2


class Residual(nn.Module):
    """``depth`` branches of two layers, each with a norm of its own."""

    def __init__(self, width: int, depth: int, power: float) -> None:
        super().__init__()
        self.branch_scale = (depth / BASE_DEPTH) ** power
        self.read = nn.Linear(16, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth))
        self.ups = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(depth))
        self.downs = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(depth))
        self.final = nn.LayerNorm(width)
        self.write = nn.Linear(width, CLASSES, bias=False)

    def forward(self, x: Tensor) -> Any:
        """Classes of points."""
        x = self.read(x)
        for norm, up, down in zip(self.norms, self.ups, self.downs, strict=True):
            x = x + self.branch_scale * down(F.gelu(up(norm(x))))
        return self.write(self.final(x))


def residual(  # noqa: PLR0913 - a fault each
    width: int = BASE,
    depth: int = BASE_DEPTH,
    seed: int = 0,
    *,
    branch: float = -1.0,
    optimizer: str = "adamw",
    inside: float = 0.0,
) -> Made:
    """``inside`` is an exponent of depth for rates in branches; CompleteP's is 0 for AdamW."""
    torch.manual_seed(seed)
    model = Residual(width, depth, branch)
    wide, deep = width / BASE, depth / BASE_DEPTH
    nn.init.normal_(model.write.weight, std=4.0 / width)
    matrices, others = [], []
    for layers in (model.ups, model.downs):
        matrices += [layer.weight for layer in layers]
        others += [layer.bias for layer in layers]
    others += [p for norm in model.norms for p in norm.parameters()]
    outside = [*model.read.parameters(), *model.final.parameters()]
    if optimizer == "sgd":
        rate = 0.05 * deep ** (inside + 1)
        sgd = SGD(
            [
                {"params": matrices, "lr": rate},
                {"params": others, "lr": rate * wide},
                {"params": outside, "lr": 0.05 * wide},
                {"params": [model.write.weight], "lr": 0.05 / wide},
            ],
            momentum=0.9,
        )
        return model, sgd, vectors(), classify
    rate = 3e-3 * deep**inside
    adamw = AdamW(
        [
            {"params": matrices, "lr": rate / wide, "weight_decay": 0.1 * wide * deep**-inside, "eps": 1e-9 / wide / deep},
            {"params": others, "lr": rate, "eps": 1e-9 / wide / deep},
            {"params": outside, "eps": 1e-9 / wide},
            {"params": [model.write.weight], "lr": 3e-3 / wide, "weight_decay": 0.1 * wide},
        ],
        lr=3e-3,
        weight_decay=0.0,
        eps=1e-9,
    )  # fmt: skip
    return model, adamw, vectors(), classify

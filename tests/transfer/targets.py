"""Small targets that sweeps train, at the top level: workers import them."""

import os
import time
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

import mupfx

FEATURES = 3
EXAMPLES = 8


def net(width: int, depth: int = 1) -> nn.Sequential:
    inner = [layer for _ in range(depth - 1) for layer in (nn.Linear(width, width), nn.ReLU())]
    return nn.Sequential(
        nn.Linear(FEATURES, width), nn.ReLU(), *inner, nn.Linear(width, 1, bias=False)
    )


def batch(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(EXAMPLES, FEATURES, generator=generator)
    return x, x.prod(1, keepdim=True)


def loss(model: nn.Module, given: tuple[Tensor, Tensor]) -> Tensor:
    x, y = given
    return mse_loss(model(x), y)


def mlp(width: int, seed: int = 0) -> dict[str, Any]:
    """A target with a stream and a held-out batch."""
    return {
        "model": net(width),
        "batches": [batch(seed), batch(seed + 1)],
        "held_out": batch(99),
        "loss": loss,
    }


def deep(width: int, depth: int) -> dict[str, Any]:
    return {"model": net(width, depth), "batch": batch(), "loss": loss}


class Residual(nn.Module):
    """A stream with blocks added to it, for depths."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.stem = nn.Linear(FEATURES, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)
            )
            for _ in range(depth)
        )
        self.head = nn.Linear(width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x)
        out: Tensor = self.head(x)
        return out


def residual(width: int, depth: int) -> dict[str, Any]:
    return {"model": Residual(width, depth), "batch": batch(), "loss": loss}


def full_batch(width: int) -> dict[str, Any]:
    """One batch for every step, and nothing held out."""
    return {"model": net(width), "batch": batch(), "loss": loss}


def with_optimizer(width: int, lr: float) -> tuple[Any, ...]:
    """It makes an optimizer of two groups itself."""
    model = net(width)
    groups: list[dict[str, Any]] = [
        {"params": [model[0].weight, model[0].bias], "lr": 2 * lr},
        {"params": [model[2].weight]},
    ]
    return model, torch.optim.Adam(groups, lr=lr), batch(), loss


def converting(width: int) -> dict[str, Any]:
    """It converts its model itself."""
    model = mupfx.convert(net(width), batch()[0], base=lambda: net(4))
    return {"model": model, "batch": batch(), "loss": loss}


def rate_unknown(width: int) -> tuple[Any, ...]:
    model = net(width)
    return model, torch.optim.SGD(model.parameters(), lr=0.1), batch(), loss


def no_data(width: int) -> nn.Module:
    return net(width)


def never_called(width: int) -> dict[str, Any]:
    def own(model: nn.Module, given: Any) -> Tensor:
        total: Tensor = sum((p.sum() for p in model.parameters()), torch.zeros(()))
        return total

    return {"model": net(width), "batch": batch(), "loss": own}


def three_batches(width: int) -> dict[str, Any]:
    return {"model": net(width), "batches": iter([batch()] * 3), "loss": loss}


def exploding(width: int, lr: float) -> dict[str, Any]:
    """Its loss stops being a number at the second step, where the rate is above 1."""
    return {"model": net(width), "batch": batch(), "loss": Exploding(lr)}


class Exploding:
    """A loss that is infinite from its second training step on."""

    def __init__(self, lr: float) -> None:
        self.lr, self.calls = lr, 0

    def __call__(self, model: nn.Module, given: tuple[Tensor, Tensor]) -> Tensor:
        found = loss(model, given)
        self.calls += 1
        return found / 0 if self.lr > 1 and self.calls > 1 else found


def counted(width: int, seed: int, log: str) -> dict[str, Any]:
    """Every training leaves a line in a file, and takes a moment."""
    time.sleep(0.04)
    with open(log, "a", encoding="utf-8") as file:  # noqa: PTH123 - a line at once
        file.write(f"{width} {seed} {os.getpid()}\n")
    return full_batch(width)


def failing(width: int) -> dict[str, Any]:
    raise ZeroDivisionError("of the user's own")


def dying(width: int) -> dict[str, Any]:
    """The process ends in the middle."""
    os._exit(7)

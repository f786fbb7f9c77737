"""Muon as people copy it from each other: a class of which nothing is known but what it does."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer

from tests.mutants.models.gpt import GPT, is_hidden

QUINTIC = (3.4445, -4.7750, 2.0315)


def orthogonalised(update: Tensor) -> Tensor:
    """Newton and Schulz, five steps."""
    x: Tensor = update / (update.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    one, three, five = QUINTIC
    for _ in range(5):
        gram = x @ x.T
        x = one * x + (three * gram + five * gram @ gram) @ x
    return x.T if tall else x


class OwnMuon(Optimizer):
    """Spectral norms are as large as the rate, more where there are more rows than columns."""

    def __init__(self, parameters: Any, lr: float) -> None:
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Momentum, and then the nearest orthogonal matrix."""
        for group in self.param_groups:
            for p in group["params"]:
                kept = self.state[p].setdefault("momentum", torch.zeros_like(p))
                kept.mul_(0.95).add_(p.grad)
                taller = max(1.0, p.shape[0] / p.shape[1]) ** 0.5
                nesterov = p.grad + 0.95 * kept
                p.add_(orthogonalised(nesterov), alpha=-group["lr"] * taller)
        return closure() if closure else None


def own_muon(model: GPT, growth: float, *, power: float = 0.0) -> list[Optimizer]:
    """For matrices of blocks, AdamW for the rest."""
    named = dict(model.named_parameters())
    hidden = [p for n, p in named.items() if is_hidden(n)]
    others = [p for n, p in named.items() if not is_hidden(n)]
    return [
        OwnMuon(hidden, lr=0.02 * growth**power),
        AdamW(others, lr=3e-3, weight_decay=0.0),
    ]

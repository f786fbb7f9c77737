"""The rule that coordinate checks are usually read by: mean |x| of every module's output.

A slope on log width beyond 1/4, after the last step, fails. No expectation per module, and no
look at the optimizer: for comparison with ``mupfx.check`` on the same targets.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from tests.mutants.models.common import Factory

MARGIN = 0.25
STEPS = 4
Key = tuple[str, int]


def flagged(
    factory: Factory, widths: Sequence[int], seeds: int = 3, **fixed: int
) -> dict[Key, float]:
    """Modules (and which of their calls) whose outputs grow or shrink, with their slopes."""
    rows = [[_trained(factory(width, seed=s, **fixed)) for s in range(seeds)] for width in widths]
    means = [{key: sum(row[key] for row in some) / seeds for key in some[0]} for some in rows]
    shared = set(means[0]).intersection(*means[1:])
    slopes = {key: slope(widths, [row[key] for row in means]) for key in sorted(shared)}
    return {key: value for key, value in slopes.items() if not abs(value) <= MARGIN}


def slope(sizes: Sequence[int], values: Sequence[float]) -> float:
    """Of log value on log size, by least squares; infinite where a value is not positive."""
    if not all(value > 0 and math.isfinite(value) for value in values):
        return 0.0 if not any(values) else math.inf
    xs, ys = [math.log(s) for s in sizes], [math.log(v) for v in values]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    moments = [((a - x) * (b - y), (a - x) ** 2) for a, b in zip(xs, ys, strict=True)]
    assert all(a < b for a, b in pairwise(xs))
    return sum(m[0] for m in moments) / sum(m[1] for m in moments)


def _trained(made: Any) -> dict[Key, float]:
    if isinstance(made, dict):
        made = tuple(made[k] for k in ("model", "optimizer", "batch", "loss", "scheduler"))
    model, optimizer, batch, loss, *schedulers = made
    optimizers = optimizer if isinstance(optimizer, list | tuple) else [optimizer]
    for _ in range(STEPS):
        for one in optimizers:
            one.zero_grad()
        loss(model, batch).backward()
        for one in (*optimizers, *schedulers):
            one.step()
    with torch.no_grad(), _watched(model) as seen:
        loss(model, batch)
    return seen


@contextmanager
def _watched(model: nn.Module) -> Iterator[dict[Key, float]]:
    seen: dict[Key, float] = {}
    calls: dict[str, int] = defaultdict(int)

    def watch(name: str) -> Any:
        def hook(_module: nn.Module, _args: object, output: object) -> None:
            for value in output if isinstance(output, tuple) else (output,):
                if isinstance(value, Tensor) and value.is_floating_point():
                    seen[name, calls[name]] = value.abs().mean().item()
                    calls[name] += 1

        return hook

    handles = [m.register_forward_hook(watch(name)) for name, m in model.named_modules()]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()

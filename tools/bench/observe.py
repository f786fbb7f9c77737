"""What recording costs: a training step that is recorded beside the same step plain, in one run.

The demo's GPT, AdamW. Rounds go through all variants in turn, so that whatever else the machine
does falls on all alike; a ratio is the median over rounds of one variant's time over the plain
step's in the same round. Memory is what the recorder holds after a step.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from mupfx.core.report import Size
from mupfx.core.setup import Setup
from mupfx.demo.gpt import CONTEXT, GPT, VOCABULARY
from mupfx.pipeline.observing.graphs import Call, graph_of
from mupfx.pipeline.observing.training import Recorder, Wanted

VARIANTS = {
    "coordinates": ("coordinates",),
    "coordinates and updates": ("coordinates", "updates"),
}
MEBI = 2**20


def loss(model: nn.Module, tokens: Tensor) -> Tensor:
    """Of the next byte."""
    logits = model(tokens[:, :-1])
    return cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


def setup(model: nn.Module, tokens: Tensor) -> Setup:
    """A copy of the model, with an optimizer of its own."""
    mine = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(mine.parameters(), lr=1e-4)
    return Setup(Size(), 0, mine, (optimizer,), tokens, loss, (tokens[:, :-1],), {})


def plain(made: Setup) -> Callable[[int], None]:
    """A step as everybody writes it."""

    def step(_: int) -> None:
        made.optimizers[0].zero_grad(set_to_none=True)
        torch.autograd.backward(made.loss(made.model, made.batch))
        made.optimizers[0].step()

    return step


def recorder(made: Setup, what: tuple[str, ...], rounds: int) -> Recorder:
    """One that records at every step."""
    graph = graph_of(made.model, Call(made.args, made.kwargs))
    return Recorder(graph, made, Wanted(frozenset(what), tuple(range(rounds)), ()))


def held(found: Recorder) -> dict[str, float]:
    """Mebibytes by what they are."""
    watch: Any = found.coordinates
    kinds = {
        "weights at the start": list((watch.start or {}).values()),
        "samples of entries": [*watch.samples.values(), *watch.now.values()],
        "numbers": [value for value, _ in watch.found.values()],
    }
    stored = {k: {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in v}
              for k, v in kinds.items()}  # fmt: skip
    return {kind: sum(sizes.values()) / MEBI for kind, sizes in stored.items()}


def main() -> None:
    """Print a line a variant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=30)
    asked = parser.parse_args()
    torch.manual_seed(0)
    model = GPT(asked.width)
    tokens = torch.randint(VOCABULARY, (asked.batch, CONTEXT + 1))
    recorders = {
        name: recorder(setup(model, tokens), what, asked.rounds + 2)
        for name, what in VARIANTS.items()
    }
    steps: dict[str, Callable[[int], object]] = {"plain": plain(setup(model, tokens))}
    for name, found in recorders.items():
        steps[name] = lambda i, found=found: found.step(i, update=True)  # type: ignore[misc]
    times: dict[str, list[float]] = {name: [] for name in steps}
    for i in range(asked.rounds + 2):
        for name, step in steps.items():
            start = time.perf_counter()
            step(i)
            times[name].append(time.perf_counter() - start)
    for name, taken in times.items():
        ratios = [a / b for a, b in zip(taken[2:], times["plain"][2:], strict=True)]
        print(f"{name:24} {1e3 * statistics.median(taken[2:]):8.1f} ms"
              f"   x{statistics.median(ratios):.2f}")  # fmt: skip
    for kind, size in held(recorders["coordinates and updates"]).items():
        print(f"holds {kind:22} {size:8.2f} MiB")


if __name__ == "__main__":
    main()

"""Step time of both lowerings beside the original, pairwise in one run.

Every step is a forward, a backward and a step of SGD. Rounds go through all variants in turn, so
that whatever else the machine does falls on all alike; a ratio is the median over rounds of one
variant's time over the original's in the same round. Prints a line a variant; the figures of
unit-scaling, where it is installed, are its own layers in the same net.
"""

import argparse
import copy
import importlib
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

import mupfx

Step = Callable[[], None]


class Block(nn.Module):
    """Attention and a perceptron, each added to the stream."""

    def __init__(self, layers: Any, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.layers = heads, layers
        self.before, self.between = layers.LayerNorm(width), layers.LayerNorm(width)
        self.qkv, self.out = layers.Linear(width, 3 * width), layers.Linear(width, width)
        self.up, self.down = layers.Linear(width, 4 * width), layers.Linear(4 * width, width)

    def attend(self, x: Tensor) -> Tensor:
        """Attention with the heads of a third of the width each."""
        batch, length, width = x.shape
        shape = (batch, length, self.heads, width // self.heads)
        q, k, v = (t.view(shape).transpose(1, 2) for t in self.qkv(x).chunk(3, -1))
        mixed = self.layers.attention(q, k, v)
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        return out

    def forward(self, x: Tensor) -> Tensor:
        """One block."""
        x = self.layers.add(x, self.attend(self.before(x)))
        added: Tensor = self.layers.add(x, self.down(self.layers.gelu(self.up(self.between(x)))))
        return added


class Gpt(nn.Module):
    """A small GPT of somebody's layers."""

    def __init__(self, layers: Any, width: int, heads: int, blocks: int, words: int) -> None:
        super().__init__()
        self.embed = layers.Embedding(words, width)
        self.blocks = nn.ModuleList(Block(layers, width, heads) for _ in range(blocks))
        self.norm, self.head = layers.LayerNorm(width), layers.LinearReadout(width, words)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits."""
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.head(self.norm(x))
        return out


class Torch:
    """torch's own layers."""

    Linear, LinearReadout = nn.Linear, nn.Linear
    Embedding, LayerNorm = nn.Embedding, nn.LayerNorm
    gelu = staticmethod(functional.gelu)
    add = staticmethod(torch.add)

    @staticmethod
    def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Causal."""
        return functional.scaled_dot_product_attention(q, k, v, is_causal=True)


def unit_scaled() -> Any:
    """The layers of unit-scaling; None where it is not installed."""
    try:
        layers = importlib.import_module("unit_scaling")
        ops = importlib.import_module("unit_scaling.functional")
    except ImportError:
        return None

    class UnitScaling:
        Linear, LinearReadout = layers.Linear, layers.LinearReadout
        Embedding, LayerNorm = layers.Embedding, layers.LayerNorm
        gelu, add = staticmethod(ops.gelu), staticmethod(ops.add)

        @staticmethod
        def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            out: Tensor = ops.scaled_dot_product_attention(q, k, v, is_causal=True)
            return out

    return UnitScaling


def stepping(model: nn.Module, tokens: Tensor) -> Step:
    """One step of training."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        logits = model(tokens)
        loss = functional.cross_entropy(logits.flatten(0, 1), tokens.flatten())
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def variants(options: argparse.Namespace) -> dict[str, tuple[Step, str | None]]:
    """Steps by name, with the name of what each is compared with."""
    torch.manual_seed(0)
    tokens = torch.randint(options.words, (options.batch, options.length))
    sizes = options.heads, options.blocks, options.words
    original = Gpt(Torch, options.width, *sizes)
    base = Gpt(Torch, options.width // 2, *sizes)

    def converted(**how: Any) -> nn.Module:
        return mupfx.convert(copy.deepcopy(original), tokens, base=base, **how)

    models: dict[str, nn.Module] = {
        "original": original,
        "folded": converted(),
        "graph": converted(lowering="graph"),
        "graph, unit gauge": converted(lowering="graph", gauge="unit"),
    }
    scaled = unit_scaled()
    if scaled is None:
        print("unit-scaling: not installed")
    else:
        models["unit-scaling"] = Gpt(scaled, options.width, *sizes)
    found: dict[str, tuple[Step, str | None]] = {}
    for suffix in ("", ", compiled") if options.compile else ("",):
        for name, model in models.items():
            mine: Any = torch.compile(copy.deepcopy(model)) if suffix else model
            against = None if name == "original" else f"original{suffix}"
            found[name + suffix] = stepping(mine, tokens), against
    return found


def measure(steps: Mapping[str, Step], rounds: int) -> dict[str, list[float]]:
    """Seconds of every variant in every round, after three that do not count."""
    found: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(rounds + 3):
        order = list(steps) if turn % 2 else list(steps)[::-1]
        for name in order:
            start = time.perf_counter()
            steps[name]()
            if turn >= 3:
                found[name].append(time.perf_counter() - start)
    return found


def main() -> None:
    """Measure and print a line a variant."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in {
        "width": 256, "heads": 4, "blocks": 4, "words": 512, "batch": 8, "length": 64, "rounds": 60,
    }.items():  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    options = parser.parse_args()
    every = variants(options)
    seconds = measure({name: pair[0] for name, pair in every.items()}, options.rounds)
    for name, (_, against) in every.items():
        line = f"{name:28} {1e3 * statistics.median(seconds[name]):8.2f} ms"
        if against is not None:
            pairs = zip(seconds[name], seconds[against], strict=True)
            line += f"  {statistics.median(a / b for a, b in pairs):.3f}x {against}"
        print(line)


if __name__ == "__main__":
    main()

"""Real text that every machine has: the source of some modules of the standard library."""

import inspect
from collections.abc import Iterator
from importlib import import_module

import torch
from torch import Tensor

MODULES = (
    "argparse",
    "ast",
    "dataclasses",
    "difflib",
    "inspect",
    "pathlib",
    "statistics",
    "typing",
)
_HELD_OUT = 10
"""One part in so many is not trained on."""


def corpus() -> tuple[Tensor, Tensor]:
    """Text to train on and text to test on, one byte a token."""
    text = "\n".join(inspect.getsource(import_module(name)) for name in MODULES)
    tokens = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8).long()
    split = len(tokens) - len(tokens) // _HELD_OUT
    return tokens[:split], tokens[split:]


def batches(
    text: Tensor, *, count: int, size: int, context: int, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Random windows of the text, each with the same window one byte on."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        starts = torch.randint(len(text) - context, (size, 1), generator=generator)
        at = starts + torch.arange(context)
        yield text[at], text[at + 1]

"""Printed graphs of five models, the same on every machine and in every run."""

from typing import Any

import pytest
import torch
from inline_snapshot import external_file
from torch import nn

import mupfx
from tests.passes.rewrite.models import (
    ConvNet,
    Encoder,
    Gpt,
    Plain,
    Recurrent,
    batch,
    image,
    tokens,
)

CASES: dict[str, tuple[type[nn.Module], int, Any, dict[str, Any], str]] = {
    "gpt": (Gpt, 32, (tokens(0), tokens(1)), {}, "fold"),
    "conv_net": (ConvNet, 8, (image(),), {}, "mup"),
    "recurrent": (Recurrent, 16, (tokens(),), {}, "mup"),
    "encoder": (Encoder, 16, (batch(),), {"hidden": True}, "fold"),
    "plain": (Plain, 16, (torch.ones(3, 4),), {}, "unit"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_graph_prints_as_it_always_did(name: str) -> None:
    kind, width, args, kwargs, gauge = CASES[name]
    torch.manual_seed(0)
    base, model = kind(width), kind(2 * width)
    made = mupfx.convert(model, args, kwargs, base=base, lowering="graph", gauge=gauge)
    assert str(made) + "\n" == external_file(f"{name}.txt")

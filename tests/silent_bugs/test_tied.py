"""Bugs 3, 4 and 5 of microsoft/mup: embeddings tied to their readout."""

import pytest
import torch
from torch import nn

import mupfx
from tests.silent_bugs.models import Tied, rates, seeded, tied
from tests.zoo.models.common import tokens


def test_3_a_tied_readout_has_its_bias() -> None:
    model = tied(4)
    ids = tokens(97, 2, 11)
    hidden = torch.tanh(model.inner(model.embed(ids)))
    expected = hidden @ model.embed.weight.T / 4 + model.readout.bias
    torch.testing.assert_close(model(ids), expected)
    assert rates(model)["readout.bias"] == 1.0


@pytest.mark.parametrize("scale", [1, 4, 16, 64])
def test_4_a_tied_embedding_keeps_its_std(scale: int) -> None:
    model, plain = tied(scale, bias=False), seeded(Tied, 32 * scale, bias=False)
    assert torch.equal(model.embed.weight, plain.embed.weight)
    assert model.embed.weight.std().item() == pytest.approx(1, rel=0.05)


def test_5_tying_does_not_zero_the_embedding() -> None:
    """And a readout that starts at zero stays zero where it is on its own."""
    model = tied(4)
    assert model.readout.weight is model.embed.weight
    assert model.embed.weight.abs().min() > 0

    def untied(width: int) -> nn.Sequential:
        readout = nn.Linear(width, 97, bias=False)
        nn.init.zeros_(readout.weight)
        return nn.Sequential(nn.Embedding(97, width), readout)

    apart = seeded(untied, 128)
    mupfx.convert(apart, tokens(97, 2, 11), base=seeded(untied, 32))
    assert torch.equal(apart[0].weight, seeded(untied, 128)[0].weight)
    assert not apart[1].weight.any()

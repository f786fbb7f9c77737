"""Converted on the meta device, values later: what may go wrong in between."""

import pytest
import torch
from torch import nn

import mupfx
from tests.silent_bugs.models import Tied
from tests.zoo.models.common import tokens


def on_meta() -> Tied:
    with torch.device("meta"):
        model, base = Tied(64), Tied(32)
    return mupfx.convert(model, tokens(97, 2, 5), base=base)


def drawn(model: nn.Module) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.02)


def test_a_tie_that_broke_is_told() -> None:
    """``to_empty`` gives each name a tensor of its own."""
    model = on_meta().to_empty(device="cpu")
    drawn(model)
    with pytest.raises(mupfx.PlanError, match=r"'readout\.weight' was tied to 'embed\.weight'"):
        mupfx.rescale_(model)


def test_a_tie_that_was_made_again() -> None:
    model = on_meta().to_empty(device="cpu")
    model.readout.weight = model.embed.weight
    drawn(model)
    assert mupfx.rescale_(model) is model
    with pytest.raises(mupfx.PlanError, match="rescaled"):
        mupfx.rescale_(model)

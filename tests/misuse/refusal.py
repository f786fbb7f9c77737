"""Calls that must be refused, and leave the model as it was bit for bit."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import mupfx
from tests.fingerprint import fingerprint
from tests.zoo.models.common import floats


def refusal(model: nn.Module, call: Callable[[], object]) -> str:
    """The error that the call raises, after checking that the model has not moved a bit."""
    before = fingerprint(model)
    with pytest.raises(mupfx.MupfxError) as caught:
        call()
    assert fingerprint(model) == before
    return f"{type(caught.value).__name__}: {caught.value}"


def refused_conversion(model: nn.Module, *args: Any, **options: Any) -> str:
    """The same for ``convert``, which leaves no plan behind."""
    text = refusal(model, lambda: mupfx.convert(model, *args, **options))
    with pytest.raises(mupfx.PlanError):
        mupfx.plan(model)
    return text


def mlp(width: int = 46, **device: Any) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Linear(7, width, **device), nn.Tanh(), nn.Linear(width, 13, **device)
        )


def converted() -> nn.Module:
    return mupfx.convert(mlp(), floats(3, 7), base=mlp(23))

"""The strategy's own promises: every program builds, runs, and means the same at every width."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from mupfx.testing import ModelSpec, models


@given(models(), st.integers(1, 3))
def test_every_program_runs_at_every_width(spec: ModelSpec, scale: int) -> None:
    model, inputs = spec.build(scale)
    narrow, same_inputs = spec.build()
    with torch.no_grad():
        assert model(*inputs).shape == narrow(*same_inputs).shape
    names = [name for name, _ in model.named_parameters()]
    assert names == [name for name, _ in narrow.named_parameters()]


@given(models())
def test_the_seed_decides_the_values(spec: ModelSpec) -> None:
    first, second = (spec.build()[0].state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)

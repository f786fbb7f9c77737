"""Models that are built or initialised anew start as microsoft/mup's do, on the same draws."""

import functools

import pytest
import torch
from torch import nn

import mupfx
from tests.oracle.reference import NAMES, Oracle

NEVER_READ = "cls.predictions.bias"


@functools.cache
def built(name: str, base: int) -> nn.Module:
    oracle = Oracle.read(name)
    args, kwargs = oracle.example()
    made: nn.Module = mupfx.build(
        lambda: oracle.build(oracle.target),
        args,
        kwargs,
        base=lambda: oracle.build(base),
        strict=name != "hf_bert",
        seed=3,
    )
    return made


def numbers(name: str) -> dict[str, float]:
    """What mup's effective weight is of the plain one, by parameter."""
    oracle = Oracle.read(name)
    tied = {"hf_gpt2_tied": {"transformer.wte.weight"}}.get(name, set())
    return {
        parameter: oracle.init_factor(parameter) * (1.0 if parameter in tied else row["fwd"])
        for parameter, row in oracle.parameters.items()
        if parameter != NEVER_READ
    }


@pytest.mark.parametrize("name", NAMES)
def test_built(name: str) -> None:
    """Beside the base that is as wide: the user's own laws, drawn from the same seed."""
    oracle = Oracle.read(name)
    plain, model = built(name, oracle.target), built(name, oracle.base)
    plan = mupfx.plan(model)
    for parameter, expected in numbers(name).items():
        before, after = plain.get_parameter(parameter), model.get_parameter(parameter)
        scale = plan.parameters[parameter].multiplier
        torch.testing.assert_close(
            after * scale, before * expected, rtol=1e-6, atol=0, msg=parameter
        )


@pytest.mark.parametrize("name", NAMES)
def test_initialised_anew(name: str) -> None:
    oracle = Oracle.read(name)
    args, kwargs = oracle.example()
    model = mupfx.convert(
        lambda: oracle.build(oracle.target),
        args,
        kwargs,
        base=lambda: oracle.build(oracle.base),
        strict=name != "hf_bert",
    )
    mupfx.init_(model, seed=3)
    for parameter, value in built(name, oracle.base).named_parameters():
        assert torch.equal(model.get_parameter(parameter), value), parameter

"""The gauges that ``convert`` knows by name."""

import math

import pytest
import torch
from inline_snapshot import snapshot
from torch import nn

import mupfx
from tests.gauged import Attending, Recurrent, Tied, converted, inputs_of
from tests.misuse.refusal import refused_conversion


def multipliers(model: nn.Module) -> dict[str, float]:
    rows = mupfx.plan(model).parameters
    return {name: row.multiplier for name, row in rows.items() if row.multiplier != 1}


def test_the_gauge_of_microsoft_mup() -> None:
    """Readouts are stored as at the base, and multiplied by 1/fan_in; MuAdam's rate is 1 there."""
    model = converted(gauge="mup")
    plain = converted()
    assert multipliers(model) == {"readout.weight": 0.5}
    row = mupfx.plan(model).parameters["readout.weight"]
    assert (row.optimizers["adamw"].lr, row.optimizers["sgd"].lr) == (1.0, 2.0)
    assert (str(row.gauge), str(row.init.power)) == ("fan_in^-1", "1")
    stored = dict(model.named_parameters())["readout.weight"]
    assert torch.equal(stored, 2 * plain.readout.weight)
    torch.testing.assert_close(model(inputs_of(model)), plain(inputs_of(plain)))
    assert mupfx.plan(model).notes[-1] == snapshot(
        "gauge 'mup' multiplies readout.weight where they are read; weights alone, loaded elsewhere, lack it"
    )


def test_a_tied_readout_has_its_multiplier_already() -> None:
    assert multipliers(converted(Tied, gauge="mup")) == {}


def test_weights_of_unit_variance() -> None:
    model, plain = converted(gauge="unit"), converted()
    rows = mupfx.plan(model).parameters
    assert set(multipliers(model)) == {
        "stem.weight", "attention.in_proj_weight", "attention.out_proj.weight", "readout.weight",
    }  # fmt: skip
    assert [rows[name].init.std for name in multipliers(model)] == pytest.approx([1.0] * 4)
    torch.testing.assert_close(model(inputs_of(model)), plain(inputs_of(plain)))


def test_gauges_of_powers_of_two_are_exact() -> None:
    model, plain = converted(gauge="unit", exact=True), converted()
    assert {math.frexp(value)[0] for value in multipliers(model).values()} == {0.5}
    assert torch.equal(model(inputs_of(model)), plain(inputs_of(plain)))


def test_a_model_on_meta() -> None:
    torch.manual_seed(0)
    with torch.device("meta"):
        model = Attending(16)
        inputs = inputs_of(model)
    model = mupfx.convert(model, inputs, base=lambda: Attending(8), gauge="mup")
    model.to_empty(device="cpu")
    torch.manual_seed(0)
    model.load_state_dict(Attending(16).state_dict())
    mupfx.rescale_(model)
    plain = converted()
    assert torch.equal(model(inputs_of(model)), plain(inputs_of(plain)))


def test_unit_variance_of_no_values() -> None:
    with torch.device("meta"):
        model = Attending(16)
        inputs = inputs_of(model)
    error = refused_conversion(model, inputs, base=lambda: Attending(8), gauge="unit")
    assert error == snapshot("""\
LoweringError: unit variance needs to know how large a weight is
  where: stem.weight
  found: no known law of initialisation, or no values yet (meta device)
  hint: name the law, init={"stem.weight": "normal"}, or convert with gauge="fold"\
""")


def test_no_gauge_of_this_name() -> None:
    torch.manual_seed(0)
    model = Attending(16)
    error = refused_conversion(model, inputs_of(model), base=Attending(8), gauge="umup")
    assert error == snapshot("""\
LoweringError: gauge='umup' says nothing
  expected: 'fold', 'mup', 'unit'\
""")


def test_a_gauge_that_nothing_can_carry_leaves_the_model_as_it_was() -> None:
    torch.manual_seed(0)
    model = Recurrent(16)
    error = refused_conversion(model, inputs_of(model), base=Recurrent(8), gauge="unit")
    assert "_flat_weights" in error

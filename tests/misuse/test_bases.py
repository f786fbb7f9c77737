"""Bases that do not fit, and some that look as if they did not."""

from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot
from torch import nn

import mupfx
from tests.misuse.refusal import mlp, refused_conversion
from tests.zoo.models import gpt, small
from tests.zoo.models.common import floats


def test_base_of_another_architecture() -> None:
    model, args, kwargs = gpt.gpt()
    text = refused_conversion(model, args, kwargs, base=small.lstm(1)[0])
    assert text == snapshot("""\
BaseError: the base is of another architecture
  where: op 1 of 50 here, of 8 in the base
  expected: aten.arange.default, gpt.py:91 place = torch.arange(ids.size(1), device=ids.device)
  found: aten.embedding.default, small.py:152 hidden, _ = self.rnn(self.embed(ids))
  hint: give the same model at another width (or an int: the residual width at the base)\
""")


def test_base_with_another_activation_is_another_architecture() -> None:
    base = mlp(23)
    base[1] = nn.ReLU()
    text = refused_conversion(mlp(), floats(3, 7), base=base)
    assert text == snapshot("""\
BaseError: the base is of another architecture
  where: op 2 of 3 here, of 3 in the base
  expected: aten.tanh.default, module 1
  found: aten.relu.default, module 1
  hint: give the same model at another width (or an int: the residual width at the base)\
""")


def test_base_of_another_depth() -> None:
    model, args, kwargs = gpt.gpt(layers=3)
    text = refused_conversion(model, args, kwargs, base=gpt.gpt(1, layers=2)[0])
    assert "base_depth" in text
    assert text == snapshot("""\
BaseError: the base has another depth
  expected: 6 residual adds, as here
  found: 4
  hint: if that is meant: base_depth=4\
""")


def test_base_of_another_depth_that_is_told() -> None:
    """The std of its last projections falls with depth, which values alone do not tell."""
    (model, args, kwargs), base = gpt.gpt(layers=3), gpt.gpt(1, layers=2)[0]
    mupfx.convert(model, args, kwargs, base=base, base_depth=4)
    parameters = mupfx.plan(model).parameters
    inside = [p.depth_ratio for p in parameters.values() if p.branch]
    outside = [p.depth_ratio for p in parameters.values() if not p.branch]
    assert {float(ratio) for ratio in inside} == {1.5}
    assert set(outside) == {1}


def test_base_wider_than_the_model_is_fine() -> None:
    model = mupfx.convert(mlp(23), floats(3, 7), base=mlp(46))
    assert mupfx.plan(model).parameters["2.weight"].fan_in_ratio == 0.5


def with_inner(model: gpt.GPT, layer: int, inner: int) -> gpt.GPT:
    """Replace one layer's MLP by one of another size."""
    block = model.h[layer]
    assert isinstance(block, gpt.Block)
    width = model.wte.weight.shape[1]
    block.mlp.c_fc, block.mlp.c_proj = nn.Linear(width, inner), nn.Linear(inner, width)
    return model


def test_an_axis_that_grew_in_only_some_layers() -> None:
    (model, args, kwargs), base = gpt.gpt(2), gpt.gpt(1)[0]
    assert isinstance(base, gpt.GPT)
    text = refused_conversion(model, args, kwargs, base=with_inner(base, 1, 280))
    assert "h.1.mlp" in text
    assert text == snapshot("""\
BaseError: an axis grew in only some layers
  where: h.1.mlp.c_fc.weight dimension 0
  expected: a ratio of 2, as h.0.mlp.c_fc.weight dimension 0 (280 here, 140 at the base)
  found: a ratio of 1 (280 here, 280 at the base)
  hint: shrink every layer of the base alike, or strict=False if that is meant\
""")


def test_analysis_tells_what_conversion_refuses() -> None:
    (model, args, kwargs), base = gpt.gpt(2), gpt.gpt(1)[0]
    assert isinstance(base, gpt.GPT)
    found = mupfx.analyze(model, args, kwargs, base=with_inner(base, 1, 280))
    assert any("h.1.mlp.c_fc.weight dimension 0 grew by a ratio of 1" in f for f in found.findings)
    with pytest.warns(mupfx.MupfxWarning, match="h.1.mlp.c_fc.weight"):
        converted = mupfx.convert(model, args, kwargs, base=with_inner(base, 1, 280), strict=False)
    assert mupfx.plan(converted).parameters["h.1.mlp.c_fc.weight"].fan_out_ratio == 1


@pytest.mark.parametrize("base", [0, -4, 2.5, "no/such/base.json", None, object()])
def test_no_base_at_all(base: Any) -> None:
    text = refused_conversion(mlp(), floats(3, 7), base=base)
    assert text.startswith("BaseError")


def test_base_by_a_name_that_no_class_has() -> None:
    text = refused_conversion(mlp(), floats(3, 7), base={"wdith": 23})
    assert "wdith" in text
    assert text == snapshot("""\
BaseError: no factor class is called 'wdith'
  expected: one of c0, input, output
  hint: mupfx inspect lists them\
""")


def test_base_that_does_not_divide_is_fine() -> None:
    """Ratios are exact fractions."""
    model = mupfx.convert(mlp(46), floats(3, 7), base=mlp(30))
    ratio = mupfx.plan(model).parameters["2.weight"].fan_in_ratio
    assert (ratio.numerator, ratio.denominator) == (23, 15)


def test_broken_base_file(tmp_path: Path) -> None:
    (tmp_path / "base.json").write_text('{"schema": 1')
    text = refused_conversion(mlp(), floats(3, 7), base=tmp_path / "base.json")
    assert text.startswith("BaseError")

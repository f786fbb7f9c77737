"""Example inputs that do not fit."""

from inline_snapshot import snapshot

from tests.misuse.refusal import mlp, refused_conversion
from tests.zoo.models import gpt, small
from tests.zoo.models.common import floats


def test_missing_inputs() -> None:
    model, _, _ = gpt.gpt()
    text = refused_conversion(model, base=gpt.gpt(1)[0])
    assert "ids" in text
    assert text == snapshot("""\
CaptureError: the example inputs do not fit GPT.forward: missing a required argument: 'ids'
  expected: forward(ids: torch.Tensor, targets: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor | None]
  found: 0 positional, keywords []
  hint: pass example inputs: mupfx.convert(model, (inputs,), base=...)\
""")


def test_one_of_two_inputs() -> None:
    model, args, _ = small.two_towers()
    text = refused_conversion(model, args[:1], base=small.two_towers(1)[0])
    assert "right" in text
    assert text == snapshot("""\
CaptureError: the example inputs do not fit TwoTowers.forward: missing a required argument: 'right'
  expected: forward(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor
  found: 1 positional, keywords []
  hint: pass example inputs: mupfx.convert(model, (inputs,), base=...)\
""")


def test_inputs_of_the_wrong_dtype() -> None:
    model, _, _ = gpt.gpt()
    text = refused_conversion(model, (floats(2, 11),), base=gpt.gpt(1)[0])
    assert text == snapshot("""\
CaptureError: running GPT on these inputs failed
  where: gpt.py:92 x = self.wte(ids) + self.wpe(place)
  expected: inputs that the model runs on
  found: export: RuntimeError: Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got torch.float32 instead
    export after a run, make_fx, recorder: RuntimeError: Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got torch.FloatTensor instead (while checking arguments for embedding)\
""")


def test_inputs_of_the_wrong_shape() -> None:
    text = refused_conversion(mlp(), (floats(3, 8),), base=mlp(23))
    assert text == snapshot("""\
CaptureError: running Sequential on these inputs failed
  expected: inputs that the model runs on
  found: export: RuntimeError: a and b must have same reduction dim, but got [3, 8] X [7, 46].
    export after a run, make_fx, recorder: RuntimeError: mat1 and mat2 shapes cannot be multiplied (3x8 and 7x46)\
""")

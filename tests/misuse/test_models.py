"""Models in a state that cannot be converted."""

import pytest
import torch
from inline_snapshot import snapshot
from torch import nn
from torch.nn import functional

import mupfx
from tests.misuse.refusal import converted, mlp, refusal, refused_conversion
from tests.zoo.models.common import floats


class Spare(nn.Module):
    """Has a layer that its forward never calls."""

    def __init__(self, width: int = 46) -> None:
        super().__init__()
        self.used = mlp(width)
        self.spare = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.used(x)
        return out


def test_parameters_the_trace_never_reached() -> None:
    text = refused_conversion(Spare(), floats(3, 7), base=Spare(23))
    assert "spare.weight" in text
    assert "spare.bias" in text
    assert text == snapshot("""\
AnalysisError: the example inputs never reach some parameters
  where: spare.weight, spare.bias
  hint: pass an example that uses them, or strict=False to leave them as they are\
""")


def test_parameters_the_trace_never_reached_can_be_left_alone() -> None:
    model = Spare()
    before = model.spare.weight.clone()
    mupfx.convert(model, floats(3, 7), base=Spare(23), strict=False)
    assert torch.equal(model.spare.weight, before)
    groups = mupfx.param_groups(model, optimizer=torch.optim.AdamW, lr=1.0)
    grouped = [id(p) for group in groups for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters())


def test_a_model_already_converted() -> None:
    model = converted()
    plan = mupfx.plan(model)
    text = refusal(model, lambda: mupfx.convert(model, floats(3, 7), base=mlp(23)))
    assert mupfx.plan(model) == plan
    assert text == snapshot("""\
ModelError: this model is already converted
  where: Sequential, to 'mup'
  hint: build the model afresh to convert it differently\
""")


@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_lazy_modules() -> None:
    model = nn.Sequential(nn.LazyLinear(46), nn.Tanh(), nn.Linear(46, 13))
    text = refused_conversion(model, floats(3, 7), base=mlp(23))
    assert "0.weight" in text
    assert text == snapshot("""\
ModelError: lazy parameters have no shape yet
  where: 0.weight, 0.bias
  hint: run the model once on an example, then convert it\
""")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_no_numbers(value: float) -> None:
    model = mlp()
    with torch.no_grad():
        model[2].weight[5, 7] = value  # type: ignore[operator]
    text = refused_conversion(model, floats(3, 7), base=mlp(23))
    assert "2.weight" in text
    assert text == snapshot("""\
ModelError: weights hold values that are not finite
  where: 2.weight
  expected: freshly initialised weights
  hint: initialise the model before converting it\
""")


def test_zero_size_axes() -> None:
    model, base = mlp(), mlp(23)
    for m, width in ((model, 46), (base, 23)):
        m[0].weight = nn.Parameter(torch.zeros(width, 0))
    text = refused_conversion(model, floats(3, 0), base=base)
    assert "0.weight" in text
    assert text == snapshot("""\
ModelError: parameters with an axis of size zero have no ratio to a base
  where: 0.weight [46, 0]
  expected: every axis at least one
  hint: remove the empty layers, or shard after converting\
""")


class Int8Linear(nn.Module):
    """Weights in eight bits, scaled back in the forward pass."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        values = torch.arange(inputs * outputs).reshape(outputs, inputs) % 17
        self.weight = nn.Parameter(values.to(torch.int8), requires_grad=False)
        self.scale = nn.Parameter(torch.full((outputs, 1), 0.01))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, self.weight * self.scale)


def test_quantized_weights() -> None:
    model = nn.Sequential(nn.Linear(7, 46), nn.Tanh(), Int8Linear(46, 46), nn.Linear(46, 13))
    base = nn.Sequential(nn.Linear(7, 23), nn.Tanh(), Int8Linear(23, 23), nn.Linear(23, 13))
    text = refused_conversion(model, floats(3, 7), base=base)
    assert "2.weight" in text
    assert "int8" in text
    assert text == snapshot("""\
ModelError: quantized weights cannot be rescaled or trained
  where: 2.weight int8
  expected: floating point weights
  hint: convert the model first, quantize what comes out of training\
""")


def test_a_module_on_mixed_devices() -> None:
    model = mlp()
    model[2].to("meta")
    text = refused_conversion(model, floats(3, 7), base=mlp(23))
    assert "meta" in text
    assert "cpu" in text
    assert text == snapshot("""\
ModelError: the parameters are on several devices
  where: 0.weight on cpu, 2.weight on meta
  expected: one device
  hint: convert first, then move or shard the model: the plan stays with it\
""")


def test_a_forward_that_raises() -> None:
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = mlp()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("no such thing as a free lunch")

    text = refused_conversion(Broken(), floats(3, 7), base=23)
    assert text.startswith("CaptureError")
    assert "no such thing as a free lunch" in text

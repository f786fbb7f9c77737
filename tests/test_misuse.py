"""Each misuse has an error of its own that says what and where, and the model stays as it was."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from inline_snapshot import snapshot
from torch import nn
from torch.nn import functional

import mupfx
from tests.fingerprint import fingerprint
from tests.zoo.models import gpt, small
from tests.zoo.models.common import floats, tokens


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


# ----------------------------------------------------------------------------------------- inputs


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
CaptureError: tracing GPT with these inputs failed
  where: gpt.py:92 x = self.wte(ids) + self.wpe(place)
  expected: inputs that the model runs on
  found: RuntimeError: Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got torch.float32 instead
  hint: call the model on the same inputs; if that works, report the model\
""")


def test_inputs_of_the_wrong_shape() -> None:
    text = refused_conversion(mlp(), (floats(3, 8),), base=mlp(23))
    assert text == snapshot("""\
CaptureError: tracing Sequential with these inputs failed
  expected: inputs that the model runs on
  found: RuntimeError: a and b must have same reduction dim, but got [3, 8] X [7, 46].
  hint: call the model on the same inputs; if that works, report the model\
""")


# ------------------------------------------------------------------------------------------- base


def test_base_of_another_architecture() -> None:
    model, args, kwargs = gpt.gpt()
    text = refused_conversion(model, args, kwargs, base=small.lstm(1)[0])
    assert text == snapshot("""\
BaseError: the base is of another architecture
  where: op 0 of 50 here and 6 in the base
  expected: aten.arange.default
  found: aten.embedding.default
  hint: give the same model at another width (or an int: the residual width at the base)\
""")


def test_base_with_another_activation_is_another_architecture() -> None:
    base = mlp(23)
    base[1] = nn.ReLU()
    text = refused_conversion(mlp(), floats(3, 7), base=base)
    assert text == snapshot("""\
BaseError: the base is of another architecture
  where: op 1 of 3 here and 3 in the base
  expected: aten.tanh.default
  found: aten.relu.default
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
    laws = {"h.*.c_proj.weight": "constant"}
    mupfx.convert(model, args, kwargs, base=base, base_depth=4, init=laws)
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
  hint: build the base so that every layer shrinks alike\
""")


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


# ------------------------------------------------------------------------------ state of the model


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


# -------------------------------------------------------------------------------------- optimizers


def test_an_optimizer_that_was_stepped() -> None:
    model = converted()
    optimizer = torch.optim.AdamW(model.parameters())
    torch.autograd.backward(model(floats(3, 7)).square().mean())
    optimizer.step()
    give: Any = optimizer
    text = refusal(model, lambda: mupfx.optimizer(give, model, lr=0.1))
    assert refusal(model, lambda: mupfx.param_groups(model, optimizer=give, lr=0.1)) == text
    assert text == snapshot("""\
OptimizerError: this optimizer has already taken steps
  found: AdamW with state for 4 parameters
  hint: convert first, then build a new optimizer: mupfx.optimizer(cls, model, lr=...)\
""")


def test_an_optimizer_that_was_made_already() -> None:
    model = converted()
    give: Any = torch.optim.AdamW(model.parameters())
    text = refusal(model, lambda: mupfx.optimizer(give, model, lr=0.1))
    assert text == snapshot("""\
OptimizerError: the optimizer is to be given as its class
  expected: a class such as torch.optim.AdamW
  found: an object of type AdamW
  hint: pass the class, and its hyperparameters as keywords: lr=..., weight_decay=...\
""")


def test_groups_that_miss_a_parameter() -> None:
    model = converted()
    given = [{"params": [model.get_parameter("0.weight"), model.get_parameter("2.weight")]}]
    text = refusal(
        model, lambda: mupfx.param_groups(model, optimizer=torch.optim.SGD, groups=given, lr=0.1)
    )
    assert "0.bias" in text
    assert "2.bias" in text
    assert text == snapshot("""\
OptimizerError: the groups miss trainable parameters of the model
  where: 0.bias, 2.bias
  expected: each trainable parameter in exactly one group
  found: 2 of 4 in none
  hint: add them to a group, or freeze them with requires_grad_(False)\
""")


def test_groups_that_name_a_parameter_twice() -> None:
    model = converted()
    given = [{"params": list(model.parameters())}, {"params": [model.get_parameter("0.bias")]}]
    text = refusal(
        model, lambda: mupfx.param_groups(model, optimizer=torch.optim.SGD, groups=given, lr=0.1)
    )
    assert "0.bias" in text
    assert text == snapshot("""\
OptimizerError: a parameter is given twice
  where: 0.bias
  expected: each parameter in exactly one group, once
  found: it is in groups[0] and in groups[1]\
""")


def test_an_optimizer_for_a_model_without_a_plan() -> None:
    model = mlp()
    text = refusal(model, lambda: mupfx.optimizer(torch.optim.AdamW, model, lr=0.1))
    assert text.startswith("PlanError")
    assert text == snapshot("""\
PlanError: this Sequential was not converted by mupfx
  hint: model = mupfx.convert(model, example_inputs, base=...)\
""")


def test_an_optimizer_no_rule_is_known_for() -> None:
    model = converted()
    text = refusal(model, lambda: mupfx.optimizer(torch.optim.LBFGS, model, lr=0.1))
    assert "LBFGS" in text
    assert text == snapshot('''\
OptimizerError: how this optimizer scales is not known
  expected: SGD, Adam, AdamW, or a subclass of one
  found: torch.optim.lbfgs.LBFGS
  hint: name the one it scales like: family="adam", "adamw" (decoupled weight decay), "sgd"\
''')


def test_a_parametrization_that_does_not_exist() -> None:
    text = refused_conversion(mlp(), floats(3, 7), base=mlp(23), parametrization="mupp")
    assert "mupp" in text
    assert text == snapshot("""\
ParametrizationError: no parametrization of this name
  expected: 'sp', 'mup'
  found: 'mupp'
  hint: pass one of these names, or a mupfx.core.parametrization.Parametrization of your own\
""")


def test_grow_is_one_of_two_words() -> None:
    model, args, kwargs = gpt.gpt()
    text = refused_conversion(model, args, kwargs, base=gpt.gpt(1)[0], grow="both")
    assert "both" in text
    assert text == snapshot('''\
MupfxError: grow='both' says nothing
  expected: "heads" or "head_dim"
  hint: grow="heads"\
''')


def test_overrides_of_a_class_that_does_not_exist() -> None:
    text = refused_conversion(mlp(), floats(3, 7), base=mlp(23), overrides={"wdith": "finite"})
    assert "wdith" in text
    assert text == snapshot("""\
BaseError: no factor class is called 'wdith'
  expected: one of c0, input, output
  hint: mupfx inspect lists them\
""")


# ------------------------------------------------------------------------- looking changes nothing


@pytest.mark.parametrize(
    "build", [gpt.gpt, small.autoencoder, small.lstm, small.two_towers, small.functional_weights]
)
@pytest.mark.parametrize("training", [True, False])
def test_analysis_changes_nothing(build: Callable[..., Any], training: bool) -> None:  # noqa: FBT001
    model, args, kwargs = build(2)
    model.train(training)
    before = fingerprint(model)
    mupfx.analyze(model, args, kwargs, base=build(1)[0])
    assert fingerprint(model) == before


class Noisy(nn.Module):
    """Draws numbers, counts batches and freezes a layer."""

    def __init__(self, width: int = 46) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(7, width), nn.BatchNorm1d(width), nn.Dropout(0.5))
        self.readout = nn.Linear(width, 13)
        self.inner[0].requires_grad_(requires_grad=False)
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))
        self.calls: torch.Tensor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        out: torch.Tensor = self.readout(self.inner(x + torch.randn_like(x)))
        return out


def test_conversion_of_a_noisy_model_changes_parameters_alone() -> None:
    """Running statistics, counters, generators, flags and the user's own hooks stay."""
    model, base, inputs = Noisy(), Noisy(23), floats(3, 7)
    model.inner.register_forward_hook(lambda *_: None)
    before = fingerprint(model)
    mupfx.convert(model, inputs, base=base)
    after = fingerprint(model)
    moved = {name for name, value in after["tensors"].items() if value != before["tensors"][name]}
    assert moved == {"readout.weight", "readout.bias"}
    for aspect in ("torch generator", "python generator", "gradients", "default dtype"):
        assert after[aspect] == before[aspect]
    for name, (_, kind, training, hooks, _) in after["modules"].items():
        assert (kind, training, hooks) == before["modules"][name][1:4], name


def test_tokens_may_come_alone() -> None:
    """A single tensor is the tuple of itself."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first, second = (gpt.gpt()[0] for _ in range(2))
    base = gpt.gpt(1)[0]
    mupfx.convert(first, tokens(97, 2, 11), base=base)
    mupfx.convert(second, (tokens(97, 2, 11),), base=base)
    assert mupfx.plan(first) == mupfx.plan(second)

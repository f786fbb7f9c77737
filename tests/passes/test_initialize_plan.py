"""The init column of a plan: factors, refusals, what the user says, values rescaled."""

import copy
import math
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import pytest
import torch
from inline_snapshot import snapshot
from torch import Tensor, nn

from mupfx.core.init_law import Distribution
from mupfx.core.plan import ParameterPlan
from mupfx.core.power import Power
from mupfx.errors import InitError, MupfxWarning
from mupfx.passes.initialize import (
    Hints,
    documented_laws,
    fans_of,
    finish_init,
    plan_init,
    rescale_,
)
from tests.passes.drawn import draw, matrix_fans, role_of, row, rows_of

Shape = tuple[int, ...]


def mlp(width: int, *, outputs: int = 10) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(20, width), nn.ReLU(), nn.Linear(width, width), nn.Linear(width, outputs)
    )


def normal(std: float, shape: Shape, seed: int = 0) -> Tensor:
    return draw(Distribution.NORMAL, std, shape, seed)


def planned(
    values: Mapping[str, Tensor],
    base: Mapping[str, Shape],
    hints: Hints | None = None,
    *,
    strict: bool = True,
) -> dict[str, ParameterPlan]:
    """Plan plain weights (out, in); vectors where there is one dimension."""
    roles = {}
    for name, tensor in values.items():
        shape = tuple(tensor.shape)
        dims: tuple[Shape, Shape] = ((1,), (0,)) if len(shape) == 2 else ((), (0,))
        roles[name] = role_of(name, shape, base[name], *dims)
    rows = {name: row(role, base[name]) for name, role in roles.items()}
    fans = {name: fans_of(role, roles, base) for name, role in roles.items()}
    return plan_init(values, rows, fans, hints or Hints(), strict=strict)


def refused(
    values: Mapping[str, Tensor], base: Mapping[str, Shape], hints: Hints | None = None
) -> str:
    before = {name: v.clone() for name, v in values.items()}
    with pytest.raises(InitError) as raised:
        planned(values, base, hints)
    assert all(torch.equal(values[name], before[name]) for name in values)
    return str(raised.value)


def test_the_table_of_torch_defaults() -> None:
    """Hidden and input 1, readout ratio^-1/2, bias of a width fan-in ratio^1/2."""
    torch.manual_seed(0)
    model, base = mlp(256), mlp(64)
    rows, fans = rows_of(model, base)
    plan = plan_init(
        dict(model.named_parameters()), rows, fans, Hints(documented=documented_laws(model))
    )
    assert {name: p.init.factor for name, p in plan.items()} == {
        "0.weight": 1.0,
        "0.bias": 1.0,
        "2.weight": 1.0,
        "2.bias": 2.0,
        "3.weight": 0.5,
        "3.bias": 2.0,
    }
    assert {p.init.law for p in plan.values()} == {"torch_linear", "torch_bias"}


def test_std_is_the_std_at_the_base_times_the_power() -> None:
    torch.manual_seed(0)
    model, base = mlp(300), mlp(100)
    rows, fans = rows_of(model, base)
    values = dict(model.named_parameters())
    plan = plan_init(values, rows, fans, Hints(documented=documented_laws(model)))
    for name, p in plan.items():
        power = p.init.power.value({"fan_in": p.fan_in_ratio, "fan_out": p.fan_out_ratio})
        assert p.init.std is not None
        assert p.init.base_std is not None
        assert p.init.std == pytest.approx(p.init.base_std * power, rel=1e-12)
        spread = values[name].detach().square().mean().sqrt().item() * p.init.factor
        assert spread == pytest.approx(p.init.std, rel=6 / math.sqrt(values[name].numel()))


def test_constant_std() -> None:
    plan = planned(
        {"hidden": normal(0.02, (256, 256)), "out": normal(0.02, (10, 256), 1)},
        {"hidden": (64, 64), "out": (10, 64)},
    )
    assert plan["hidden"].init.factor == 0.5
    assert plan["out"].init.factor == 0.25
    assert plan["hidden"].init.base_std == 0.02
    assert plan["hidden"].init.std == 0.01


def test_contraction_is_in_the_power() -> None:
    """A layer that grows less than its input: whatever power the table gave is used."""
    values = {"w": normal(0.02, (64, 256))}
    role = role_of("w", (64, 256), (64, 64))
    power = Power.of(fan_in=-1, fan_out="1/2")
    start = row(role, (64, 64))
    rows = {"w": replace(start, init=replace(start.init, power=power))}
    plan = plan_init(values, rows, {"w": matrix_fans((64, 256), (64, 64))})
    assert plan["w"].init.factor == 0.25


def test_residual_scaling() -> None:
    """GPT-2: 0.02, and 0.02/sqrt(2 layers) into the stream; constant in width both."""
    layers = 12
    values = {f"{i}.up": normal(0.02, (256, 64), i) for i in range(layers)}
    std = 0.02 / math.sqrt(2 * layers)
    values |= {f"{i}.down": normal(std, (64, 256), 50 + i) for i in range(layers)}
    base = {name: (64, 16) if name.endswith("up") else (16, 64) for name in values}
    plan = planned(values, base)
    assert {p.init.factor for p in plan.values()} == {0.5}
    found = plan["3.down"].init
    assert found.std == pytest.approx(std / 2, rel=1e-12)
    assert plan["3.down"].evidence[-1].startswith("init: constant_normal: std 0.02")


def test_residual_scaling_layer_by_layer() -> None:
    """0.02/sqrt(2 (i + 1)), a count that is not the number of layers."""
    values = {f"{i}.up": normal(0.02, (256, 64), i) for i in range(6)}
    values |= {f"{i}.down": normal(0.02 / math.sqrt(2 * i + 2), (64, 256), 9 + i) for i in range(6)}
    base = {name: (64, 16) if name.endswith("up") else (16, 64) for name in values}
    assert {p.init.factor for p in planned(values, base).values()} == {0.5}


def test_a_std_that_several_sizes_share_is_constant() -> None:
    """initializer_range=0.0173: nothing round, but fan-in, fan-out and mean all differ."""
    shapes = {"a": (256, 96), "b": (768, 256), "c": (256, 768), "d": (100, 256)}
    values = {name: normal(0.0173, shape, i) for i, (name, shape) in enumerate(shapes.items())}
    base = {"a": (64, 96), "b": (192, 64), "c": (64, 192), "d": (100, 64)}
    plan = planned(values, base)
    assert {name: p.init.factor for name, p in plan.items()} == {
        "a": 1.0,
        "b": 0.5,
        "c": 0.5,
        "d": 0.25,
    }
    assert refused({"b": values["b"]}, base)


def test_certain_tensors_settle_a_collision() -> None:
    """At 400 the default bound is 0.05; the first layer's 1/sqrt(784) is nobody's choice."""
    torch.manual_seed(0)
    first, second = nn.Linear(784, 400), nn.Linear(400, 400)
    values = {"a": first.weight.detach(), "b": second.weight.detach()}
    base = {"a": (100, 784), "b": (100, 100)}
    plan = planned(values, base)
    assert plan["b"].init.factor == 1.0
    assert plan["b"].evidence[-1].endswith("(assumed: as in a)")
    assert refused({"b": values["b"]}, base)


def test_small_tensors_share_the_std_of_large_ones() -> None:
    """T5's attention bias: 256 numbers with the std of matrices whose fan-in is d_model."""
    values = {
        "up": normal(512**-0.5, (2048, 512)),
        "down": normal(2048**-0.5, (512, 2048), 1),
        "bias": normal(512**-0.5, (8, 32), 2),
    }
    base = {"up": (512, 128), "down": (128, 512), "bias": (2, 32)}
    plan = planned(values, base)
    assert plan["bias"].init.factor == 2.0
    assert "as up" in plan["bias"].evidence[-1]


@pytest.mark.parametrize(
    "values",
    [
        torch.log(torch.arange(1.0, 65.0)),
        torch.linspace(-1, 1, 64),
        1 + 0.02 * torch.randn(64, generator=torch.Generator().manual_seed(0)),
        torch.cat([torch.zeros(16), torch.ones(16), torch.zeros(32)]),
        torch.sin(torch.arange(64.0)),
    ],
)
def test_vectors_of_no_law_are_kept(values: Tensor) -> None:
    plan = planned({"v": values}, {"v": (16,)})
    assert plan["v"].init.factor == 1.0


def test_sinusoids_in_an_embedding_are_kept() -> None:
    angles = torch.arange(200.0)[:, None] / 10 ** (4 * torch.arange(64.0) / 64)
    table = torch.cat([angles.sin(), angles.cos()], 1)
    role = role_of("p", (200, 128), (200, 32), (0,), (1,))
    fans = {"p": fans_of(role, {"p": role}, {"p": (200, 32)})}
    plan = plan_init({"p": table}, {"p": row(role, (200, 32))}, fans)
    assert (plan["p"].init.law, plan["p"].init.factor) == ("kept", 1.0)


def test_a_class_embedding_of_its_own_width() -> None:
    """CLIP draws its class embedding with std dim**-0.5."""
    plan = planned({"v": normal(1024**-0.5, (1024,))}, {"v": (256,)})
    assert plan["v"].init.factor == 2.0


def test_ambiguous() -> None:
    values = {"blocks.0.weight": normal(0.02, (2500, 2500))}
    assert refused(values, {"blocks.0.weight": (625, 625)}) == snapshot("""\
the values of 'blocks.0.weight' fit laws of initialisation that scale differently
  where: blocks.0.weight [2500, 2500], std 0.01996, kurtosis 3.00
  expected: one law, or several that grow alike from the base to this width
  found: constant_normal: std 0.02 at every width (factor 0.5); or lecun_normal: std fan_in^-1/2 (factor 1)
  hint: pass init={'blocks.0.weight': 'constant'} or init={'blocks.0.weight': 'lecun_normal'}, or a base that has values\
""")


def test_unknown() -> None:
    values = {name: normal(0.0173, (512, 512), i) for i, name in enumerate("abcde")}
    assert refused(values, dict.fromkeys(values, (128, 128))) == snapshot("""\
no known law of initialisation explains the values of 'a' (and of 4 more: b, c, d, ...)
  where: a [512, 512], std 0.0173, kurtosis 3.01
  expected: fresh values: a round std, or one that falls with a size of the tensor
  found: trained or pretrained values, or a law that is not known
  hint: pass init={'a': 'constant'} if the std is the same at every width, 'fan_in' if it is a multiple of 1/sqrt(fan_in), or a base that has values\
""")


@pytest.mark.parametrize("word", ["constant", "lecun_normal"])
def test_the_hint_is_a_way_out(word: str) -> None:
    values, base = {"w": normal(0.02, (2500, 2500))}, {"w": (625, 625)}
    plan = planned(values, base, Hints({"w": word}))
    assert plan["w"].init.factor == {"constant": 0.5, "lecun_normal": 1.0}[word]
    assert plan["w"].init.law == word
    assert plan["w"].evidence[-1].endswith("(named by the user)")


def test_another_parameter_is_a_law() -> None:
    values = {"up": normal(512**-0.5, (2048, 512)), "odd": normal(0.0173, (512, 32), 2)}
    base = {"up": (512, 128), "odd": (128, 32)}
    assert planned(values, base, Hints({"odd": "up"}))["odd"].init.factor == 2.0


def test_a_pattern_covers_many_and_a_name_goes_first() -> None:
    values = {name: normal(0.0173, (512, 512), i) for i, name in enumerate("abc")}
    base = dict.fromkeys(values, (128, 128))
    plan = planned(values, base, Hints({"b": "fan_in", "*": "constant"}))
    assert [p.init.factor for p in plan.values()] == [0.5, 1.0, 0.5]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"w": "lecun"}, "init gives 'w' the unknown law 'lecun'"),
        ({"x.*": "constant"}, "init names 'x.*', which is no parameter of the model"),
        ({"*": "constant", "?": "fan_in"}, "two patterns of init give 'w' different laws"),
        ({"w": "torch_bias"}, "the law 'torch_bias' depends on the fan_in of its weight"),
        ({"w": "w"}, "init gives 'w' the law of 'w', which has no law of its own"),
    ],
)
def test_wrong_overrides(overrides: dict[str, str], message: str) -> None:
    values, base = {"w": normal(0.02, (64, 64))}, {"w": (16, 16)}
    assert refused(values, base, Hints(overrides)).startswith(message)


def test_loose_mode_takes_a_std_for_constant_and_says_so() -> None:
    values, base = {"w": normal(0.0173, (512, 512))}, {"w": (128, 128)}
    with pytest.warns(MupfxWarning, match="the std of w is taken for constant"):
        plan = planned(values, base, strict=False)
    assert plan["w"].init.factor == 0.5


def test_zeros_stay_untouched() -> None:
    plan = planned({"w": torch.zeros(10, 256)}, {"w": (10, 64)})
    assert (plan["w"].init.law, plan["w"].init.factor) == ("zeros", 1.0)


def test_nothing_is_refused_at_the_base() -> None:
    values = {"w": normal(0.0173, (512, 512)), "c": normal(0.02, (2500, 2500), 1)}
    plan = planned(values, {"w": (512, 512), "c": (2500, 2500)})
    assert {p.init.factor for p in plan.values()} == {1.0}


def test_factors_of_one_are_exact() -> None:
    """Ratio 3: 3**-0.5 * 3**0.5 rounds to less than one."""
    torch.manual_seed(0)
    model, base = mlp(192), mlp(64)
    rows, fans = rows_of(model, base)
    plan = plan_init(
        dict(model.named_parameters()), rows, fans, Hints(documented=documented_laws(model))
    )
    assert plan["2.weight"].init.factor == 1.0


def test_absorbing_before_planning_is_a_mistake() -> None:
    role = role_of("w", (64, 64), (16, 16))
    rows = {"w": replace(row(role, (16, 16)), multiplier=2.0)}
    with pytest.raises(ValueError, match="absorbed before"):
        plan_init({"w": torch.zeros(64, 64)}, rows, {"w": matrix_fans((64, 64), (16, 16))})


def test_meta_first_values_later() -> None:
    """The rule's factor alone, then the law's share, whatever was absorbed in between."""
    torch.manual_seed(0)
    model, base = mlp(256), mlp(64)
    rows, fans = rows_of(model, base)
    hints = Hints(documented=documented_laws(model))
    direct = plan_init(dict(model.named_parameters()), rows, fans, hints)
    empty = {name: p.to("meta") for name, p in model.named_parameters()}
    early = plan_init(empty, rows, fans, hints)
    assert {p.init.law for p in early.values()} == {None}
    assert early["2.weight"].init.factor == 0.5
    absorbed = {
        n: replace(p, multiplier=0.5, init=replace(p.init, factor=p.init.factor * 2))
        for n, p in early.items()
    }
    late = finish_init(dict(model.named_parameters()), absorbed, fans, hints)
    for name, p in late.items():
        assert p.init.factor == pytest.approx(2 * direct[name].init.factor, rel=1e-12)
        assert p.init.law == direct[name].init.law
    again = finish_init(dict(model.named_parameters()), late, fans, hints)
    assert again == late


def test_every_row_says_where_its_law_comes_from() -> None:
    torch.manual_seed(0)
    model, base = mlp(256), mlp(64)
    rows, fans = rows_of(model, base)
    plan = plan_init(
        dict(model.named_parameters()), rows, fans, Hints(documented=documented_laws(model))
    )
    assert [p.evidence[-1] for p in plan.values()] == snapshot(
        [
            "init: torch_linear: std 0.5774 * fan_in^-1/2 (certain: no other law fits)",
            "init: torch_bias: std 0.5774 * (fan_in of its weight)^-1/2 (assumed: the likeliest that fits)",
            "init: torch_linear: std 0.5774 * fan_in^-1/2 (certain: no other law fits)",
            "init: torch_bias: std 0.5774 * (fan_in of its weight)^-1/2 (assumed: the likeliest that fits)",
            "init: torch_linear: std 0.5774 * fan_in^-1/2 (certain: no other law fits)",
            "init: torch_bias: std 0.5774 * (fan_in of its weight)^-1/2 (assumed: the likeliest that fits)",
        ]
    )


def test_rescale_multiplies_once_and_in_place() -> None:
    values = {"a": torch.ones(4), "b": torch.ones(4), "tied": torch.ones(4)}
    values["other"] = values["tied"]
    role = role_of("v", (4,), (1,), (), (0,))
    start = row(role, (1,))
    plans = {
        name: replace(start, name=name, init=replace(start.init, factor=factor))
        for name, factor in {"a": 1.0, "b": 0.5, "tied": 2.0, "other": 2.0}.items()
    }
    versions = {name: v._version for name, v in values.items()}
    assert rescale_(values, plans) == ("b", "tied")
    assert values["a"]._version == versions["a"]
    assert values["b"].tolist() == [0.5] * 4
    assert values["tied"].tolist() == [2.0] * 4


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_rescale_keeps_dtype_grad_and_identity(dtype: torch.dtype) -> None:
    parameter = nn.Parameter(normal(1.0, (64, 64)).to(dtype))
    before = copy.deepcopy(parameter.detach())
    start = row(role_of("v", (64, 64), (16, 16)), (16, 16))
    plans = {"v": replace(start, init=replace(start.init, factor=math.sqrt(0.1)))}
    rescale_({"v": parameter}, plans)
    assert parameter.dtype is dtype
    assert parameter.is_leaf
    assert parameter.requires_grad
    assert parameter.grad is None
    rounded = (before.double() * math.sqrt(0.1)).to(dtype)
    assert torch.allclose(parameter.detach(), rounded, rtol=2 * torch.finfo(dtype).eps, atol=0)


def test_rescale_leaves_meta_alone() -> None:
    start = row(role_of("v", (4,), (1,), (), (0,)), (1,))
    plans = {"v": replace(start, init=replace(start.init, factor=2.0))}
    assert rescale_({"v": torch.empty(4, device="meta")}, plans) == ()


def test_documented_laws_follow_the_class() -> None:
    class Mine(nn.Linear):
        pass

    model = nn.ModuleDict({"a": Mine(2, 3), "b": nn.LSTM(2, 3), "c": nn.LayerNorm(3)})
    found = documented_laws(model)
    assert found["a.weight"] == ("torch_linear", "torch_bias")
    assert "torch_lstm" in found["b.bias_hh_l0"]
    assert found["c.weight"] == ()


def test_ratios_need_not_be_whole() -> None:
    plan = planned({"w": normal(0.02, (384, 384))}, {"w": (256, 256)})
    assert plan["w"].init.factor == float(Fraction(2, 3)) ** 0.5

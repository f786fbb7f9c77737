"""``mupfx.init_``: starting values of a converted model from a seed, by the laws of its plan."""

import math
from typing import Any

import pytest
import torch
from inline_snapshot import snapshot
from torch import Tensor, nn

import mupfx
from mupfx.kernels import Draw, Job, constant, fill_, normal, truncated, uniform

TOKENS, BASE, WIDE = 50, 32, 128
IDS = torch.arange(1, 9).view(1, 8)


class Net(nn.Module):
    """Every kind of law that torch's own modules have: embedding with padding, norm, biases."""

    def __init__(self, width: int = WIDE) -> None:
        super().__init__()
        self.embed = nn.Embedding(TOKENS, width, padding_idx=0)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, TOKENS, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids)
        x = x + self.down(torch.relu(self.up(self.norm(x))))
        found: Tensor = self.head(x)
        return found


def converted(width: int = WIDE, seed: int = 0, **options: Any) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return mupfx.convert(Net(width), IDS, base=BASE, **options)


def values(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def equal(one: nn.Module, other: nn.Module) -> bool:
    mine, its = values(one), values(other)
    return mine.keys() == its.keys() and all(torch.equal(mine[name], its[name]) for name in mine)


def test_only_the_seed_decides() -> None:
    one, other = converted(seed=1), converted(seed=2)
    assert not equal(one, other)
    assert mupfx.init_(one, seed=7) is one
    assert equal(one, mupfx.init_(other, seed=7))
    assert not equal(one, mupfx.init_(other, seed=8))


def test_nobodys_generator_moves() -> None:
    model = converted()
    before = torch.get_rng_state()
    mupfx.init_(model, seed=0)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("gauge", "lowering"),
    [("fold", "eager"), ("mup", "eager"), ("unit", "eager"), ("unit", "graph")],
)
def test_values_have_the_planned_scale(gauge: str, lowering: str) -> None:
    model = converted(gauge=gauge, lowering=lowering)
    mupfx.init_(model, seed=0)
    rows = mupfx.plan(model).parameters
    for name, tensor in values(model).items():
        std = rows[name].init.std
        assert std is not None
        if name == "embed.weight":
            assert not tensor[0].any()
            tensor = tensor[1:]  # noqa: PLW2901
        if std == 0:
            assert torch.equal(tensor, torch.full_like(tensor, 1.0 if "norm.weight" in name else 0))
        else:
            error = 5 / math.sqrt(tensor.numel())
            assert float(tensor.square().mean().sqrt()) == pytest.approx(std, rel=error)


def test_values_are_those_of_the_kernels() -> None:
    model = mupfx.init_(converted(), seed=3)
    std = mupfx.plan(model).parameters["up.weight"].init.std
    assert std is not None
    wanted = torch.empty(4 * WIDE, WIDE)
    fill_([Job(wanted, uniform(-std * math.sqrt(3), std * math.sqrt(3)), "up.weight")], seed=3)
    assert torch.equal(model.up.weight, wanted)


@pytest.mark.parametrize("gauge", ["mup", "unit"])
def test_gauges_start_from_the_same_function(gauge: str) -> None:
    plain, other = (mupfx.init_(converted(gauge=g), seed=5) for g in ("fold", gauge))
    torch.testing.assert_close(other(IDS), plain(IDS), rtol=1e-5, atol=1e-6)
    assert not equal(plain, other)


def test_a_dtype_is_rounded_once() -> None:
    single, half = mupfx.init_(converted(), seed=5), mupfx.init_(converted().bfloat16(), seed=5)
    for name, tensor in values(half).items():
        assert torch.equal(tensor, values(single)[name].bfloat16())


def test_nested_models_share_their_numbers() -> None:
    narrow, wide = (mupfx.init_(converted(w), seed=5, nested=True) for w in (64, WIDE))
    for name, (rows, columns) in {"up.weight": (256, 64), "down.weight": (64, 256)}.items():
        corner = values(wide)[name][:rows, :columns]
        ratio = corner / values(narrow)[name]
        assert float(ratio.max() / ratio.min()) == pytest.approx(1.0, abs=1e-5)


def test_what_a_factory_asked_for_is_drawn_as_it_builds_it() -> None:
    def factory(width: int) -> Net:
        net = Net(width)
        nn.init.trunc_normal_(net.head.weight, std=0.02, a=-0.04, b=0.04)
        nn.init.orthogonal_(net.down.weight)
        return net

    built = mupfx.build(factory, IDS, base={"width": BASE}, width=WIDE, seed=9)
    again = mupfx.convert(lambda: factory(WIDE), IDS, base=lambda: factory(BASE))
    assert not equal(built, again)
    assert equal(built, mupfx.init_(again, seed=9))


def test_a_frozen_start_is_taken_again() -> None:
    def made() -> Any:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            net = nn.Sequential(nn.Linear(8, WIDE), nn.ReLU(), nn.Linear(WIDE, 4))
        return mupfx.convert(net, torch.ones(1, 8), base=BASE, parametrization="ic_mean_field")

    model, inputs = made(), torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    before = model(inputs)
    mupfx.init_(model, seed=5)
    after = model(inputs)
    assert not torch.allclose(before, after)
    (copy,) = (b for name, b in model.named_buffers() if name.endswith("model.0.weight"))
    assert torch.equal(copy, model[0].weight)


def test_the_users_laws_and_what_stays() -> None:
    model = converted()
    before = values(model)
    laws: dict[str, Draw] = {
        "*.bias": constant(0.5),
        "norm.bias": constant(0.0),
        "head.weight": truncated(0.1, 0.0, -0.1, 0.2),
        "embed.weight": normal(2.0),
    }
    mupfx.init_(model, seed=1, laws=laws, keep=["up.*", "down.weight"])
    after = values(model)
    for name in ("up.weight", "down.weight"):
        assert torch.equal(after[name], before[name])
    assert torch.equal(after["up.bias"], torch.full((4 * WIDE,), 0.5))
    assert not after["norm.bias"].any()
    assert not after["embed.weight"][0].any()
    wanted = torch.empty(TOKENS, WIDE)
    fill_([Job(wanted, laws["head.weight"], "head.weight")], seed=1)
    assert torch.equal(after["head.weight"], wanted)


def test_wrappers_change_nothing() -> None:
    plain, inner = mupfx.init_(converted(), seed=1), converted(seed=3)
    mupfx.init_(nn.DataParallel(inner), seed=1)
    assert equal(plain, inner)


def test_tied_parameters_are_drawn_once() -> None:
    class Tied(Net):
        def __init__(self) -> None:
            super().__init__()
            self.head.weight = self.embed.weight

    model = mupfx.init_(mupfx.convert(Tied(), IDS, base=BASE), seed=1)
    assert model.head.weight is model.embed.weight


def refused(model: nn.Module, **options: Any) -> str:
    before = values(model)
    with pytest.raises(mupfx.MupfxError) as caught:
        mupfx.init_(model, seed=0, **options)
    for name, tensor in values(model).items():
        assert tensor.is_meta or torch.equal(tensor, before[name])
    return str(caught.value)


def test_a_trained_constant_is_not_guessed() -> None:
    model = converted()
    with torch.no_grad():
        model.norm.weight[3] = 2.0
    assert refused(model) == snapshot("""\
how 'norm.weight' starts is no law that can be drawn again
  where: norm.weight [128]
  found: one value then, several now
  hint: laws={'norm.weight': mupfx.kernels.normal(std)} draws it, keep=['norm.weight'] leaves it as it is\
""")


def test_values_of_no_known_law_are_not_guessed() -> None:
    net = Net()
    nn.init.orthogonal_(net.down.weight)
    with torch.no_grad():
        net.norm.bias.copy_(torch.linspace(0, 1, WIDE) ** 2)
    model = mupfx.convert(net, IDS, base=BASE)
    assert refused(model) == snapshot("""\
how 'down.weight' starts is no law that can be drawn again
  where: down.weight [128, 512]
  found: the law 'orthogonal'
  hint: laws={'down.weight': mupfx.kernels.normal(std)} draws it, keep=['down.weight'] leaves it as it is\
""")
    assert refused(model, keep=["down.*"]) == snapshot("""\
how 'norm.bias' starts is no law that can be drawn again
  where: norm.bias [128]
  found: the law 'kept'
  hint: laws={'norm.bias': mupfx.kernels.normal(std)} draws it, keep=['norm.bias'] leaves it as it is\
""")
    mupfx.init_(model, seed=0, keep=["down.*", "norm.bias"])


def test_messages() -> None:
    model = converted()
    assert refused(nn.Linear(2, 2)) == snapshot("""\
this Linear was not converted by mupfx
  hint: model = mupfx.convert(model, example_inputs, base=...)\
""")
    assert refused(model, keep=["hed.weight"]) == snapshot("""\
'hed.weight' is no parameter of the model
  expected: a parameter's name, or a pattern such as '*.weight'
  hint: did you mean `head.weight` or `embed.weight` or `down.weight`?\
""")
    assert refused(model, laws={"*.weight": normal(1), "head.*": normal(2)}) == snapshot("""\
two patterns of laws give 'head.weight' different ones
  found: normal(1, 0) and normal(2, 0)
  hint: add its exact name: laws={'head.weight': ...}\
""")
    assert refused(converted().to("meta")) == snapshot("""\
a tensor cannot be filled with random numbers
  where: embed.weight
  expected: memory of a floating point dtype
  found: torch.float32 on meta\
""")
    with torch.device("meta"):
        late = Net()
    late = mupfx.convert(late, IDS, base=BASE)
    late.to_empty(device="cpu").load_state_dict(Net().state_dict())
    assert refused(late) == snapshot("""\
how 'embed.weight' starts is no law that can be drawn again
  where: embed.weight [50, 128]
  found: no values when the model was converted
  hint: laws={'embed.weight': mupfx.kernels.normal(std)} draws it, keep=['embed.weight'] leaves it as it is\
""")
    model.extra = nn.Parameter(torch.ones(3))
    assert refused(model) == snapshot("""\
how 'extra' starts is no law that can be drawn again
  where: extra [3]
  found: a parameter that was not there when the model was converted
  hint: laws={'extra': mupfx.kernels.normal(std)} draws it, keep=['extra'] leaves it as it is\
""")

"""Fourteen things that microsoft/mup gets wrong without a word, in its order of appearance."""

import copy
import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import transformers
from torch import distributed, nn
from torch._C._distributed_c10d import HashStore
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.func import functional_call
from torch.optim.lr_scheduler import OneCycleLR

import mupfx
from tests.zoo.models import gpt, small
from tests.zoo.models.common import floats, tokens


def seeded(build: type[nn.Module] | Any, *args: Any, **options: Any) -> Any:
    """The same values every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build(*args, **options)


def mlp(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(7, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 13)
    )


def converted(scale: int = 4) -> nn.Sequential:
    """An MLP at ``scale`` times its base width."""
    model: nn.Sequential = seeded(mlp, 64 * scale)
    mupfx.convert(model, floats(3, 7), base=seeded(mlp, 64))
    return model


def groups_by_name(
    model: nn.Module, optimizer: type[torch.optim.Optimizer], **hyper: Any
) -> dict[str, dict[str, Any]]:
    names = {p: name for name, p in model.named_parameters()}
    groups = mupfx.param_groups(model, optimizer=optimizer, **hyper)
    return {names[p]: group for group in groups for p in group["params"]}


def rates(
    model: nn.Module, optimizer: type[torch.optim.Optimizer] = torch.optim.Adam
) -> dict[str, float]:
    return {name: g["lr"] for name, g in groups_by_name(model, optimizer, lr=1.0).items()}


# --------------------------------------------------------------------------------------------- 1


def test_1_a_tensor_learning_rate_is_not_shared() -> None:
    rate = torch.tensor(0.5)
    optimizer = mupfx.optimizer(torch.optim.AdamW, converted(), lr=rate)
    held = [group["lr"] for group in optimizer.param_groups]
    assert rate.item() == 0.5
    assert len({id(lr) for lr in [rate, *held]}) == len(held) + 1
    assert sorted({float(lr) for lr in held}) == [0.125, 0.5]


def test_1_the_rates_move_apart_from_each_other() -> None:
    """Halving one group's tensor in place leaves the others."""
    optimizer = mupfx.optimizer(torch.optim.AdamW, converted(), lr=torch.tensor(0.5))
    first, *others = optimizer.param_groups
    before = [float(group["lr"]) for group in others]
    first["lr"].mul_(0.5)
    assert [float(group["lr"]) for group in others] == before


# --------------------------------------------------------------------------------------------- 2


def test_2_the_optimizer_keeps_its_own_defaults() -> None:
    ours = groups_by_name(converted(1), torch.optim.AdamW, lr=0.1)
    theirs = torch.optim.AdamW(converted(1).parameters(), lr=0.1).defaults
    assert theirs["weight_decay"] == 0.01
    model = converted()
    optimizer = mupfx.optimizer(torch.optim.AdamW, model, lr=0.1)
    decay = {g["lr"] * g["weight_decay"] for g in optimizer.param_groups}
    assert [math.isclose(rate, 0.1 * 0.01) for rate in decay] == [True] * len(decay)
    assert all("weight_decay" not in g or g["weight_decay"] == 0.01 for g in ours.values())


def test_2_the_base_trains_as_if_nothing_had_happened() -> None:
    """AdamW with its own weight decay, bit for bit."""
    model, plain = converted(1), seeded(mlp, 64)
    ours = mupfx.optimizer(torch.optim.AdamW, model, lr=0.1)
    theirs = torch.optim.AdamW(plain.parameters(), lr=0.1)
    for _ in range(3):
        for m, optimizer in ((model, ours), (plain, theirs)):
            optimizer.zero_grad()
            torch.autograd.backward(m(floats(3, 7)).square().mean())
            optimizer.step()
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), plain.parameters(), strict=True)
    )


# ------------------------------------------------------------------------------------------ 3 4 5


class Tied(nn.Module):
    """Embedding and readout share a table; the readout has a bias of its own."""

    def __init__(self, width: int, *, bias: bool = True) -> None:
        super().__init__()
        self.embed = nn.Embedding(97, width)
        self.inner = nn.Linear(width, width)
        self.readout = nn.Linear(width, 97, bias=bias)
        self.readout.weight = self.embed.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.readout(torch.tanh(self.inner(self.embed(ids))))
        return out


def tied(scale: int, **options: Any) -> Tied:
    model: Tied = seeded(Tied, 32 * scale, **options)
    mupfx.convert(model, tokens(97, 2, 11), base=seeded(Tied, 32, **options))
    return model


def test_3_a_tied_readout_has_its_bias() -> None:
    model = tied(4)
    ids = tokens(97, 2, 11)
    hidden = torch.tanh(model.inner(model.embed(ids)))
    expected = hidden @ model.embed.weight.T / 4 + model.readout.bias
    torch.testing.assert_close(model(ids), expected)
    assert rates(model)["readout.bias"] == 1.0


@pytest.mark.parametrize("scale", [1, 4, 16, 64])
def test_4_a_tied_embedding_keeps_its_std(scale: int) -> None:
    model, plain = tied(scale, bias=False), seeded(Tied, 32 * scale, bias=False)
    assert torch.equal(model.embed.weight, plain.embed.weight)
    assert model.embed.weight.std().item() == pytest.approx(1, rel=0.05)


def test_5_tying_does_not_zero_the_embedding() -> None:
    """And a readout that starts at zero stays zero where it is on its own."""
    model = tied(4)
    assert model.readout.weight is model.embed.weight
    assert model.embed.weight.abs().min() > 0

    def untied(width: int) -> nn.Sequential:
        readout = nn.Linear(width, 97, bias=False)
        nn.init.zeros_(readout.weight)
        return nn.Sequential(nn.Embedding(97, width), readout)

    apart = seeded(untied, 128)
    mupfx.convert(apart, tokens(97, 2, 11), base=seeded(untied, 32))
    assert torch.equal(apart[0].weight, seeded(untied, 128)[0].weight)
    assert not apart[1].weight.any()


# --------------------------------------------------------------------------------------------- 6


class Experts(nn.Module):
    """Weights of all experts in one tensor, (expert, in, out)."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.first = nn.Linear(7, width)
        self.gate = nn.Linear(width, 5, bias=False)
        self.up = nn.Parameter(torch.randn(5, width, inner) * 0.02)
        self.down = nn.Parameter(torch.randn(5, inner, width) * 0.02)
        self.readout = nn.Linear(width, 13)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.tanh(self.first(x))
        shares, chosen = self.gate(x).softmax(-1).topk(2, -1)
        h = torch.relu(torch.einsum("bi,eio->beo", x, self.up))
        every = torch.einsum("bei,eio->beo", h, self.down)
        picked = every.gather(1, chosen[..., None].expand(-1, -1, x.shape[-1]))
        out: torch.Tensor = self.readout((shares[..., None] * picked).sum(1))
        return out


def test_6_stacked_experts() -> None:
    """(E, in, out) is hidden; only in and out count, and the number of experts is finite."""
    model = seeded(Experts, 4 * 32, 4 * 48)
    plain = copy.deepcopy(model)
    mupfx.convert(model, floats(3, 7), base=seeded(Experts, 32, 48))
    adam, sgd = rates(model), rates(model, torch.optim.SGD)
    assert [sgd[name] for name in ("up", "down", "gate.weight")] == [1.0, 1.0, 0.25]
    assert [adam[name] for name in ("up", "down", "gate.weight")] == [0.25, 0.25, 0.25]
    torch.testing.assert_close(model.up, plain.up * 0.5)
    torch.testing.assert_close(model.gate.weight, plain.gate.weight * 0.5)


def test_6_stacked_experts_that_grow_apart() -> None:
    """Inputs by 2, outputs by 4: SGD's rate is out over in, Adam's one over in."""
    model = seeded(Experts, 2 * 32, 4 * 48)
    mupfx.convert(model, floats(3, 7), base=seeded(Experts, 32, 48))
    assert rates(model)["up"] == pytest.approx(1 / 2)
    assert rates(model)["down"] == pytest.approx(1 / 4)
    assert rates(model, torch.optim.SGD)["up"] == pytest.approx(2)
    assert rates(model, torch.optim.SGD)["down"] == pytest.approx(1 / 2)


def test_6_three_width_axes() -> None:
    """(stream, heads, head size), all three growing: one in, two out."""
    model, args, kwargs = small.einsum_transformer(2, head_scale=2)
    found = mupfx.analyze(model, args, kwargs, base=small.einsum_transformer(1)[0]).to_dict()
    axes = found["parameters"]["wq"]["axes"]
    assert [found["classes"][axis[0]]["kind"] for axis in axes] == ["width"] * 3
    mupfx.convert(model, args, kwargs, base=small.einsum_transformer(1)[0])
    row = mupfx.plan(model).parameters["wq"]
    assert row.fan_in_ratio == row.fan_out_ratio == 4
    assert mupfx.plan(model).parameters["wo"].fan_in_ratio == 4


# --------------------------------------------------------------------------------------------- 7


def test_7_a_base_of_the_same_size_says_so() -> None:
    assert "this is the base model" in " ".join(mupfx.plan(converted(1)).notes)
    assert "this is the base model" not in " ".join(mupfx.plan(converted(2)).notes)


def test_7_another_vocabulary_is_not_width() -> None:
    model = seeded(gpt.GPT, (97, 31), 70, 10, 2, tied=False)
    base = seeded(gpt.GPT, (50, 31), 35, 5, 2, tied=False)
    mupfx.convert(model, tokens(50, 2, 11), base=base)
    plan = mupfx.plan(model)
    assert plan.parameters["wte.weight"].role == "input"
    assert plan.parameters["wte.weight"].fan_in_ratio == 1
    assert plan.parameters["lm_head.weight"].role == "output"
    assert plan.parameters["lm_head.weight"].fan_out_ratio == 1
    notes = " ".join(plan.notes)
    assert "97" in notes
    assert "50" in notes


# --------------------------------------------------------------------------------------------- 8


def test_8_a_schedule_that_erases_the_ratios_is_noticed() -> None:
    optimizer = mupfx.optimizer(torch.optim.Adam, converted(), lr=0.1)
    assert mupfx.check_groups(optimizer) == ()
    OneCycleLR(optimizer, max_lr=0.1, total_steps=10)
    assert mupfx.check_groups(optimizer) != ()


# --------------------------------------------------------------------------------------------- 9


def test_9_named_parameters_are_welcome() -> None:
    model = converted()
    named = mupfx.param_groups(
        model, optimizer=torch.optim.Adam, groups=model.named_parameters(), lr=1.0
    )
    plain = mupfx.param_groups(model, optimizer=torch.optim.Adam, lr=1.0)
    assert sorted(g["lr"] for g in named) == sorted(g["lr"] for g in plain)
    optimizer = torch.optim.Adam(named)
    torch.autograd.backward(model(floats(3, 7)).square().mean())
    optimizer.step()


def test_9_without_a_rate_the_class_decides() -> None:
    default = torch.optim.AdamW([nn.Parameter(torch.ones(1))]).defaults["lr"]
    optimizer = mupfx.optimizer(torch.optim.AdamW, converted())
    assert {g["lr"] / default for g in optimizer.param_groups} == {1.0, 0.25}


def test_9_the_callers_groups_are_not_touched() -> None:
    model = converted()
    given: list[dict[str, Any]] = [
        {"params": [model[0].weight, model[0].bias], "lr": 0.3},
        {"params": [*model[2].parameters(), *model[4].parameters()], "weight_decay": 0.0},
    ]
    before = [dict(group) | {"params": list(group["params"])} for group in given]
    groups = mupfx.param_groups(model, optimizer=torch.optim.AdamW, groups=given, lr=0.1)
    for now, then in zip(given, before, strict=True):
        assert now.keys() == then.keys()
        assert all(a is b for a, b in zip(now["params"], then["params"], strict=True))
    names = {p: name for name, p in model.named_parameters()}
    found = {names[p]: g for g in groups for p in g["params"]}
    assert found["0.weight"]["lr"] == pytest.approx(0.3)
    assert found["2.weight"]["lr"] == pytest.approx(0.1 / 4)
    assert found["2.weight"]["weight_decay"] == 0.0


# -------------------------------------------------------------------------------------------- 10


def test_10_a_star_import_brings_our_own_names() -> None:
    names: dict[str, object] = {}
    exec("from mupfx import *", names)  # noqa: S102 - what a user would type
    names.pop("__builtins__")
    assert set(names) == set(mupfx.__all__)
    assert all(
        getattr(value, "__module__", "mupfx").startswith("mupfx") for value in names.values()
    )
    assert not {"nn", "torch", "copy", "Adam", "SGD"} & set(names)


# -------------------------------------------------------------------------------------------- 11


def test_11_adams_rule_is_not_put_on_muon() -> None:
    """Muon's update has the same size at every width: refused until its own row is there."""
    model = nn.Sequential(nn.Linear(64, 64, bias=False), nn.Linear(64, 64, bias=False))
    base = nn.Sequential(nn.Linear(64, 16, bias=False), nn.Linear(16, 64, bias=False))
    mupfx.convert(model, floats(3, 64), base=base)
    with pytest.raises(mupfx.OptimizerError, match="Muon"):
        mupfx.optimizer(torch.optim.Muon, model, lr=0.1)


# -------------------------------------------------------------------------------------------- 12


def test_12_constant_std_is_not_taken_for_fan_in() -> None:
    def constant(width: int) -> nn.Sequential:
        model = mlp(width)
        for name, parameter in model.named_parameters():
            nn.init.normal_(parameter, std=0.02 if name.endswith("weight") else 0)
        return model

    model = seeded(constant, 256)
    before = copy.deepcopy(model.state_dict())
    mupfx.convert(model, floats(3, 7), base=seeded(constant, 64))
    factors = {"0.weight": 1, "2.weight": 1 / 2, "4.weight": 1 / 4}
    for name, factor in factors.items():
        torch.testing.assert_close(model.get_parameter(name), before[name] * factor)


def test_12_conv1d_is_stored_in_out() -> None:
    """The stream doubles, the MLP inside grows by 8: fan-in is dimension 0."""

    def build(width: int, inner: int) -> transformers.GPT2LMHeadModel:
        config = transformers.GPT2Config(
            vocab_size=97, n_positions=31, n_embd=width, n_head=4, n_layer=1, n_inner=inner
        )
        return transformers.GPT2LMHeadModel(config).eval()

    model = seeded(build, 64, 8 * 48)
    mupfx.convert(model, (), {"input_ids": tokens(97, 2, 11)}, base=seeded(build, 32, 48))
    adam, sgd = rates(model), rates(model, torch.optim.SGD)
    assert adam["transformer.h.0.mlp.c_fc.weight"] == pytest.approx(1 / 2)
    assert adam["transformer.h.0.mlp.c_proj.weight"] == pytest.approx(1 / 8)
    assert sgd["transformer.h.0.mlp.c_fc.weight"] == pytest.approx(4)
    assert sgd["transformer.h.0.mlp.c_proj.weight"] == pytest.approx(1 / 4)


def test_12_transposed_convolutions_are_stored_in_out() -> None:
    def build(first: int, second: int) -> nn.Sequential:
        return nn.Sequential(
            nn.ConvTranspose2d(3, first, 2),
            nn.ReLU(),
            nn.ConvTranspose2d(first, second, 2),
            nn.ReLU(),
            nn.ConvTranspose2d(second, 3, 2),
        )

    model = seeded(build, 2 * 32, 8 * 32)
    mupfx.convert(model, floats(2, 3, 4, 4), base=seeded(build, 32, 32))
    adam = rates(model)
    assert [adam[f"{index}.weight"] for index in (0, 2, 4)] == pytest.approx([1, 1 / 2, 1 / 8])
    assert rates(model, torch.optim.SGD)["2.weight"] == pytest.approx(4)


# -------------------------------------------------------------------------------------------- 13


class Recurrent(nn.Module):
    """A recurrent net from seven features to thirteen classes."""

    def __init__(self, kind: type[nn.LSTM] | type[nn.GRU], hidden: int) -> None:
        super().__init__()
        self.rnn = kind(7, hidden, num_layers=2, batch_first=True)
        self.readout = nn.Linear(hidden, 13)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.readout(self.rnn(x)[0])
        return out


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_13_recurrent_nets(kind: type[nn.LSTM] | type[nn.GRU]) -> None:
    """All is drawn from U(+-1/sqrt(hidden)); inputs and biases must not shrink with it."""
    model = seeded(Recurrent, kind, 256)
    before = copy.deepcopy(model.state_dict())
    mupfx.convert(model, floats(2, 5, 7), base=seeded(Recurrent, kind, 64))
    factors = {
        "rnn.weight_ih_l0": 2.0,
        "rnn.weight_hh_l0": 1.0,
        "rnn.bias_ih_l0": 2.0,
        "rnn.bias_hh_l0": 2.0,
        "rnn.weight_ih_l1": 1.0,
        "rnn.weight_hh_l1": 1.0,
        "rnn.bias_ih_l1": 2.0,
        "rnn.bias_hh_l1": 2.0,
        "readout.weight": 0.5,
        "readout.bias": 2.0,
    }
    for name, factor in factors.items():
        torch.testing.assert_close(model.get_parameter(name), before[name] * factor)
    adam = rates(model)
    hidden = {"rnn.weight_hh_l0", "rnn.weight_ih_l1", "rnn.weight_hh_l1", "readout.weight"}
    assert adam == pytest.approx({name: 0.25 if name in hidden else 1.0 for name in adam})
    sgd = rates(model, torch.optim.SGD)
    assert sgd["rnn.weight_ih_l0"] == pytest.approx(4)
    assert sgd["rnn.bias_hh_l1"] == pytest.approx(4)
    assert sgd["rnn.weight_hh_l0"] == pytest.approx(1)


# -------------------------------------------------------------------------------------------- 14


def test_14_nothing_is_kept_on_parameters() -> None:
    for model in (converted(), tied(2)):
        for parameter in model.parameters():
            assert vars(parameter) == {}
            assert type(parameter) is nn.Parameter


def test_14_new_parameter_objects_have_the_old_numbers() -> None:
    model = tied(2)
    expected, ids = rates(model), tokens(97, 2, 11)
    logits = model(ids)
    other = copy.deepcopy(model)
    other.load_state_dict(copy.deepcopy(model.state_dict()), assign=True)
    found = rates(other)
    assert {name: found[name] for name in expected} == expected
    assert torch.equal(other(ids), logits)
    assert torch.equal(functional_call(other, dict(model.named_parameters()), (ids,)), logits)


def test_14_export_sees_the_multipliers() -> None:
    model, ids = tied(4), tokens(97, 2, 11)
    program = torch.export.export(model, (ids,), strict=False)
    torch.testing.assert_close(program.module()(ids), model(ids))


@pytest.fixture
def one_process() -> Iterator[None]:
    """A process group of this process alone."""
    distributed.init_process_group("gloo", store=HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


@pytest.mark.usefixtures("one_process")
@pytest.mark.filterwarnings("ignore:FSDP2-wrapped module")  # of any model that ends in a linear
def test_14_sharding_keeps_the_plan() -> None:
    model, ids = tied(4), tokens(97, 2, 11)
    expected, logits, plan = rates(model), model(ids), mupfx.plan(model)
    fully_shard(model, mesh=init_device_mesh("cpu", (1,)))
    assert mupfx.plan(model) == plan
    assert rates(model) == expected
    torch.testing.assert_close(model(ids), logits)
    optimizer = mupfx.optimizer(torch.optim.AdamW, model, lr=1e-2)
    torch.autograd.backward(model(ids).square().mean())
    optimizer.step()

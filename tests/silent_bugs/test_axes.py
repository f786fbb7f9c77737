"""Bugs 6, 7 and the second half of 12 of microsoft/mup: which axes are width, and which is fan-in."""

import copy

import pytest
import torch
import transformers
from torch import nn

import mupfx
from tests.silent_bugs.models import converted, rates, seeded
from tests.zoo.models import gpt, small
from tests.zoo.models.common import floats, tokens


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

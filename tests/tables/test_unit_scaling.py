"""``u_mup`` against the package ``unit-scaling`` 0.3.5 on its own Transformer, number by number.

``unit_scaling.json`` is what its ``TransformerDecoder`` has at five sizes: init std 1, the forward
multiplier of each weight as measured on its modules, ``lr_scale_func_adam`` of each parameter, the
scale of attention logits, and what each branch adds beside the embedding. Ours is the same model in
plain torch, converted. Every product of multiplier and std, and of multiplier and Adam's rate, grew
alike.

The differences:

- its backward scales are not those of the forward pass, so only scale-invariant optimizers agree,
  and its SGD table is for its own gradients;
- its values after attention are scaled by an empirical formula of head size and length;
- its weight decay is divided by the whole learning rate of each parameter, and ours by the factor;
- where a layer's fan-out grows less than its fan-in, ours has a further factor on the std;
- tied readouts, biases of the readout and learned positions are not in its model.
"""

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import mupfx
from mupfx.render.plan import std_factor

pytestmark = pytest.mark.filterwarnings("ignore:blocks of 2 weight layers with alpha 1/2")

FILE = Path(__file__).with_name("unit_scaling.json")
DATA: dict[str, Any] = json.loads(FILE.read_text())
MODELS: dict[str, dict[str, Any]] = DATA["models"]
GROWN = [name for name in MODELS if name != "base"]


class Norm(nn.Module):
    """A norm without gain."""

    def forward(self, x: Tensor) -> Tensor:
        return x / x.pow(2).mean(-1, keepdim=True).sqrt()


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = Norm()
        self.linear_qkv = nn.Linear(width, 3 * width, bias=False)
        self.linear_o = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        fused = self.linear_qkv(self.norm(x)).unflatten(-1, (3, self.heads, -1))
        q, k, v = fused.movedim(-3, 0).transpose(2, 3).unbind(0)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        out: Tensor = self.linear_o(mixed.transpose(1, 2).flatten(-2))
        return out


class MLP(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = Norm()
        self.linear_1 = nn.Linear(width, 4 * width, bias=False)
        self.linear_gate = nn.Linear(width, 4 * width, bias=False)
        self.linear_2 = nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        out: Tensor = self.linear_2(self.linear_1(x) * nn.functional.silu(self.linear_gate(x)))
        return out


class Layer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.mhsa = Attention(width, heads)
        self.mlp = MLP(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.mhsa(x)
        out: Tensor = x + self.mlp(x)
        return out


class Decoder(nn.Module):
    def __init__(self, size: dict[str, Any]) -> None:
        super().__init__()
        width = size["hidden_size"]
        self.embedding = nn.Embedding(64, width)
        self.layers = nn.Sequential(*(Layer(width, size["heads"]) for _ in range(size["layers"])))
        self.norm = Norm()
        self.projection = nn.Linear(width, 64, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.projection(self.norm(self.layers(self.embedding(tokens))))
        return out


@cache
def plan(name: str, parametrization: str = "u_mup") -> mupfx.Plan:
    torch.manual_seed(0)
    net, base = Decoder(MODELS[name]), Decoder(MODELS["base"])
    tokens = torch.randint(64, (2, 6))
    depth = 2 * MODELS["base"]["layers"]
    return mupfx.plan(
        mupfx.convert(net, tokens, base=base, base_depth=depth, parametrization=parametrization)
    )


def theirs(name: str, parameter: str) -> tuple[float, float]:
    """Growth of the effective std and of Adam's effective rate."""
    here, base = (MODELS[n]["parameters"][parameter] for n in (name, "base"))
    effective = here["multiplier"] / base["multiplier"]
    return effective * here["std"] / base["std"], effective * here["adam_lr"] / base["adam_lr"]


def ours(name: str, parameter: str, parametrization: str = "u_mup") -> tuple[float, float]:
    found = plan(name, parametrization).parameters[parameter]
    rate = found.optimizers["adamw"].lr * found.multiplier
    return std_factor(found) * found.multiplier, rate


@pytest.mark.parametrize("name", GROWN)
def test_stds_and_rates(name: str) -> None:
    for parameter in MODELS[name]["parameters"]:
        assert ours(name, parameter) == pytest.approx(theirs(name, parameter), rel=1e-6), parameter


@pytest.mark.parametrize("name", GROWN)
def test_branches(name: str) -> None:
    here, base = MODELS[name]["branches"], MODELS["base"]["branches"]
    assert len({round(branch, 9) for branch in here}) == 1
    sites = [site for site in plan(name).sites.values() if site.kind == "branch"]
    assert len(sites) == len(here)
    for site in sites:
        assert site.multiplier == pytest.approx(here[0] / base[0], rel=1e-9)


@pytest.mark.parametrize("name", GROWN)
def test_attention(name: str) -> None:
    here, base = MODELS[name], MODELS["base"]
    grown = math.sqrt(here["hidden_size"] / here["heads"]) / math.sqrt(
        base["hidden_size"] / base["heads"]
    )
    sites = [site for site in plan(name).sites.values() if site.kind == "attention"]
    assert len(sites) == here["layers"]
    for site in sites:
        assert site.multiplier / grown == pytest.approx(
            here["attention_logits"] / base["attention_logits"], rel=1e-9
        )


def test_other_tables_differ() -> None:
    """The embedding's rate tells u-muP from muP; the branches' rates tell it from CompleteP."""
    both = "both"
    assert ours(both, "embedding.weight", "mup") != pytest.approx(theirs(both, "embedding.weight"))
    layer = "layers.0.mlp.linear_2.weight"
    assert ours(both, layer, "mup") != pytest.approx(theirs(both, layer))
    assert ours(both, layer, "completep") != pytest.approx(theirs(both, layer))


def test_what_the_file_is() -> None:
    assert (DATA["package"], DATA["version"]) == ("unit-scaling", "0.3.5")
    assert len(MODELS["both"]["parameters"]) == 7

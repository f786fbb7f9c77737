"""The base's graph beside the model's: every parameter has its own namesake as a twin."""

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import nn
from torch.nn import functional

import mupfx
from mupfx.core.program import Program
from mupfx.errors import BaseError
from mupfx.passes.align import align
from mupfx.passes.capture import capture
from mupfx.passes.normalize import normalize
from tests.zoo.models import gpt
from tests.zoo.models.common import tokens

Tensor = torch.Tensor


class Plain(nn.Module):
    """Residual layers without norms: a block begins like the readout."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, width), nn.Linear(width, 5)
        self.up = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(depth))
        self.down = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for up, down in zip(self.up, self.down, strict=True):
            x = x + down(functional.gelu(up(x)))
        out: Tensor = self.head(x)
        return out


def chain(width: int, depth: int) -> nn.Module:
    """No residuals at all, nothing but repeated layers."""
    middle = [layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.Tanh())]
    return nn.Sequential(nn.Linear(3, width), nn.Tanh(), *middle, nn.Linear(width, 5))


def post_norm(width: int, depth: int) -> nn.Module:
    layer = nn.TransformerEncoderLayer(width, 2, 2 * width, dropout=0.0, batch_first=True)
    return nn.Sequential(
        nn.Linear(3, width),
        nn.LayerNorm(width),
        nn.TransformerEncoder(layer, depth, enable_nested_tensor=False),
        nn.Linear(width, 5),
    )


def transformer(width: int, depth: int) -> nn.Module:
    return gpt.GPT((31, 13), width, 2, depth, tied=False)


Build = Callable[[int, int], nn.Module]
BUILDS: Mapping[str, tuple[Build, Tensor]] = {
    "plain": (Plain, torch.zeros(2, 4, 3)),
    "chain": (chain, torch.zeros(2, 4, 3)),
    "post-norm": (post_norm, torch.zeros(2, 4, 3)),
    "transformer": (transformer, tokens(31, 2, 11)),
}


def program(model: nn.Module, example: Tensor) -> Program:
    return normalize(capture(model, (example,), {}))


def twins(model: nn.Module, base: nn.Module, example: Tensor) -> dict[str, str]:
    """The base's parameter beside each of the model's."""
    mine, theirs = program(model, example), program(base, example)
    return {
        mine.parameters[node.name]: theirs.parameters[twin.name]
        for node, twin in align(mine, theirs).items()
        if node.name in mine.parameters
    }


def layer(name: str) -> list[str]:
    """A name without the layer's number."""
    return [part for part in name.split(".") if not part.isdigit()]


@pytest.mark.parametrize("name", BUILDS)
def test_the_same_depth(name: str) -> None:
    build, example = BUILDS[name]
    found = twins(build(16, 2), build(8, 2), example)
    assert found
    assert all(mine == theirs for mine, theirs in found.items())


@pytest.mark.parametrize("name", ["plain", "post-norm", "transformer"])
@pytest.mark.parametrize(("depth", "base_depth"), [(3, 1), (4, 2), (1, 3), (2, 4)])
def test_another_depth(name: str, depth: int, base_depth: int) -> None:
    """Norms may stand for each other, where a layer ends or begins like what is around it."""
    build, example = BUILDS[name]
    model = build(16, depth)
    found = twins(model, build(8, base_depth), example)
    assert set(found) == {name for name, _ in model.named_parameters()}
    weights = [name for name, p in model.named_parameters() if p.ndim > 1]
    assert [layer(name) for name in weights] == [layer(found[name]) for name in weights]


def test_layers_in_a_row_line_up_by_their_sizes() -> None:
    model = chain(16, 4)
    found = twins(model, chain(8, 2), torch.zeros(2, 3))
    shapes = {name: p.shape for name, p in chain(8, 2).named_parameters()}
    assert {name: tuple(shapes[twin]) for name, twin in found.items()} == {
        name: tuple(n // 2 if n == 16 else n for n in p.shape)
        for name, p in model.named_parameters()
    }


def test_width_and_depth_at_once() -> None:
    model, example = Plain(16, 3), torch.zeros(2, 4, 3)
    mupfx.convert(model, example, base=Plain(8, 1), base_depth=1, parametrization="mup")
    rows = mupfx.plan(model).parameters
    assert [rows[f"up.{i}.weight"].fan_in_ratio for i in range(3)] == [2, 2, 2]
    assert rows["head.weight"].fan_in_ratio == 2
    assert rows["head.weight"].fan_out_ratio == 1


def other(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(3, width), nn.Tanh(), nn.Linear(width, 5), nn.Sigmoid())


@pytest.mark.parametrize(
    ("base", "found"),
    [
        (other(8), "aten.sigmoid.default"),
        (nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 5)), "aten.relu.default"),
        (nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 5, bias=False)), "aten.linear"),
        (nn.Sequential(nn.Linear(3, 5)), "the end of the graph"),
    ],
    ids=["longer", "another op", "no bias", "shorter"],
)
def test_another_architecture(base: nn.Module, found: str) -> None:
    model = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 5))
    example = torch.zeros(2, 3)
    with pytest.raises(BaseError, match="another architecture") as caught:
        align(program(model, example), program(base, example))
    assert found in str(caught.value)
    assert "op " in str(caught.value)


def test_a_stretch_that_repeats_nothing_is_no_depth() -> None:
    """The base has more than the model in the middle, but not more of the same."""
    example = torch.zeros(2, 3)
    model = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 5))
    base = nn.Sequential(
        nn.Linear(3, 8), nn.Sigmoid(), nn.Linear(8, 8), nn.Softplus(), nn.Tanh(), nn.Linear(8, 5)
    )
    with pytest.raises(BaseError):
        align(program(model, example), program(base, example))
    with pytest.raises(BaseError):
        align(program(base, example), program(model, example))

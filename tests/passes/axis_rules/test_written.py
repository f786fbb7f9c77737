"""Weights in other forms: written by a network, kept flat, put together at the convolution."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

import mupfx
from tests.zoo.models.common import floats

Fans = tuple[str, list[int], list[int]]


class Written(nn.Module):
    """The matrix of the middle layer is a product of a code and a generator."""

    def __init__(self, width: int, *, read_twice: bool = False) -> None:
        super().__init__()
        self.width, self.read_twice = width, read_twice
        self.inside, self.out = nn.Linear(3, width), nn.Linear(width, 2)
        self.code = nn.Parameter(torch.randn(5))
        self.generate = nn.Linear(5, width * width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = self.generate(self.code)
        middle = 0.5 * flat.view(self.width, self.width)
        x = functional.linear(torch.tanh(self.inside(x)), middle)
        if self.read_twice:
            x = x * flat.mean()
        out: torch.Tensor = self.out(torch.tanh(x))
        return out


class Bent(Written):
    """A hidden layer in the network that writes; its own weights are used where they stand."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.first = nn.Linear(4, 5)
        self.seed = nn.Parameter(torch.randn(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        code = torch.relu(self.first(self.seed))
        middle = self.generate(self.code * code).view(self.width, self.width)
        x = functional.linear(torch.tanh(self.inside(x)), middle)
        out: torch.Tensor = self.out(torch.tanh(x))
        return out


class Flat(nn.Module):
    """A matrix stored as one long vector."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.inside, self.out = nn.Linear(3, width), nn.Linear(width, 2)
        self.flat = nn.Parameter(torch.randn(width * width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.tanh(self.inside(x))
        x = functional.linear(x, self.flat.view(self.width, self.width))
        out: torch.Tensor = self.out(torch.tanh(x))
        return out


def analyzed(model: nn.Module, base: nn.Module | None) -> mupfx.Analysis:
    if base is None:
        return mupfx.analyze(model, floats(4, 3))
    return mupfx.analyze(model, floats(4, 3), base=base)


def fans(found: mupfx.Analysis, parameter: str) -> Fans:
    role = found.parameters[parameter]
    width = [
        d
        for d, axis in enumerate(role.axes)
        if any(found.axes.classes[c].kind == "width" for c in axis)
    ]
    return (
        str(role.role),
        [d for d in role.fan_in if d in width],
        [d for d in role.fan_out if d in width],
    )


@pytest.mark.parametrize("build", [Written, Bent])
@pytest.mark.parametrize("based", [False, True])
def test_what_writes_a_weight_is_contracted_as_the_weight_is(
    build: Callable[[int], nn.Module], *, based: bool
) -> None:
    base = build(8) if based else None
    found = analyzed(build(16), base)
    assert fans(found, "generate.weight") == ("hidden", [0], [0])
    assert fans(found, "generate.bias") == ("hidden", [0], [0])
    assert fans(found, "inside.weight") == ("input", [], [0])
    assert fans(found, "out.weight") == ("output", [1], [])
    assert fans(found, "code") == ("scalar", [], [])


def test_a_product_that_is_read_as_anything_else_is_an_activation() -> None:
    found = mupfx.analyze(
        Written(16, read_twice=True), floats(4, 3), base=Written(8, read_twice=True)
    )
    assert fans(found, "generate.weight") == ("input", [], [0])


@pytest.mark.parametrize("based", [False, True])
def test_a_flat_weight_has_both_fans_in_one_dimension(*, based: bool) -> None:
    found = analyzed(Flat(16), Flat(8) if based else None)
    assert fans(found, "flat") == ("hidden", [0], [0])
    assert fans(found, "inside.weight") == ("input", [], [0])
    assert found.parameters["flat"].status == "certain"


@pytest.mark.parametrize(("build", "name"), [(Flat, "flat"), (Written, "generate.weight")])
def test_each_fan_grew_by_its_own_ratio(build: Callable[[int], nn.Module], name: str) -> None:
    """Four times the entries are twice the fan-in and twice the fan-out."""
    model = mupfx.convert(build(16), floats(4, 3), base=build(8))
    planned = mupfx.plan(model).parameters[name]
    assert float(planned.fan_in_ratio) == float(planned.fan_out_ratio) == 2

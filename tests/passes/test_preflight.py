"""States that no conversion can work with, and those that only look like them."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from mupfx.errors import ModelError
from mupfx.passes.preflight import CHECKS, preflight


def two() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 8), nn.Linear(8, 8), nn.Linear(8, 8))


def sharing() -> nn.Module:
    model = two()
    model[2].weight.data = model[1].weight.data
    return model


def not_finite(value: float) -> nn.Module:
    model = two()
    nn.init.constant_(model.get_parameter("1.bias"), value)
    return model


def empty() -> nn.Module:
    model = two()
    model.register_parameter("nothing", nn.Parameter(torch.empty(0, 8)))
    return model


def whole() -> nn.Module:
    model = two()
    value = torch.ones(3, dtype=torch.int8)
    model.register_parameter("codes", nn.Parameter(value, requires_grad=False))
    return model


def apart() -> nn.Module:
    model = two()
    model[1].to("meta")
    return model


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "lazy": (lambda: nn.LazyLinear(3), "weight"),
    "whole numbers": (whole, "codes int8"),
    "empty": (empty, r"nothing \[0, 8\]"),
    "two devices": (apart, "0.weight on cpu, 1.weight on meta"),
    "one memory": (sharing, r"1\.weight and 2\.weight"),
    "nan": (lambda: not_finite(float("nan")), r"1\.bias"),
    "infinite": (lambda: not_finite(float("inf")), r"1\.bias"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    build, where = REFUSED[name]
    with pytest.raises(ModelError, match=where):
        preflight(build())


@pytest.mark.parametrize("name", REFUSED)
def test_by_one_check_alone(name: str) -> None:
    """So that the order of the table does not matter."""
    model = REFUSED[name][0]()
    if name != "lazy":  # has no values for the others to look at
        assert sum(check(model) is not None for check in CHECKS) == 1


def tied() -> nn.Module:
    model = two()
    model[2].weight = model[1].weight
    return model


def frozen() -> nn.Module:
    return two().requires_grad_(requires_grad=False)


def pieces() -> nn.Module:
    """As sharding keeps them: beside each other, not over each other."""
    model, flat = two(), torch.ones(16)
    model[1].bias.data, model[2].bias.data = flat[:8], flat[8:]
    return model


ACCEPTED: dict[str, Callable[[], nn.Module]] = {
    "plain": two,
    "tied": tied,
    "frozen": frozen,
    "meta": lambda: two().to("meta"),
    "half": lambda: two().to(torch.bfloat16),
    "without parameters": nn.Identity,
    "pieces of one tensor": pieces,
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str) -> None:
    preflight(ACCEPTED[name]())

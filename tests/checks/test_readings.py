"""What is read of one size, and the exponents that several show."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from mupfx.core.report import Size
from mupfx.core.setup import Setup
from mupfx.pipeline.checking.exponents import error, exponent
from mupfx.pipeline.checking.readings import number, read, spread


def test_exponents_of_powers() -> None:
    assert exponent([1, 2, 4], [3.0, 1.5, 0.75]) == pytest.approx(-1)
    assert exponent([1, 2], [5.0, 5.0]) == 0
    assert exponent([1, 2], [0.0, 5.0]) is None
    assert exponent([1, 2], [None, 5.0]) is None
    assert exponent([1, 1], [4.0, 5.0]) is None


def test_an_error_of_one_size_counts_by_its_lever() -> None:
    assert error([1, math.e], [0.1, 0.0]) == pytest.approx(0.1)
    assert error([1, math.e], [0.3, 0.4]) == pytest.approx(0.5)


def test_chance_in_a_spread_falls_with_entries() -> None:
    """The error is what repeated draws vary by."""
    generator = torch.Generator().manual_seed(0)
    draws = [spread([torch.randn(400, generator=generator)]) for _ in range(400)]
    seen = torch.tensor([math.log(d.rms) for d in draws]).std()
    told = sum(d.error for d in draws) / len(draws)
    assert told == pytest.approx(float(seen), rel=0.1)


def test_constants_have_no_chance_in_them() -> None:
    assert spread([torch.ones(7)]).error == 0
    assert spread([torch.zeros(7)]).rms == 0


def test_groups_are_read_before_a_schedule() -> None:
    model = nn.Linear(2, 2)
    groups: list[dict[str, Any]] = [{"params": [model.weight], "lr": 0.5}, {"params": model.bias}]
    optimizer = torch.optim.AdamW(groups)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 10)
    size = Size(2)
    reading = read([Setup(size, 0, model, (optimizer,), None, lambda m, b: b, (), {})])
    (entry,) = reading.entries["weight"]
    assert entry.family is not None
    assert entry.family.name == "adamw"
    assert entry.settings["lr"] == 0
    assert number(entry.settings, "lr") == 0.5
    assert entry.default_decay == 0.01


def test_an_entry_of_a_tuple() -> None:
    assert number({"eps": (1e-30, 1e-3)}, "eps.1") == 1e-3
    assert number({"lr": torch.tensor(0.5)}, "lr") == 0.5
    assert number({}, "lr") is None


class Halving(torch.optim.Adam):
    """Half of the rate that it was given."""

    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            group["lr"] /= 2
        return super().step(closure)


class Renamed(torch.optim.Adam):
    """Nothing of its own."""


@pytest.mark.parametrize(("kind", "own"), [(Halving, True), (Renamed, False)])
def test_a_step_of_ones_own_is_not_judged_by_its_rates(
    kind: type[torch.optim.Adam], *, own: bool
) -> None:
    model = nn.Linear(2, 2)
    made = Setup(Size(2), 0, model, (kind(model.parameters()),), None, lambda m, b: b, (), {})
    reading = read([made])
    assert (reading.entries["weight"][0].family is None) is own
    assert (reading.optimizers[0].family is None) is own


def test_an_optimizer_that_is_not_known() -> None:
    class Own(torch.optim.Optimizer):
        def __init__(self, params: object) -> None:
            super().__init__(params, {"lr": 1.0})  # type: ignore[arg-type]

    model = nn.Linear(2, 2)
    made = Setup(Size(2), 0, model, (Own(model.parameters()),), None, lambda m, b: b, (), {})
    reading = read([made])
    assert reading.optimizers[0].family is None
    assert reading.optimizers[0].refused
    assert reading.entries["weight"][0].family is None

"""Laws as factories ask for them: named exactly, part by part, or refused; never wrong."""

import copy
import math
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import init

from mupfx.core.drawn import Drawn, Shape
from mupfx.passes.laws import absent, record, record_shapes

Make = Callable[[], Tensor]


def made(make: Make) -> Callable[[], nn.Module]:
    def factory() -> nn.Module:
        module = nn.Module()
        module.w = nn.Parameter(make())
        return module

    return factory


def filled(fill: Callable[[Tensor], object], *shape: int) -> Make:
    def make() -> Tensor:
        tensor = torch.empty(*(shape or (12, 8)))
        fill(tensor)
        return tensor

    return make


def padded() -> Tensor:
    weight = nn.Embedding(10, 6, padding_idx=2).weight
    return weight.detach()


def experts() -> Tensor:
    weight = torch.empty(3, 4, 5)
    for expert in weight:
        init.kaiming_normal_(expert)
    return weight


def two_column_blocks() -> Tensor:
    weight = torch.empty(10, 6)
    weight[:, 2:] = torch.randn(10, 4) * 3
    weight[:, :2].zero_()
    return weight


def as_timm_cuts(weight: Tensor, std: float = 0.5, low: float = -1.0, high: float = 0.75) -> None:
    def cdf(x: float) -> float:
        return (1 + math.erf(x / math.sqrt(2))) / 2

    weight.uniform_(2 * cdf(low / std) - 1, 2 * cdf(high / std) - 1)
    weight.erfinv_().mul_(std * math.sqrt(2)).add_(0.0).clamp_(low, high)


NAMED: Mapping[str, tuple[Make, str]] = {
    "normal": (filled(lambda w: w.normal_(0, 0.02)), "normal(0, 0.02)"),
    "uniform": (filled(lambda w: w.uniform_(-0.5, 1.5)), "uniform(-0.5, 1.5)"),
    "init.normal": (filled(lambda w: init.normal_(w, 1.0, 0.25)), "normal(1, 0.25)"),
    "xavier": (filled(init.xavier_normal_), "normal(0, 0.316228)"),
    "kaiming": (filled(init.kaiming_uniform_), "uniform(-0.866025, 0.866025)"),
    "cut": (filled(init.trunc_normal_), "normal(0, 1) cut at -2 and 2"),
    "cut far out": (filled(lambda w: init.trunc_normal_(w, std=0.02)), "normal(0, 0.02)"),
    "cut in the tail": (
        filled(lambda w: init.trunc_normal_(w, a=1.0, b=3.0)),
        "normal(0, 1) cut at 1 and 3",
    ),
    "cut by hand": (filled(as_timm_cuts), "normal(0, 0.5) cut at -1 and 0.75"),
    "orthogonal": (filled(lambda w: init.orthogonal_(w, 1.5)), "orthogonal, times 1.5"),
    "sparse": (filled(lambda w: init.sparse_(w, 0.25, 0.1)), "sparse, times 0.1"),
    "eye": (filled(init.eye_), "identity, times 1"),
    "dirac": (filled(init.dirac_, 6, 4, 3), "dirac, times 1"),
    "zeros": (filled(init.zeros_), "constant(0)"),
    "fill": (filled(lambda w: w.fill_(0.25)), "constant(0.25)"),
    "computed, all one": (lambda: torch.log(torch.full((4,), math.e)), "constant(1)"),
    "quotient": (lambda: torch.randn(12, 16) / 16**0.5, "normal(0, 0.25)"),
    "tensor scalar": (lambda: torch.randn(9) * torch.tensor(4.0).sqrt(), "normal(0, 2)"),
    "from the left": (lambda: 1 - 2 * torch.rand(9), "uniform(-1, 1)"),
    "copied": (filled(lambda w: w.copy_(torch.randn(12, 8) * 0.1)), "normal(0, 0.1)"),
    "after the fact": (filled(lambda w: init.xavier_uniform_(w).mul_(0)), "constant(0)"),
    "last one wins": (filled(lambda w: w.normal_().uniform_()), "uniform(0, 1)"),
    "transposed": (filled(lambda w: w.t().normal_(0, 3)), "normal(0, 3)"),
    "rounded": (lambda: torch.randn(8, 8).mul(0.5).to(torch.bfloat16), "normal(0, 0.5)"),
    "bound far out": (lambda: torch.randn(9).clamp(-10, 10), "normal(0, 1)"),
    "experts": (experts, "normal(0, 0.632456)"),
    "padding": (padded, "normal(0, 1), and 1 parts apart"),
    "columns": (two_column_blocks, "normal(0, 3), and 1 parts apart"),
    "cat": (
        lambda: torch.cat([torch.randn(6, 3), torch.zeros(2, 3), torch.rand(1, 3)]),
        "normal(0, 1), and 2 parts apart",
    ),
    "stack": (lambda: torch.stack([torch.randn(5), torch.randn(5)], 1), "normal(0, 1)"),
}
OPEN: Mapping[str, tuple[Make, str]] = {
    "numpy": (lambda: torch.from_numpy(np.arange(4.0)), "given: copied from a tensor made"),
    "computed": (lambda: torch.arange(1.0, 9).log(), "given: computed by log"),
    "function": (lambda: torch.rand(9).exp(), "unknown: exp of uniform"),
    "sum": (lambda: torch.rand(9) + torch.rand(9), "unknown: add of uniform"),
    "mask": (lambda: torch.randn(9) * torch.arange(9.0), "unknown: mul of normal"),
    "never filled": (lambda: torch.empty(3, 3), "unknown: memory that was never filled"),
    "normed": (filled(lambda w: w.normal_().div_(w.norm())), "unknown: div of normal"),
    "repeated": (filled(lambda w: w.copy_(torch.randn(1, 8))), "unknown: normal values, repeated"),
    "expanded": (
        lambda: torch.randn(1, 8).expand(4, 8).clone(),
        "unknown: normal values, repeated",
    ),
    "scattered": (filled(lambda w: w.normal_().masked_fill_(w > 0, 0)), "unknown"),
    "clamped": (lambda: torch.randn(9).clamp(-1, 1), "unknown: clamp of normal"),
    "integers": (lambda: torch.randint(0, 9, (4,)).float(), "unknown: drawn by randint"),
    "whole numbers": (lambda: (torch.rand(9) * 9).long().float(), "unknown: _to_copy of uniform"),
    "into whole numbers": (
        lambda: torch.zeros(9, dtype=torch.int64).copy_(torch.rand(9) * 9).float(),
        "unknown: copy of uniform",
    ),
    "complex": (lambda: torch.randn(9, dtype=torch.complex64), "unknown: normal values as"),
    "diagonal": (filled(lambda w: w.normal_().diagonal().zero_()), "unknown: entries of it"),
    "meta": (lambda: torch.randn(4, device="meta"), "unknown: the factory put it on the meta"),
}


def of(make: Make) -> Drawn:
    return record(made(make)).laws["w"]


@pytest.mark.parametrize("name", NAMED)
def test_named(name: str) -> None:
    make, expected = NAMED[name]
    assert str(of(make)) == expected


@pytest.mark.parametrize("name", OPEN)
def test_refused(name: str) -> None:
    make, expected = OPEN[name]
    law = of(make)
    assert str(law).startswith(expected)
    assert not law.known
    assert law.std is None


@pytest.mark.parametrize("name", [*NAMED, *OPEN])
def test_same_without_memory(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make = {**NAMED, **OPEN}[name][0]
    monkeypatch.setattr(absent.Limits.__init__, "__defaults__", (0, 0.0))
    found = record_shapes(made(make))
    law = found.laws["w"]
    if name != "computed, all one":  # log of a constant that has no memory
        assert str(law) == str(of(make))
    assert found.model.w.is_meta


@pytest.mark.parametrize("name", NAMED)
def test_as_measured(name: str) -> None:
    """Mean and std of many draws, and of every part apart, are those of the law."""
    make, _ = NAMED[name]
    torch.manual_seed(0)
    law = of(make)
    values = torch.stack([make().double() for _ in range(100)])
    held = torch.ones_like(values[0], dtype=torch.bool)
    for box, part in law.parts:
        (start, count, step), *rest = box
        place = held[start : start + (count - 1) * step + 1 : step]
        for dim, (first, many, by) in enumerate(rest, 1):
            place = place.narrow(dim, first, (many - 1) * by + 1)
        place.zero_()
        assert (values[:, ~held].std() > 0) == (part.std != 0)
    seen = values[:, held]
    assert law.std is not None
    assert law.size is not None
    error = 5 * law.std / math.sqrt(seen.numel()) + 1e-6
    assert float(seen.square().mean().sqrt()) == pytest.approx(law.size, abs=2 * error)
    if law.shape not in {Shape.EYE, Shape.DIRAC}:
        assert float(seen.mean()) == pytest.approx(law.mean, abs=error)


def through_numpy(change: Callable[[np.ndarray], None], weight: Tensor) -> Tensor:
    change(weight.numpy())
    return weight


def test_memory_that_others_changed() -> None:
    def factor(values: np.ndarray) -> None:
        values *= 1.5

    def one(values: np.ndarray) -> None:
        values[3] = 7

    for make, change in ((torch.randn, factor), (torch.rand, factor), (torch.zeros, one)):
        law = of(partial(lambda make, change: through_numpy(change, make(4096)), make, change))
        assert str(law) == "unknown: changed by other means than torch's"


def test_sparse_tensors_pass() -> None:
    def factory() -> nn.Module:
        module = nn.Linear(3, 3)
        module.register_buffer("adjacency", torch.eye(3).to_sparse())
        return module

    assert record(factory).laws["weight"].known
    assert record_shapes(factory).laws["weight"].known


def test_where_parts_are() -> None:
    assert [box for box, _ in of(padded).parts] == [((2, 1, 1), (0, 6, 1))]
    assert [box for box, _ in of(two_column_blocks).parts] == [((0, 10, 1), (0, 2, 1))]


def test_says_who_asked() -> None:
    law = record(lambda: nn.Linear(4, 4)).laws["weight"]
    assert law.function == "kaiming_uniform_"
    assert law.source.split(":")[0] == __file__


def test_values_are_as_without_watching() -> None:
    def factory() -> nn.Module:
        return nn.Sequential(nn.Linear(3, 4), nn.LSTM(4, 4), nn.Embedding(9, 3))

    torch.manual_seed(3)
    watched = record(factory).model.state_dict()
    after = torch.rand(1)
    torch.manual_seed(3)
    plain = factory().state_dict()
    assert all(torch.equal(plain[name], watched[name]) for name in plain)
    assert torch.equal(after, torch.rand(1))


def test_copies_and_ties() -> None:
    def factory() -> nn.Module:
        first = nn.Linear(4, 4)
        other = nn.Linear(4, 4)
        other.weight = first.weight
        return nn.ModuleDict({"a": first, "b": copy.deepcopy(first), "c": other})

    laws = record(factory).laws
    assert laws["b.weight"].like == "a.weight"
    assert laws["c.weight"] is laws["a.weight"]
    assert laws["c.bias"].like == ""
    shapes = record_shapes(factory).model
    assert shapes.get_parameter("c.weight") is shapes.get_parameter("a.weight")


class Wide(nn.Module):
    """More than fits the limits, and what other models have beside weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.zeros(200, 200))
        self.first.data = torch.randn(200, 200) / 10
        if self.first.device.type == "cpu" and not self.first.is_meta:
            self.first.data.mul_(0.5)
        self.second = nn.Linear(200, 200)
        init.orthogonal_(self.second.weight)
        self.norm = nn.BatchNorm1d(200)
        self.register_buffer("mask", torch.ones(200, 200).tril())
        self.rates = [x.item() for x in torch.linspace(0, 0.1, 3)]


def test_what_is_computed_is_there() -> None:
    state = torch.get_rng_state()
    found = record_shapes(Wide)
    assert torch.equal(state, torch.get_rng_state())
    assert str(found.laws["first"]) == "normal(0, 0.05)"
    assert str(found.laws["second.weight"]) == "orthogonal, times 1"
    assert torch.equal(found.values["mask"], torch.ones(200, 200).tril())
    assert found.values["norm.running_var"].tolist() == [1.0] * 200
    assert isinstance(found.model, Wide)
    assert found.model.rates[2] == pytest.approx(0.1)
    assert all(t.is_meta for t in (*found.model.parameters(), *found.model.buffers()))

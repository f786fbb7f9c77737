"""Parts and wholes: one axis, however often and in whatever order it is cut."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

import mupfx
from mupfx.core.vocabulary import Kind, Role
from mupfx.passes.axis_rules.factors import (
    Dim,
    Factor,
    expand,
    fresh,
    part,
    partition,
    regroup,
    unify,
)
from tests.passes.axis_rules.notation import Case, case, check
from tests.properties.answers import analyze, wrong
from tests.properties.menu import single

aten = torch.ops.aten

MAPS = [
    case("a b -> a b", lambda x: functional.pad(x, (1, 2))[:, 1:4], (2, 3)),
    case("a b -> a b", lambda x: aten.split.sizes(functional.pad(x, (1, 2)), [1, 3, 2], 1)[1], (2, 3)),
    case("a b -> a b", lambda x: functional.pad(x, (0, 0, 1, 0))[1:], (2, 3)),
    case("a b -> a n", lambda x: functional.pad(x, (-1, 2)), (2, 3)),
    case("a b -> a n", lambda x: x.index_select(1, torch.arange(3).flip(0)), (2, 3)),
    case("a b -> a n", lambda x: x[:, torch.arange(3).flip(0)], (2, 3)),
    case(
        "b i, *o i', *p i' -> b q",
        lambda x, w, v: functional.linear(x, torch.cat([w, v])),
        (2, 3), (5, 3), (7, 3),
    ),
    case(
        "b i, *o i', *p i' -> b o, b p",
        lambda x, w, v: aten.split.sizes(functional.linear(x, torch.cat([w, v])), [5, 7], 1),
        (2, 3), (5, 3), (7, 3),
    ),
    case("a b -> a c, a d", lambda x: (x[:, 2:][:, 1:3], x[:, 2:]), (2, 7)),
    case("a b -> a c, a c", lambda x: (x[:, 2:][:, 1:3], x[:, 3:5]), (2, 7)),
    case("a b -> a c, a c", lambda x: (x[:, 3:5], x[:, 2:][:, 1:3]), (2, 7)),
    case("b c d, *o c' 1' -> b o d", functional.conv1d, (2, 3, 5), (7, 3, 1)),
]  # fmt: skip


@pytest.mark.parametrize("row", MAPS, ids=str)
def test_maps(row: Case) -> None:
    check(row)


def roots(dim: Dim | None) -> list[int]:
    assert dim is not None
    return [id(piece.factor) for piece in expand(dim)]


@given(st.lists(st.integers(0, 12), min_size=4, max_size=4, unique=True), st.booleans())
def test_a_part_of_a_part_is_a_part(ends: list[int], outer_first: bool) -> None:  # noqa: FBT001
    a, b, c, d = sorted(ends)
    axis = fresh((12,))
    direct = None if outer_first else part(axis, (b,), (c,), (12,))
    outer = part(axis, (a,), (d,), (12,))
    assert outer is not None
    inner = part(outer, (b - a,), (c - a,), (d - a,))
    assert roots(inner) == roots(direct or part(axis, (b,), (c,), (12,)))


def test_parts_of_whole_rows_are_rows_of_a_later_cut() -> None:
    axis = fresh((24,))
    first, rest = part(axis, (0,), (8,), (24,)), part(axis, (8,), (24,), (24,))
    heads, size = regroup([axis], [(6,), (4,)]) or ((), ())
    assert first is not None
    assert rest is not None
    assert [p.factor.size for p in expand(first)] == [(2,), (4,)]
    assert roots(first)[-1:] == roots(rest)[-1:] == roots(size)
    assert roots(part(heads, (0,), (2,), (6,))) == roots(first)[:1]


def test_parts_that_do_not_fit_a_later_cut_stay_parts() -> None:
    axis = fresh((24,))
    first = part(axis, (0,), (9,), (24,))
    assert regroup([axis], [(6,), (4,)]) is not None
    assert first is not None
    assert [p.factor.size for p in expand(first)] == [(9,)]


def test_axes_that_are_joined_share_parts_of_parts() -> None:
    left, right = fresh((12,)), fresh((12,))
    tail = part(left, (4,), (12,), (12,))
    middle = part(right, (4,), (8,), (12,))
    unify(left, right)
    assert tail is not None
    assert roots(part(tail, (0,), (4,), (8,))) == roots(middle)


def test_the_same_factors_in_another_order_join_nothing() -> None:
    left, right = fresh((4,)), fresh((4,))
    unify((*left, *right), (*right, *left))
    assert roots(left) != roots(right)


def test_a_partition_has_no_gaps_and_no_empty_parts() -> None:
    factor = Factor((12,))
    for start, stop in [((0,), (4,)), ((2,), (12,)), ((4,), (4,)), ((4,), (9,))]:
        factor.parts[(start, stop)] = fresh((stop[0] - start[0],))
    assert partition(factor) == []
    factor.parts[(9,), (12,)] = fresh((3,))
    assert partition(factor) == [((0,), (4,)), ((4,), (9,)), ((9,), (12,))]


class Turned(nn.Module):
    """Features of the data in another order."""

    def __init__(self, *, selects: bool) -> None:
        super().__init__()
        self.selects = selects
        self.inner, self.readout = nn.Linear(5, 24), nn.Linear(24, 7)

    def forward(self, x: Tensor) -> Tensor:
        order = torch.arange(5).flip(0)
        x = x.index_select(1, order) if self.selects else x[:, order]
        out: Tensor = self.readout(self.inner(x).relu())
        return out


@pytest.mark.parametrize("selects", [True, False])
def test_the_data_in_another_order_is_as_long(selects: bool) -> None:  # noqa: FBT001
    found = mupfx.analyze(Turned(selects=selects), torch.ones(2, 5))
    (features,) = found.roles["inner.weight"].axes[1]
    assert found.roles["inner.weight"].role is Role.INPUT
    assert found.classes[features].kind is Kind.FINITE


@pytest.mark.parametrize(
    "name", ["shuffled residual", "permuted select", "joined weights", "adapted"]
)
def test_steps_that_were_misread(name: str) -> None:
    """Two ways of cutting one axis, constants that reorder, weights put together or multiplied."""
    program = single(name)
    assert not wrong(program, analyze(program, base=True)[0])
    assert not wrong(program, analyze(program, base=False)[0], certain=True)


def test_products_over_positions_leave_the_width_alone() -> None:
    program = single("token mixing", "convolution")
    assert not wrong(program, analyze(program, base=True)[0])


class ByParts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(7, 5)), nn.Parameter(torch.ones(7))
        self.readout = nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = (x[:, None, :] * self.weight).sum(-1) + self.bias
        out: Tensor = self.readout(y.relu())
        return out


def test_a_product_by_parts_has_its_bias_beside_it() -> None:
    assert mupfx.analyze(ByParts(), torch.ones(2, 5)).roles["bias"].companion == "weight"

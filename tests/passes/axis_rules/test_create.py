"""Tensors made of numbers: axes that nothing is known of until they meet others."""
# ruff: noqa: FBT003 - torch's own signatures

import pytest
import torch

from tests.passes.axis_rules.notation import Case, case, check, ints

aten = torch.ops.aten

ONE = [
    case("a -> b", call, (2,))
    for call in (
        lambda x: torch.arange(3),
        lambda x: torch.randperm(3),
        lambda x: torch.linspace(0, 1, 3),
        lambda x: x.new_zeros(3),
        lambda x: x.new_ones(3),
        lambda x: x.new_empty(3),
        lambda x: x.new_full((3,), 1.0),
    )
]

TWO = [
    case("a -> b c", call, (2,))
    for call in (
        lambda x: torch.zeros(3, 5),
        lambda x: torch.ones(3, 5),
        lambda x: torch.empty(3, 5),
        lambda x: torch.full((3, 5), 1.0),
        lambda x: torch.rand(3, 5),
        lambda x: torch.randn(3, 5),
        lambda x: torch.randint(7, (3, 5)),
        lambda x: torch.eye(3, 5),
        lambda x: torch.empty_strided((3, 5), (5, 1)),
        lambda x: torch.tril_indices(5, 5),
        lambda x: torch.triu_indices(5, 5),
    )
]

OTHERS = [
    case("a -> ", lambda x: aten.scalar_tensor(3.0), (2,)),
    case("a -> a b", lambda x: x[:, None] + torch.arange(3), (2,)),
    case("a -> b; selection b", lambda x: torch.histc(x, 3), (2,)),
    # as many as the data says
    case("a b -> n c; selection n c", torch.nonzero, (2, 3)),
    case("a -> n; selection n", torch.bincount, ints(5)),
    case("a -> n, m, n; selection n", lambda x: aten._unique2(x, True, True, True), ints(5)),
]

CASES = [*ONE, *TWO, *OTHERS]


@pytest.mark.parametrize("row", CASES, ids=str)
def test_create(row: Case) -> None:
    check(row)


def test_nothing_is_joined_because_sizes_agree() -> None:
    check(case("a -> b c", lambda x: torch.zeros(x.shape[0], 2), (2,)))
    check(case("a b -> c d", lambda x: torch.zeros(x.shape), ints(2, 3)))

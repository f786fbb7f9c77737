"""Tensors made of numbers: axes that nothing is known of until they meet others."""
# ruff: noqa: FBT003 - torch's own signatures

import pytest
import torch

from mupfx.passes.axis_rules import rule_of
from tests.passes.axis_rules.notation import Case, case, check, ints, kernel

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
    case("a -> n, a, n; selection n", lambda x: aten._unique2(x, True, True, True), ints(5)),
]

MORE = [
    case("a -> b", call, (2,))
    for call in (
        lambda x: torch.logspace(0, 1, 3),
        lambda x: aten.range(0, 3),
        lambda x: aten.new_empty_strided(x, [3], [1]),
        lambda x: torch.empty_permuted((3,), (0,)),
        lambda x: torch.bartlett_window(3),
        lambda x: torch.blackman_window(3),
        lambda x: torch.hamming_window(3),
        lambda x: torch.hann_window(3),
        lambda x: torch.kaiser_window(3),
    )
] + [
    kernel("a -> b", aten._efficientzerotensor.default, (3,), lambda x: ([3],), (2,)),
    kernel("a b c -> n", aten._shape_as_tensor.default, (3,), lambda x: (x,), (2, 3, 5)),
    kernel("a b -> n", aten._dim_arange.default, (3,), lambda x: (x, 1), (2, 3)),
]

COUNTED = [
    case("a b -> n c; selection n c", torch.argwhere, (2, 3)),
    case("a b -> n c; selection n c", lambda x: torch.nonzero_static(x, size=4), (2, 3)),
    kernel("a -> n, m; selection n m", aten.histogram.bin_ct, [(3,), (4,)], lambda x: (x, 3), (5,)),
    kernel("a -> n c; selection n c", aten.combinations.default, (10, 2), lambda x: (x,), (5,)),
    case("a b -> n, a b; selection n", lambda x: aten._unique(x, True, True), ints(5, 3)),
    case("a -> n, a, n; selection n", lambda x: aten.unique_consecutive(x, True, True), ints(5)),
    case(
        "a b -> n b, a, n; selection n",
        lambda x: aten.unique_dim(x, 0, True, True, True),
        ints(5, 3),
    ),
]

NUMBERS = (
    aten.sym_size.int, aten.sym_numel.default, aten.sym_stride.int, aten.sym_storage_offset.default,
    aten._local_scalar_dense.default, aten.sym_is_contiguous.default, aten.item.default, aten.is_nonzero.default,
    aten.equal.default, aten.allclose.default, aten._assert_scalar.default,
    aten._assert_tensor_metadata.default, aten._assert_async.default,
    aten._functional_assert_async.msg, aten.sym_constrain_range.default,
    aten.sym_constrain_range_for_size.default,
)  # fmt: skip

CASES = [*ONE, *TWO, *OTHERS, *MORE, *COUNTED]


@pytest.mark.parametrize("row", CASES, ids=str)
def test_create(row: Case) -> None:
    check(row)


def test_nothing_is_joined_because_sizes_agree() -> None:
    check(case("a -> b c", lambda x: torch.zeros(x.shape[0], 2), (2,)))
    check(case("a b -> c d", lambda x: torch.zeros(x.shape), ints(2, 3)))


@pytest.mark.parametrize("op", NUMBERS, ids=str)
def test_a_number_has_no_axes(op: torch._ops.OpOverload) -> None:
    rule = rule_of(op)
    assert rule is not None
    assert rule.__name__ == "number"

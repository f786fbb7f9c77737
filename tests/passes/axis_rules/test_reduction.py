"""Reductions drop axes; only an index into one makes it finite."""

import pytest
import torch

from tests.passes.axis_rules.notation import Case, case, check, kernel, mask

aten = torch.ops.aten

LAST = [
    case("a b -> a", call, (2, 3))
    for call in (
        lambda x: x.sum(1),
        lambda x: x.mean(-1),
        lambda x: x.amax(1),
        lambda x: x.amin(1),
        lambda x: x.var(1),
        lambda x: x.std(1),
        lambda x: x.prod(1),
        lambda x: x.norm(dim=1),
        lambda x: torch.linalg.vector_norm(x, dim=1),
        lambda x: x.logsumexp(1),
        lambda x: aten.special_logsumexp(x, 1),
        lambda x: x.nansum(1),
        lambda x: x.nanmean(1),
        lambda x: torch.count_nonzero(x, 1),
        lambda x: x.any(1),
        lambda x: x.all(1),
        lambda x: x.var(1, correction=0),
        # of the values alone nothing is selected
        lambda x: x.max(1).values,
        lambda x: x.min(1)[0],
    )
]

KINDS = [
    case("a b c -> b", lambda x: x.sum((0, 2)), (2, 3, 5)),
    case("a b c -> a 1 c", lambda x: x.mean(1, keepdim=True), (2, 3, 5)),
    case("a b -> ", torch.sum, (2, 3)),
    case("a b -> ", torch.mean, (2, 3)),
    case("a b -> ", lambda x: aten.norm.Scalar(x, 2), (2, 3)),
    case("a b -> a", lambda x: aten.norm.ScalarOpt_dim(x, 2, [1]), (2, 3)),
    case("a b -> ", lambda x: x.sum([]), (2, 3)),
    case("a b -> a, a", lambda x: torch.var_mean(x, 1), (2, 3)),
    case("a b -> a 1, a 1", lambda x: torch.std_mean(x, 1, keepdim=True), (2, 3)),
    case("a b -> ", torch.max, (2, 3)),
    case("a b -> ", torch.min, (2, 3)),
    case("a b -> ", lambda x: x.median(), (2, 3)),
    case("a b -> a", lambda x: x.any(-1), mask(2, 3)),
    case("a b -> ", torch.all, mask(2, 3)),
]

SELECTED = [
    case("a b -> a; selection b", lambda x: x.argmax(1), (2, 3)),
    case("a b -> a 1; selection b", lambda x: x.argmin(-1, keepdim=True), (2, 3)),
    case("a b -> a, a; selection b", lambda x: tuple(x.max(1)), (2, 3)),
    case("a b -> a; selection b", lambda x: x.min(1).indices, (2, 3)),
    case("a b -> a, a; selection b", lambda x: tuple(x.mode(1)), (2, 3)),
    case("a b -> a, a; selection b", lambda x: tuple(x.median(1)), (2, 3)),
]

MORE = [
    case("a b -> ", torch.linalg.norm, (3, 5)),
    case("a b c -> ", torch.linalg.norm, (2, 3, 5)),
    case("a b -> a", lambda x: torch.linalg.norm(x, dim=1), (3, 5)),
    case("a b -> a 1", lambda x: torch.linalg.norm(x, dim=-1, keepdim=True), (3, 5)),
    case("a b -> ", lambda x: torch.linalg.norm(x, ord="fro"), (3, 5)),
    case("a b c -> a", lambda x: torch.linalg.norm(x, dim=(1, 2)), (2, 3, 5)),
    case("a b c -> a", torch.linalg.matrix_norm, (2, 3, 5)),
    case("a b c -> b", lambda x: torch.linalg.matrix_norm(x, ord=2, dim=(0, 2)), (2, 3, 5)),
    case("a b -> ", aten.nuclear_norm, (3, 5)),
    case("a b -> a", lambda x: aten.frobenius_norm.dim(x, [1]), (3, 5)),
    kernel("a b -> ", aten.native_norm.default, (), lambda x: (x,), (3, 5)),
    case("a b -> a", lambda x: aten.linalg__powsum(x, 2, [1]), (3, 5)),
    case("a b -> ", aten._is_all_true, mask(2, 3)),
    case("a b -> ", aten._is_any_true, mask(2, 3)),
    case("a b -> , ", lambda x: tuple(torch.aminmax(x)), (3, 5)),
    case("a b -> a, a", lambda x: tuple(torch.aminmax(x, dim=1)), (3, 5)),
    case("a b -> , ", aten._aminmax, (3, 5)),
    case("a b -> a, a; selection b", lambda x: tuple(x.nanmedian(1)), (2, 3)),
    case("a b -> ", lambda x: torch.quantile(x, 0.5), (3, 5)),
    case("a b -> a", lambda x: torch.quantile(x, 0.5, dim=1), (3, 5)),
    case("a b -> a 1", lambda x: torch.nanquantile(x, 0.5, dim=1, keepdim=True), (3, 5)),
    case("a b, q -> q a", lambda x, q: torch.quantile(x, q, dim=1), (3, 5), (2,)),
    case("a b, q -> q", torch.quantile, (3, 5), (2,)),
    case("a b c -> 1 c", lambda x: x.sum_to_size(1, 5), (2, 3, 5)),
    case("a b c -> c", lambda x: x.sum_to_size(5), (2, 3, 5)),
    case("a b -> a", torch.trapz, (2, 3)),
]  # fmt: skip

CASES = [*LAST, *KINDS, *SELECTED, *MORE]


@pytest.mark.parametrize("row", CASES, ids=str)
def test_reduction(row: Case) -> None:
    check(row)

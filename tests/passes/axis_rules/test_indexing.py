"""Look-ups, scatters, selections."""
# ruff: noqa: FBT003 - torch's own signatures

import pytest
import torch
from torch.nn import functional

from tests.passes.axis_rules.notation import Case, case, check, ints, mask

aten = torch.ops.aten

LOOKED_UP = [
    case("b t, *v@ d -> b t d; index v", functional.embedding, ints(2, 3), (7, 5)),
    case("b, *v@ d -> b d; index v", lambda i, w: w[i], ints(2), (7, 5)),
    case("b t, *v@ d -> b t d; index v", lambda i, w: w[i], ints(2, 3), (7, 5)),
    case("b, *v@ d -> b d; index v", lambda i, w: torch.index_select(w, 0, i), ints(2), (7, 5)),
    case("b, *d v@ -> d b; index v", lambda i, w: torch.index_select(w, -1, i), ints(2), (5, 7)),
    case(
        "b d, *v@ d -> b d; index v",
        lambda i, w: torch.gather(w, 0, i), ints(2, 5), (7, 5),
    ),
    case(
        "k, n, *v@ d -> n d; index v",
        lambda i, o, w: functional.embedding_bag(i, w, o), ints(6), torch.tensor([0, 4]), (7, 5),
    ),
    case(
        "k, n, *v@ d -> n d; index v",
        lambda i, o, w: aten._embedding_bag(w, i, o)[0], ints(6), torch.tensor([0, 4]), (7, 5),
    ),
]  # fmt: skip

INDEXED = [
    case("a b, n -> n b; index a", lambda x, i: x[i], (2, 3), ints(5)),
    case("a b, n -> a n; index b", lambda x, i: x[:, i], (2, 3), ints(5)),
    case("a b c, n, n -> n c; index a b", lambda x, i, j: x[i, j], (2, 3, 5), ints(7), ints(7)),
    case("a b c, n, n -> n b; index a c", lambda x, i, j: x[i, :, j], (2, 3, 5), ints(7), ints(7)),
    case("a b, c 1, n -> c n; index a b", lambda x, i, j: x[i, j], (2, 3), ints(2, 1), ints(7)),
    case("a b c, d e -> n c; index a b; input n", lambda x, m: aten.index(x, [m]), (2, 3, 5), mask(2, 3)),
    case("a b, n -> a n; index b", lambda x, i: x.index_select(1, i), (2, 3), ints(5)),
    case("a b, a n -> a n; index b", lambda x, i: x.gather(1, i), (2, 3), ints(2, 5)),
    case("a b, a n -> a n; index b", lambda x, i: torch.take_along_dim(x, i, 1), (2, 3), ints(2, 5)),
    case("a b, n m -> (n m); index a b", torch.take_along_dim, (2, 3), ints(5, 7)),
    case("a b -> a b n; index n", lambda x: functional.one_hot(x, 5), ints(2, 3)),
]  # fmt: skip

WRITTEN = [
    case("a b, 1 d, e b -> a b", lambda x, i, s: x.scatter(0, i, s), (2, 3), ints(1, 2), (5, 3)),
    case("a b, 1 d, e b -> a b", lambda x, i, s: x.scatter_add(0, i, s), (2, 3), ints(1, 2), (5, 3)),
    case(
        "a b, 1 d, e b -> a b",
        lambda x, i, s: x.scatter_reduce(0, i, s, "sum"), (2, 3), ints(1, 2), (5, 3),
    ),
    case("a b, n, m b -> a b", lambda x, i, s: x.index_add(0, i, s), (2, 3), ints(5), (5, 3)),
    case("a b, n, m b -> a b", lambda x, i, s: x.index_add_(0, i, s), (2, 3), ints(5), (5, 3)),
    # as many rows are written as there are, by chance
    case("a b, n, m b -> a b", lambda x, i, s: x.index_add(0, i, s), (2, 3), ints(2), (2, 3)),
    case("a b, n, m b -> a b", lambda x, i, s: x.index_copy(0, i, s), (2, 3), ints(2), (2, 3)),
    case("a b, n -> a b", lambda x, i: x.index_fill(0, i, 1.0), (2, 3), ints(5)),
    case("a b, n, m b -> a b; index a", lambda x, i, s: x.index_put((i,), s), (2, 3), ints(5), (5, 3)),
    case("a b, c, *b -> a b; index a", lambda x, m, s: aten.index_put(x, [m], s), (2, 3), mask(2), (3,)),
    case("a b, a b, e f -> a b", torch.masked_scatter, (2, 3), mask(2, 3), (5, 7)),
    case("b, a b, e f -> a b", torch.masked_scatter, (3,), mask(2, 3), (5, 7)),
    case("a b, c b -> a b", lambda x, s: torch.slice_scatter(x, s, 0, 1, 3), (5, 3), (2, 3)),
    case("a b, b -> a b", lambda x, s: torch.select_scatter(x, s, 0, 1), (5, 3), (3,)),
]  # fmt: skip

SELECTED = [
    case("a b -> a k, a k; selection b k", lambda x: x.topk(2), (3, 5)),
    case("a b -> k b, k b; selection a k", lambda x: x.topk(2, 0), (3, 5)),
    case("a b -> a b, a b; selection b", lambda x: x.topk(5), (3, 5)),
    case("a b -> a b, a b; selection b", torch.sort, (3, 5)),
    case("a b -> a b, a b; selection a", lambda x: torch.sort(x, dim=0, stable=True), (3, 5)),
    case("a b -> a, a; selection b", lambda x: x.kthvalue(2), (3, 5)),
    case("a b -> a 1, a 1; selection b", lambda x: x.kthvalue(2, -1, True), (3, 5)),
    case("a b -> a b; selection b", torch.argsort, (3, 5)),
]

MORE = [
    case("a b, n -> n; index a b", torch.take, (2, 3), ints(5)),
    case("a b, n, m -> a b; index a b", torch.put, (2, 3), ints(5), (5,)),
    case("a b, *b -> n; input n", torch.masked_select, (2, 3), mask(3)),
    case("n, a b -> a b; index n", torch.searchsorted, (5,), (2, 3)),
    case("a n, a b -> a b; index n", torch.searchsorted, (2, 5), (2, 3)),
    case("n -> ; index n", lambda row: torch.searchsorted(row, 0.5), (5,)),
    case("a b, n -> a b; index n", torch.bucketize, (2, 3), (5,)),
    case("b c -> b k; selection c k", lambda x: torch.multinomial(x, 2), (3, 5)),
    case("a b -> a b; selection a", torch.msort, (3, 5)),
    case("a b, n -> m b; input m", lambda x, n: torch.segment_reduce(x, "sum", lengths=n), (6, 3), torch.tensor([2, 4])),
    case("a b, n -> n b; index a", lambda x, i: aten._unsafe_index(x, [i]), (2, 3), ints(5)),
    case("a b, n b, n -> n b; index a", lambda x, m, i: aten._unsafe_masked_index(x, m, [i, None], 0), (2, 3), mask(5, 3), ints(5)),
    case("a b, n, m b -> a b; index a", lambda x, i, s: aten._unsafe_index_put(x, [i], s), (2, 3), ints(5), (5, 3)),
    case("a b, n, m b -> a b; index a", lambda x, i, s: aten._index_put_impl(x, [i], s), (2, 3), ints(5), (5, 3)),
    case("a b, n, m b -> a b", lambda x, i, s: x.index_reduce(0, i, s, "mean"), (2, 3), ints(2), (2, 3)),
    case(
        "*v@ d, n, o -> o d, k, o, o; index v",
        aten._embedding_bag_forward_only, (7, 5), ints(6), torch.tensor([0, 2, 4]),
    ),
]  # fmt: skip

CASES = [*LOOKED_UP, *INDEXED, *WRITTEN, *SELECTED, *MORE]


@pytest.mark.parametrize("row", CASES, ids=str)
def test_indexing(row: Case) -> None:
    check(row)

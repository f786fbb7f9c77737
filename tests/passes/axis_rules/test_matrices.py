"""Linear algebra: which axes of a matrix must be as long as which."""
# ruff: noqa: FBT003 - torch's own signatures

import pytest
import torch

from tests.passes.axis_rules.notation import Case, case, check, kernel

aten = torch.ops.aten

SQUARE = [
    case("b n n -> b n n", call, (2, 3, 3))
    for call in (
        torch.inverse,
        torch.linalg.inv,
        torch.cholesky,
        torch.cholesky_inverse,
        torch.linalg.cholesky,
        torch.matrix_exp,
        aten.linalg_matrix_exp,
        lambda a: aten.matrix_power(a, 3),
        lambda a: aten.linalg_matrix_power(a, 3),
        lambda a: next(iter(torch.linalg.inv_ex(a))),
        lambda a: next(iter(torch.linalg.cholesky_ex(a))),
    )
]

REDUCED = [
    case("b n n -> b", torch.det, (2, 3, 3)),
    case("b n n -> b", torch.linalg.det, (2, 3, 3)),
    case("b n n -> b, b n n, b n", aten._linalg_det, (2, 3, 3)),
    case("b n n -> b", torch.logdet, (2, 3, 3)),
    case("b n n -> b, b", lambda a: tuple(torch.slogdet(a)), (2, 3, 3)),
    case("b n n -> b, b", lambda a: tuple(torch.linalg.slogdet(a)), (2, 3, 3)),
    case("b n n -> b, b, b n n, b n", aten._linalg_slogdet, (2, 3, 3)),
    case("a b -> ", torch.trace, (3, 5)),
    case("a b c -> a", torch.linalg.cond, (2, 3, 5)),
    case("a b c -> a", torch.linalg.matrix_rank, (2, 3, 5)),
    case("b n n -> b n", torch.linalg.eigvals, (2, 3, 3)),
    case("b n n -> b n", torch.linalg.eigvalsh, (2, 3, 3)),
    case("b n n -> b n, b n n", lambda a: tuple(torch.linalg.eigh(a)), (2, 3, 3)),
    case("b n n -> b n, b n n", aten._linalg_eigh, (2, 3, 3)),
    case("b n n -> b n, b n n", lambda a: tuple(torch.linalg.eig(a)), (2, 3, 3)),
    case("b m n -> b m", torch.linalg.svdvals, (2, 3, 5)),
]

FACTORS = [
    case("b m n -> b m n, b n n", lambda a: tuple(torch.linalg.qr(a)), (2, 5, 3)),
    case("b m n -> b m m, b m n", lambda a: tuple(torch.linalg.qr(a)), (2, 3, 5)),
    case(
        "b m n -> b m n, b n, b n n",
        lambda a: tuple(torch.linalg.svd(a, full_matrices=False)),
        (2, 5, 3),
    ),
    case("b m n -> b m m, b n, b n n", lambda a: tuple(torch.linalg.svd(a)), (2, 5, 3)),
    case("b m n -> b m n, b n, b n n", lambda a: aten._linalg_svd(a, False), (2, 5, 3)),
    case("b m n -> b n m", torch.linalg.pinv, (2, 5, 3)),
    case("b m n -> b n m", torch.pinverse, (2, 5, 3)),
    case("b m n -> b m n, b n", lambda a: tuple(torch.linalg.lu_factor(a)), (2, 5, 3)),
    case("b m n, b k -> b m n", torch.linalg.householder_product, (2, 5, 3), (2, 3)),
    case("b m n, b k -> b m n", torch.orgqr, (2, 5, 3), (2, 3)),
]

SOLVED = [
    case("b n n, b n k -> b n k", torch.linalg.solve, (2, 3, 3), (2, 3, 5)),
    case("n n, n -> n", torch.linalg.solve, (3, 3), (3,)),
    case("b n n, b n -> b n", torch.linalg.solve, (2, 3, 3), (2, 3)),
    case("n n, k n -> k n", lambda a, b: torch.linalg.solve(a, b, left=False), (3, 3), (5, 3)),
    case("n n, n k -> n k, ", lambda a, b: tuple(torch.linalg.solve_ex(a, b)), (3, 3), (3, 5)),
    case(
        "n n, n k -> n k",
        lambda a, b: torch.linalg.solve_triangular(a, b, upper=True),
        (3, 3),
        (3, 5),
    ),
    case(
        "n n, k n -> k n",
        lambda a, b: torch.linalg.solve_triangular(a, b, upper=True, left=False),
        (3, 3),
        (5, 3),
    ),
    case("n k, n n -> n k", torch.cholesky_solve, (3, 5), (3, 3)),
]

PRODUCTS = [
    case("a b, c d -> (a c) (b d)", torch.kron, (2, 3), (5, 7)),
    case("a b, d -> a (b d)", torch.kron, (2, 3), (7,)),
    case("a n, a n -> a n; parts n", torch.linalg.cross, (5, 3), (5, 3)),
    case("n a, n a -> n a; parts n", lambda x, y: torch.cross(x, y, dim=0), (3, 5), (3, 5)),
    kernel("a b -> a a", aten.cov.default, (3, 3), lambda x: (x,), (3, 5)),
    kernel("a b -> a a", aten.corrcoef.default, (3, 3), lambda x: (x,), (3, 5)),
    case("n i, m i -> n m", torch.inner, (3, 5), (7, 5)),
    case("b t i, *o i' -> b t o", torch.inner, (2, 3, 5), (7, 5)),
    case("n t i, *i' o -> n t o", lambda x, w: torch.tensordot(x, w, 1), (2, 3, 5), (5, 7)),
    case(
        "b h e, *h' o e' -> b o",
        lambda x, w: torch.tensordot(x, w, dims=([1, 2], [0, 2])), (2, 3, 5), (3, 7, 5),
    ),
    case("b t i, *i' o -> b t o", torch.linalg.matmul, (2, 3, 5), (5, 7)),
    case("n a, a b, b m -> n m", lambda *x: torch.linalg.multi_dot(x), (2, 3), (3, 5), (5, 7)),
    case("a, a b, b -> ", lambda *x: torch.linalg.multi_dot(x), (3,), (3, 5), (5,)),
    kernel("n a, a b, b m -> n m", aten.chain_matmul.default, (2, 7), lambda *x: (list(x),), (2, 3), (3, 5), (5, 7)),
    case("a i, a i -> a", torch.linalg.vecdot, (3, 5), (3, 5)),
    case("a i, *i' -> a", torch.linalg.vecdot, (3, 5), (5,)),
    case(", * -> ", torch.linalg.vecdot, (), ()),
    case("n, *o -> n o", torch.ger, (3,), (5,)),
    case("*n o, b n i, b i o -> n o", torch.addbmm, (3, 7), (2, 3, 5), (2, 5, 7)),
    case("*n, *n i', i -> n", torch.addmv, (3,), (3, 5), (5,)),
    case("n m, n, m -> n m", torch.addr, (3, 5), (3,), (5,)),
    case("*o, n i, *i' o -> n o", aten._addmm_activation, (7,), (3, 5), (5, 7)),
    kernel("n i, *i' o -> n o", aten._int_mm.default, (32, 24), lambda a, b: (a, b), (32, 16), (16, 24)),
    kernel("n i, *i' o -> n o", aten._scaled_mm.default, (32, 24), lambda a, b: (a, b, None, None), (32, 16), (16, 24)),
    kernel(
        "t i, *g i' o, h -> t o; selection g",
        aten._scaled_grouped_mm.default, (8, 24), lambda a, b, o: (a, b, None, None, o), (8, 16), (2, 16, 24), (2,),
    ),
    case("b n d, b m d -> b n m", lambda x, y: aten._cdist_forward(x, y, 2.0, None), (2, 3, 5), (2, 7, 5)),
    case("b n d, b m d -> b n m", aten._euclidean_dist, (2, 3, 5), (2, 7, 5)),
    case("n d -> m", torch.pdist, (3, 5)),
    case("n d -> m", aten._pdist_forward, (3, 5)),
    case("b d, b d -> b", torch.pairwise_distance, (3, 5), (3, 5)),
    case("b d, b d -> b 1", lambda x, y: torch.pairwise_distance(x, y, keepdim=True), (3, 5), (3, 5)),
    case("b t d, b t d -> b d", torch.cosine_similarity, (2, 3, 5), (2, 3, 5)),
    case("b 1 d, 1 m d -> b m", lambda x, y: torch.cosine_similarity(x, y, -1), (3, 1, 5), (1, 7, 5)),
    case(
        "t b i, *k' i' o, *o -> s b o; spatial k s",
        torch.conv_tbc, (11, 2, 5), (3, 5, 7), (7,),
    ),
]  # fmt: skip

CASES = [*SQUARE, *REDUCED, *FACTORS, *SOLVED, *PRODUCTS]


@pytest.mark.parametrize("row", CASES, ids=str)
def test_matrices(row: Case) -> None:
    check(row)

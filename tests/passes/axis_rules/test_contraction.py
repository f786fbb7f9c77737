"""Matrix products: what is joined, what is summed over, and which parameter dimensions those are."""

import pytest
import torch
from torch.nn import functional

from tests.passes.axis_rules.notation import Case, case, check

aten = torch.ops.aten


def half(*shape: int) -> torch.Tensor:
    return torch.zeros(shape, dtype=torch.bfloat16)


CASES = [
    case("b t i, *o i', *o -> b t o", functional.linear, (2, 3, 5), (7, 5), (7,)),
    case("i, *o i' -> o", functional.linear, (5,), (7, 5)),
    case("*o i', i -> o", torch.mv, (7, 5), (5,)),
    case("n i, *i' o -> n o", torch.mm, (3, 5), (5, 7)),
    case("*o i', i n -> o n", torch.mm, (7, 5), (5, 3)),
    case("n i, *o i' -> n o", lambda x, w: x @ w.t(), (3, 5), (7, 5)),
    case("b t e, b s e -> b t s", lambda q, k: torch.bmm(q, k.mT), (2, 3, 5), (2, 7, 5)),
    case("e n i, *e i' o -> e n o", torch.bmm, (2, 3, 5), (2, 5, 7)),
    case("i, *i' -> ", torch.dot, (5,), (5,)),
    case("i, i -> ", torch.vdot, (5,), (5,)),
    case("n, *o -> n o", torch.outer, (3,), (5,)),
    case("*o, n i, *i' o -> n o", torch.addmm, (7,), (3, 5), (5, 7)),
    case("*n o, n i, *i' o -> n o", torch.addmm, (3, 7), (3, 5), (5, 7)),
    case("b t s, b t e, b e s -> b t s", torch.baddbmm, (2, 3, 7), (2, 3, 5), (2, 5, 7)),
    case("1 1 s, b t e, b e s -> b t s", torch.baddbmm, (1, 1, 7), (2, 3, 5), (2, 5, 7)),
    case("b t i, *i' o -> b t o", torch.matmul, (2, 3, 5), (5, 7)),
    case("b t i, *i' -> b t", torch.matmul, (2, 3, 5), (5,)),
    case("*i', b i o -> b o", torch.matmul, (5,), (2, 5, 7)),
    case("b h t e, 1 h e s -> b h t s", torch.matmul, (2, 3, 5, 7), (1, 3, 7, 11)),
    case("b t i, *e i' o -> b e t o", lambda x, w: x[:, None] @ w, (2, 3, 5), (7, 5, 11)),
    case(
        "b t d, *d' h e -> b t h e",
        lambda x, w: torch.einsum("btd,dhe->bthe", x, w), (2, 3, 5), (5, 7, 11),
    ),
    case(
        "b t h e, *h' e' d -> b t d",
        lambda x, w: torch.einsum("bthe,hed->btd", x, w), (2, 3, 5, 7), (5, 7, 11),
    ),
    case("b t i, *o i' -> b t o", lambda x, w: torch.einsum("...i, oi -> ...o", x, w), (2, 3, 5), (7, 5)),
    case("a i, *i' b -> a b", lambda x, w: torch.einsum("ai,ib", x, w), (3, 5), (5, 7)),
    case("a b i, c i -> c a", lambda x, y: torch.einsum("abi,...i->...a", x, y), (3, 2, 5), (2, 5)),
    case("b i i -> b i", lambda x: torch.einsum("bii->bi", x), (2, 3, 3)),
    case(
        "b i, *o i' j', b j, *o -> b o",
        lambda x, w, z, c: functional.bilinear(x, z, w, c), (2, 3), (7, 3, 5), (2, 5), (7,),
    ),
    case(
        "t i, *g i' o, h -> t o; selection g",
        aten._grouped_mm,
        half(8, 16), half(2, 16, 24), torch.tensor([4, 8], dtype=torch.int32),
    ),
    case("b n d, b m d -> b n m", torch.cdist, (2, 3, 5), (2, 7, 5)),
]  # fmt: skip


@pytest.mark.parametrize("row", CASES, ids=str)
def test_contraction(row: Case) -> None:
    check(row)


PRODUCTS = [
    case("b t i, *o i' -> b t o", lambda x, w: (x[:, :, None] * w).sum(-1), (2, 3, 5), (7, 5)),
    case("b t i, *o i' -> b t o", lambda x, w: (x.unsqueeze(2) * w).sum((-1,)), (2, 3, 5), (7, 5)),
    case("b i, *i' -> b", lambda x, w: (x * w).sum(1), (2, 3), (3,)),
    case("b i, *i -> i", lambda x, w: (x * w).sum(0), (2, 3), (3,)),
    case("b i, *i -> b", lambda x, w: (x + w).sum(1), (2, 3), (3,)),
]


@pytest.mark.parametrize("row", PRODUCTS, ids=str)
def test_a_product_summed_is_a_contraction(row: Case) -> None:
    check(row)


CHAINS = [
    # a transposed, scaled or sliced weight is still that weight
    case("b i, *i' o -> b o", lambda x, w: functional.linear(x, w.t() * 0.5), (2, 3), (3, 5)),
    case("b i, *o i' -> b o", lambda x, w: x @ (w * 2 - 1).mT, (2, 3), (5, 3)),
    case("b i, *o i', *o -> b o", lambda x, v, g: functional.linear(x, v * g[:, None]), (2, 3), (5, 3), (5,)),
    # one weight after another: a rank between them, and both ends
    case("b i, *r i', *o r' -> b o", lambda x, a, c: functional.linear(x, c @ a), (2, 3), (5, 3), (7, 5)),
]  # fmt: skip


@pytest.mark.parametrize("row", CHAINS, ids=str)
def test_weights_are_followed(row: Case) -> None:
    check(row)

"""Fused attention, in either order of heads and length."""
# ruff: noqa: FBT003 - torch's own signatures

import pytest
import torch
from torch.nn import functional

from tests.passes.axis_rules.notation import Case, case, check

aten = torch.ops.aten

Q, K, V = (2, 3, 5, 7), (2, 3, 11, 7), (2, 3, 11, 13)


def meta(*shape: int) -> torch.Tensor:
    return torch.zeros(shape, device="meta")


FUNCTIONAL = [
    case("b h t e, b h s e, b h s v -> b h t v", functional.scaled_dot_product_attention, Q, K, V),
    case(
        "b h t e, b h s e, b h s v, *h t s -> b h t v",
        functional.scaled_dot_product_attention, Q, K, V, (3, 5, 11),
    ),
    case(
        "b (k g) t e, b k s e, b k s v -> b (k g) t v",
        lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, enable_gqa=True),
        (2, 6, 5, 7), K, V,
    ),
    case(
        "b g t e, b 1 s e, b 1 s v -> b g t v",
        lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, enable_gqa=True),
        (2, 6, 5, 7), (2, 1, 11, 7), (2, 1, 11, 13),
    ),
    case("t e, s e, s v -> t v", functional.scaled_dot_product_attention, (5, 7), (11, 7), (11, 13)),
    case("b t e, b s e, b s v -> b t v", functional.scaled_dot_product_attention, (2, 5, 7), (2, 11, 7), (2, 11, 13)),
    # queries of one row are repeated
    case("1 h t e, b h s e, b h s v -> b h t v", functional.scaled_dot_product_attention, (1, 3, 5, 7), K, V),
]  # fmt: skip

KERNELS = [
    case(
        "b h t e, b h s e, b h s v -> b h t v, b h t",
        lambda q, k, v: aten._scaled_dot_product_flash_attention_for_cpu(q, k, v),
        meta(*Q), meta(*K), meta(*K),
    ),
    case(
        "b h t e, b h s e, b h s v -> b h t v, b h t s",
        lambda q, k, v: aten._scaled_dot_product_attention_math(q, k, v), Q, K, V,
    ),
]  # fmt: skip

CASES = [*FUNCTIONAL, *KERNELS]


@pytest.mark.parametrize("row", CASES, ids=str)
def test_attention(row: Case) -> None:
    check(row)

"""Fused attention, in either order of heads and length."""

import pytest
import torch
from torch.nn import functional

from tests.passes.axis_rules.notation import Case, case, check, kernel

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
        aten._scaled_dot_product_flash_attention_for_cpu,
        meta(*Q), meta(*K), meta(*K),
    ),
    case(
        "b h t e, b h s e, b h s v -> b h t v, b h t s",
        aten._scaled_dot_product_attention_math, Q, K, V,
    ),
]  # fmt: skip

ELSEWHERE = [
    kernel(
        "b h t e, b h s e, b h s v -> b h t v, b h t",
        op, [(2, 3, 5, 13), (2, 3, 5)], lambda q, k, v, more=more: (q, k, v, *more), Q, K, V,
    )
    for op, more in (
        (aten._scaled_dot_product_flash_attention.default, ()),
        (aten._scaled_dot_product_efficient_attention.default, (None, True)),
        (aten._scaled_dot_product_cudnn_attention.default, (None, True)),
        (aten._scaled_dot_product_fused_attention_overrideable.default, ()),
        (aten._scaled_dot_product_attention_math_for_mps.default, ()),
        (aten._cudnn_attention_forward.default, (None, None, None, 5, 11, True)),
    )
] + [
    # sums of a length that is rounded up are of an axis of their own
    kernel(
        "b h t e, b h s e, b h s v, h t s -> b h t v, b h u",
        aten._scaled_dot_product_efficient_attention.default, [(2, 3, 5, 13), (2, 3, 32)],
        lambda q, k, v, bias: (q, k, v, bias, True), Q, K, V, (3, 5, 11),
    ),
    kernel(
        "b t h e, b s h e, b s h v -> b t h v, b h t",
        aten._flash_attention_forward.default, [(2, 5, 3, 13), (2, 3, 5)],
        lambda q, k, v: (q, k, v, None, None, 5, 11, 0.0, False, False),
        (2, 5, 3, 7), (2, 11, 3, 7), (2, 11, 3, 13),
    ),
    # sequences put end to end
    kernel(
        "t (k g) e, s k e, s k v -> t (k g) v, (k g) t",
        aten._flash_attention_forward.default, [(10, 6, 13), (6, 10)],
        lambda q, k, v: (q, k, v, None, None, 5, 11, 0.0, False, False),
        (10, 6, 7), (22, 3, 7), (22, 3, 13),
    ),
    kernel(
        "b t h e, b s h e, b s h v -> b t h v, b h t",
        aten._efficient_attention_forward.default, [(2, 5, 3, 13), (2, 3, 5)],
        lambda q, k, v: (q, k, v, None, None, None, 5, 11, 0.0, 0),
        (2, 5, 3, 7), (2, 11, 3, 7), (2, 11, 3, 13),
    ),
]  # fmt: skip

CASES = [*FUNCTIONAL, *KERNELS, *ELSEWHERE]


@pytest.mark.parametrize("row", CASES, ids=str)
def test_attention(row: Case) -> None:
    check(row)

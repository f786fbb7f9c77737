"""Gradients of single ops: each has the axes of what it belongs to."""
# ruff: noqa: FBT003 - torch's own signatures

from typing import Any

import pytest
import torch

from tests.passes.axis_rules.notation import Case, case, check, ints, kernel

aten = torch.ops.aten
Q, K, V = (2, 3, 5, 7), (2, 3, 11, 7), (2, 3, 11, 13)
BATCH, CUBE = (2, 3, 8, 12), (2, 3, 4, 6, 8)


def indices(*shape: int) -> torch.Tensor:
    return torch.zeros(shape, dtype=torch.int64)


POOLS = [
    case("b c y x, b c h w -> b c h w", aten._adaptive_avg_pool2d_backward, (2, 3, 4, 6), BATCH),
    case("b c z y x, b c d h w -> b c d h w", aten._adaptive_avg_pool3d_backward, (2, 3, 2, 3, 4), CUBE),
    case("b c y x, b c h w, b c y x -> b c h w", aten.adaptive_max_pool2d_backward, (2, 3, 4, 6), BATCH, indices(2, 3, 4, 6)),
    case(
        "b c z y x, b c d h w, b c z y x -> b c d h w",
        aten.adaptive_max_pool3d_backward, (2, 3, 2, 3, 4), CUBE, indices(2, 3, 2, 3, 4),
    ),
    case(
        "b c y x, b c h w -> b c h w",
        lambda g, x: aten.avg_pool2d_backward(g, x, [2, 2], [2, 2], [0, 0], False, True, None), (2, 3, 4, 6), BATCH,
    ),
    case(
        "b c z y x, b c d h w -> b c d h w",
        lambda g, x: aten.avg_pool3d_backward(g, x, [2] * 3, [2] * 3, [0] * 3, False, True, None), (2, 3, 2, 3, 4), CUBE,
    ),
    case(
        "b c y x, b c h w, b c y x -> b c h w",
        lambda g, x, i: aten.max_pool2d_with_indices_backward(g, x, [2, 2], [2, 2], [0, 0], [1, 1], False, i),
        (2, 3, 4, 6), BATCH, indices(2, 3, 4, 6),
    ),
    kernel(
        "b c z y x, b c d h w, b c z y x -> b c d h w",
        aten.max_pool3d_with_indices_backward.default, CUBE,
        lambda g, x, i: (g, x, [2] * 3, [2] * 3, [0] * 3, [1] * 3, False, i),
        (2, 3, 2, 3, 4), CUBE, indices(2, 3, 2, 3, 4),
    ),
]  # fmt: skip

PADS = [
    case("a b d, a b c -> a b c", lambda g, x: aten.reflection_pad1d_backward(g, x, [1, 1]), (2, 3, 7), (2, 3, 5)),
    case("a b e f, a b c d -> a b c d", lambda g, x: aten.reflection_pad2d_backward(g, x, [1] * 4), (2, 3, 7, 9), (2, 3, 5, 7)),
    kernel(
        "a b f g h, a b c d e -> a b c d e",
        aten.reflection_pad3d_backward.default, (2, 3, 5, 7, 4), lambda g, x: (g, x, [1] * 6), (2, 3, 7, 9, 6), (2, 3, 5, 7, 4),
    ),
    case("a b d, a b c -> a b c", lambda g, x: aten.replication_pad1d_backward(g, x, [1, 1]), (2, 3, 7), (2, 3, 5)),
    case("a b e f, a b c d -> a b c d", lambda g, x: aten.replication_pad2d_backward(g, x, [1] * 4), (2, 3, 7, 9), (2, 3, 5, 7)),
    case("a b f g h, a b c d e -> a b c d e", lambda g, x: aten.replication_pad3d_backward(g, x, [1] * 6), (2, 3, 7, 9, 6), (2, 3, 5, 7, 4)),
    case("a b -> a c", lambda g: aten.slice_backward(g, [2, 9], 1, 2, 5, 1), (2, 3)),
    case("a b -> a n b; parts n", lambda g: aten.select_backward(g, [2, 9, 3], 1, 4), (2, 3)),
    case("b c y -> b c h", lambda g: aten.upsample_nearest1d_backward(g, [10], [2, 3, 5]), (2, 3, 10)),
    case("b c y x -> b c h w", lambda g: aten.upsample_nearest2d_backward(g, [10, 14], [2, 3, 5, 7]), (2, 3, 10, 14)),
    case(
        "b c z y x -> b c d h w",
        lambda g: aten.upsample_nearest3d_backward(g, [10, 14, 8], [2, 3, 5, 7, 4]), (2, 3, 10, 14, 8),
    ),
    kernel("b c y -> b c h", aten.upsample_linear1d_backward.default, (2, 3, 5), lambda g: (g, [10], [2, 3, 5], False), (2, 3, 10)),
    case("b c y x -> b c h w", lambda g: aten.upsample_bilinear2d_backward(g, [10, 14], [2, 3, 5, 7], False), (2, 3, 10, 14)),
    kernel("b c y x -> b c h w", aten.upsample_bicubic2d_backward.default, (2, 3, 5, 7), lambda g: (g, [10, 14], [2, 3, 5, 7], False), (2, 3, 10, 14)),
    kernel(
        "b c z y x -> b c d h w",
        aten.upsample_trilinear3d_backward.default, (2, 3, 5, 7, 4), lambda g: (g, [10, 14, 8], [2, 3, 5, 7, 4], False), (2, 3, 10, 14, 8),
    ),
]  # fmt: skip

NORMS = [
    case(
        "b t d, b t d, b t 1, b t 1, *d, *d -> b t d, d, d",
        lambda g, x, m, r, w, c: aten.native_layer_norm_backward(g, x, [5], m, r, w, c, [True] * 3),
        (2, 3, 5), (2, 3, 5), (2, 3, 1), (2, 3, 1), (5,), (5,),
    ),
    # what is not asked for is none
    kernel(
        "b t d, b t d, b t 1, b t 1 -> b t d",
        aten.native_layer_norm_backward.default, [(2, 3, 5)],
        lambda g, x, m, r: (g, x, [5], m, r, None, None, [True, False, False]), (2, 3, 5), (2, 3, 5), (2, 3, 1), (2, 3, 1),
    ),
    case(
        "b t d, b t d, b t 1, *d -> b t d, d",
        lambda g, x, r, w: aten._fused_rms_norm_backward(g, x, [5], r, w, [True, True]), (2, 3, 5), (2, 3, 5), (2, 3, 1), (5,),
    ),
    case(
        "b c h w, b c h w, *c, c, c -> b c h w, c, c",
        lambda g, x, w, m, v: aten.native_batch_norm_backward(g, x, w, m, v, m, v, True, 1e-5, [True] * 3),
        (2, 3, 5, 7), (2, 3, 5, 7), (3,), (3,), (3,),
    ),
    case(
        "b c h w, b c h w, b g, b k, *c -> b c h w, c, c",
        lambda g, x, m, r, w: aten.native_group_norm_backward(g, x, m, r, w, 2, 6, 35, 3, [True] * 3),
        (2, 6, 5, 7), (2, 6, 5, 7), (2, 3), (2, 3), (6,),
    ),
    case(
        "*o i, *o i, *o 1, o 1 -> o i, o 1",
        lambda w, v, g, n: aten._weight_norm_interface_backward(w, v, g, n, 0), (5, 3), (5, 3), (5, 1), (5, 1),
    ),
]  # fmt: skip

PRODUCTS = [
    case(
        "b o h w, b i y x, *o' i k' l' -> b i y x, o i k l, o",
        lambda g, x, w: aten.convolution_backward(g, x, w, [7], [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [True] * 3),
        (2, 7, 4, 6), (2, 5, 6, 8), (7, 5, 3, 3),
    ),
    case(
        "b n d, b m d, b n m, b n m -> b n d",
        lambda x, y, g, c: aten._cdist_backward(g, x, y, 2.0, c), (2, 3, 5), (2, 7, 5), (2, 3, 7), (2, 3, 7),
    ),
    kernel("m, n d, m -> n d", aten._pdist_backward.default, (3, 5), lambda g, x, p: (g, x, 2.0, p), (3,), (3, 5), (3,)),
    case("b t d, b t -> n d; index n", lambda g, i: aten.embedding_dense_backward(g, i, 11, -1, False), (2, 3, 5), ints(2, 3)),
    kernel(
        "b t d, b t -> n d; index n",
        aten.embedding_backward.default, (11, 5), lambda g, i: (g, i, 11, -1, False, False), (2, 3, 5), ints(2, 3),
    ),
]  # fmt: skip


def attention(op: Any, more: tuple[Any, ...]) -> Case:
    return kernel(
        "b h t v, b h t e, b h s e, b h s v -> b h t e, b h s e, b h s v",
        op, [Q, K, V], lambda g, q, k, v: (g, q, k, v, *more), (2, 3, 5, 13), Q, K, V,
    )  # fmt: skip


ATTENTION = [
    attention(aten._scaled_dot_product_flash_attention_for_cpu_backward.default, (None, None, 0.0, False)),
    attention(aten._scaled_dot_product_flash_attention_backward.default, (None, None, None, None, 5, 11, 0.0, False, None, None)),
    attention(aten._scaled_dot_product_cudnn_attention_backward.default, (None,) * 8),
    kernel(
        "b h t v, b h t e, b h s e, b h s v, b h t s -> b h t e, b h s e, b h s v, b h t s",
        aten._scaled_dot_product_efficient_attention_backward.default, [Q, K, V, (2, 3, 5, 11)],
        lambda g, q, k, v, bias: (g, q, k, v, bias, None, None, None, None, 0.0, [True] * 4),
        (2, 3, 5, 13), Q, K, V, (2, 3, 5, 11),
    ),
]  # fmt: skip

POINTWISE = [
    case("a b, a b -> a b", call, (2, 3), (2, 3))
    for call in (
        lambda g, x: aten.elu_backward(g, 1.0, 1.0, 1.0, False, x),
        lambda g, x: aten.hardshrink_backward(g, x, 0.5),
        aten.hardsigmoid_backward,
        aten.hardswish_backward,
        lambda g, x: aten.hardtanh_backward(g, x, -1.0, 1.0),
        lambda g, x: aten.leaky_relu_backward(g, x, 0.1, False),
        lambda g, x: aten.log_sigmoid_backward(g, x, x),
        aten.mish_backward,
        lambda g, x: aten.softplus_backward(g, x, 1.0, 20.0),
        lambda g, x: aten.softshrink_backward(g, x, 0.5),
        aten.gelu_backward,
        lambda g, x: aten._softmax_backward_data(g, x, 1, torch.float32),
        lambda g, x: aten._log_softmax_backward_data(g, x, 1, torch.float32),
        lambda g, x: aten.mse_loss_backward(g, x, x, 0),
    )
] + [
    case("a b, a b, a b -> a b, a b", aten._prelu_kernel_backward, (2, 3), (2, 3), (2, 3)),
    case("a b, a c -> a c", lambda g, x: aten.glu_backward(g, x, 1), (2, 3), (2, 6)),
    case(
        "b c y x, b c h w, b y x n -> b c h w, b y x n",
        lambda g, x, p: aten.grid_sampler_2d_backward(g, x, p, 0, 0, False, [True, True]), (2, 3, 4, 6), BATCH, (2, 4, 6, 2),
    ),
    case("b, b c, b -> b c", lambda g, x, t: aten.nll_loss_backward(g, x, t, None, 0, -100, g.sum()), (5,), (5, 3), ints(5)),
    case(
        "b h w, b c h w, b h w -> b c h w",
        lambda g, x, t: aten.nll_loss2d_backward(g, x, t, None, 0, -100, g.sum()), (2, 5, 7), (2, 3, 5, 7), ints(2, 5, 7),
    ),
]  # fmt: skip

CASES = [*POOLS, *PADS, *NORMS, *PRODUCTS, *ATTENTION, *POINTWISE]


@pytest.mark.parametrize("row", CASES, ids=str)
def test_gradients(row: Case) -> None:
    check(row)

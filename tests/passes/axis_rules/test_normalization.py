"""Norms: gains and biases lie along what is normalised."""
# ruff: noqa: FBT003 - torch's own signatures

import pytest
import torch
from torch.nn import functional

from tests.passes.axis_rules.notation import Case, case, check, kernel

aten = torch.ops.aten

CASES = [
    case(
        "b t d, *d, *d -> b t d",
        lambda x, w, c: functional.layer_norm(x, (5,), w, c), (2, 3, 5), (5,), (5,),
    ),
    case(
        "b t d, *t d -> b t d",
        lambda x, w: functional.layer_norm(x, (3, 5), w), (2, 3, 5), (3, 5),
    ),
    case("b t d -> b t d", lambda x: functional.layer_norm(x, (5,)), (2, 3, 5)),
    case("b t d, *d -> b t d", lambda x, w: functional.rms_norm(x, (5,), w), (2, 3, 5), (5,)),
    case(
        "b t d, *d -> b t d, b t 1",
        lambda x, w: aten._fused_rms_norm(x, [5], w, 1e-5), (2, 3, 5), (5,),
    ),
    case(
        "b c h w, *c, *c, c, c -> b c h w",
        lambda x, w, c, m, v: functional.batch_norm(x, m, v, w, c), (2, 3, 5, 7), (3,), (3,), (3,), (3,),
    ),
    case("b c, *c -> b c", lambda x, w: functional.batch_norm(x, None, None, w, training=True), (2, 3), (3,)),
    case(
        "b c h w, *c, *c -> b c h w",
        lambda x, w, c: functional.group_norm(x, 2, w, c), (2, 6, 5, 7), (6,), (6,),
    ),
    case(
        "b c h w, *c -> b c h w",
        lambda x, w: functional.instance_norm(x, weight=w), (2, 3, 5, 7), (3,),
    ),
    case(
        "b c h w, *c, *c, c, c -> b c h w, c, c",
        lambda x, w, c, m, v: aten._native_batch_norm_legit(x, w, c, m, v, True, 0.1, 1e-5),
        (2, 3, 5, 7), (3,), (3,), (3,), (3,),
    ),
    case(
        "b c h w, *c, *c, c, c -> b c h w, c, c",
        lambda x, w, c, m, v: aten.native_batch_norm(x, w, c, m, v, True, 0.1, 1e-5),
        (2, 3, 5, 7), (3,), (3,), (3,), (3,),
    ),
    case(
        "b c h w, *c, *c, c, c -> b c h w, r, s",
        lambda x, w, c, m, v: aten._native_batch_norm_legit_no_training(x, w, c, m, v, 0.1, 1e-5),
        (2, 3, 5, 7), (3,), (3,), (3,), (3,),
    ),
    case(
        "b c h w, *c, *c, c, c -> b c h w",
        lambda x, w, c, m, v: aten._batch_norm_impl_index(x, w, c, m, v, True, 0.1, 1e-5, False)[0],
        (2, 3, 5, 7), (3,), (3,), (3,), (3,),
    ),
    case(
        "b c h w, *c, *c -> b c h w, b d, b e",
        lambda x, w, c: aten.native_group_norm(x, w, c, 2, 6, 35, 2, 1e-5), (2, 6, 5, 7), (6,), (6,),
    ),
    case(
        "b i, *o i', *o 1 -> b o",
        lambda x, v, g: functional.linear(x, torch._weight_norm(v, g, 0)), (2, 3), (5, 3), (5, 1),
    ),
    case(
        "b i, *o i', *o 1 -> b o",
        lambda x, v, g: functional.linear(x, aten._weight_norm_interface(v, g, 0)[0]),
        (2, 3), (5, 3), (5, 1),
    ),
    case(
        "b t d, *d, *d -> b t d, b t 1, b t 1",
        lambda x, w, c: aten.native_layer_norm(x, [5], w, c, 1e-5), (2, 3, 5), (5,), (5,),
    ),
    case(
        "b c h w, *c, *c -> b c h w, c, c",
        lambda x, w, c: aten._native_batch_norm_legit.no_stats(x, w, c, True, 0.1, 1e-5),
        (2, 3, 5, 7), (3,), (3,),
    ),
    case(
        "b c h w, *c, *c, c, c -> b c h w, c, c, c, c",
        lambda x, w, c, m, v: aten._native_batch_norm_legit_functional(x, w, c, m, v, True, 0.1, 1e-5),
        (2, 3, 5, 7), (3,), (3,), (3,), (3,),
    ),
    case(
        "b c h w, *c, *c, c, c -> b c h w, c, c, r",
        lambda x, w, c, m, v: aten._batch_norm_with_update(x, w, c, m, v, 0.1, 1e-5),
        (2, 3, 5, 7), (3,), (3,), (3,), (3,),
    ),
    case(
        "b c h w, *c, *c, c, c -> b c h w, c, c, r, c, c",
        lambda x, w, c, m, v: aten._batch_norm_with_update_functional(x, w, c, m, v, 0.1, 1e-5),
        (2, 3, 5, 7), (3,), (3,), (3,), (3,),
    ),
    # without statistics there is none
    case(
        "b c h w, *c, *c, c, c -> b c h w, r, s, u",
        lambda x, w, c, m, v: aten._batch_norm_no_update(x, w, c, m, v, 0.1, 1e-5),
        (2, 3, 5, 7), (3,), (3,), (3,), (3,),
    ),
    kernel(
        "b c h w, *c, *c, c, c -> b c h w, c, c, r",
        aten.cudnn_batch_norm.default, [(2, 3, 5, 7), (3,), (3,), (0,)],
        lambda x, w, c, m, v: (x, w, c, m, v, True, 0.1, 1e-5), (2, 3, 5, 7), (3,), (3,), (3,), (3,),
    ),
    kernel(
        "b c h w, *c, *c, c, c -> b c h w, c, c",
        aten.miopen_batch_norm.default, [(2, 3, 5, 7), (3,), (3,)],
        lambda x, w, c, m, v: (x, w, c, m, v, True, 0.1, 1e-5), (2, 3, 5, 7), (3,), (3,), (3,), (3,),
    ),
    case("*o i -> o 1", aten.norm_except_dim, (5, 3)),
    case("*o i -> 1 i", lambda v: aten.norm_except_dim(v, 2, 1), (5, 3)),
    case("*o i -> ", lambda v: aten.norm_except_dim(v, 2, -1), (5, 3)),
]  # fmt: skip


@pytest.mark.parametrize("row", CASES, ids=str)
def test_normalization(row: Case) -> None:
    check(row)

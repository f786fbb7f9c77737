"""Views: how axes are regrouped, moved, repeated, cut and put together."""
# ruff: noqa: FBT003 - torch's own signatures

import pytest
import torch
from torch.nn import functional

from tests.passes.axis_rules.notation import Case, case, check, kernel

aten = torch.ops.aten

GROUPING = [
    case("b t (h d) -> b h t d", lambda x: x.view(2, 3, 5, 7).transpose(1, 2), (2, 3, 35)),
    case("b t h d -> b t (h d)", lambda x: x.reshape(2, 3, 35), (2, 3, 5, 7)),
    case("b t d -> (b t) d", lambda x: x.view(-1, 7), (2, 3, 7)),
    case("b t d -> (b t d)", torch.flatten, (2, 3, 5)),
    case("b (h d) -> b h d", lambda x: aten.unflatten.int(x, 1, [3, 5]), (2, 15)),
    case("(n a) (b m) -> n (a b) m", lambda x: x.view(2, 15, 7), (6, 35)),
    case("a -> 1 a 1", lambda x: x.view(1, 3, 1), (3,)),
    case("(a b), a b -> a b", lambda x, y: aten.view_as(x, y) + y, (6,), (2, 3)),
    case("(a b), a b -> a b", lambda x, y: aten.reshape_as(x, y) + y, (6,), (2, 3)),
    case("a b -> (a b)", lambda x: aten._unsafe_view(x, [6]), (2, 3)),
    # 6 into 4 and 9 has no common boundary: nothing is joined
    case("a b -> c d", lambda x: x.reshape(4, 9), (6, 6)),
]

MOVES = [
    case("a b c -> c a b", lambda x: x.permute(2, 0, 1), (2, 3, 5)),
    case("a b c -> c b a", lambda x: x.permute(-1, -2, -3), (2, 3, 5)),
    case("a b c -> a c b", lambda x: x.transpose(-1, -2), (2, 3, 5)),
    case("a b c -> c b a", lambda x: aten.swapaxes(x, 0, 2), (2, 3, 5)),
    case("a b c -> b a c", lambda x: aten.swapdims(x, 0, 1), (2, 3, 5)),
    case("a b -> b a", torch.t, (2, 3)),
    case("a -> a", torch.t, (2,)),
    case("a b c -> c b a", aten.numpy_T, (2, 3, 5)),
    case("a b c -> a c b", aten.mT, (2, 3, 5)),
    case("a b c -> a c b", aten.adjoint, (2, 3, 5)),
    case("a b -> b a", aten.matrix_H, (2, 3)),
    case("a b c d -> c a b d", lambda x: aten.movedim.int(x, 2, 0), (2, 3, 5, 7)),
    case("a b c d -> c d a b", lambda x: aten.movedim.intlist(x, [2, 3], [0, 1]), (2, 3, 5, 7)),
    case("a b c d -> b c d a", lambda x: aten.movedim.int(x, 0, -1), (2, 3, 5, 7)),
    case("a b -> a 1 b", lambda x: x[:, None], (2, 3)),
    case("a b -> a b 1", lambda x: x.unsqueeze(-1), (2, 3)),
    case("a 1 b 1 -> a b", torch.squeeze, (2, 1, 3, 1)),
    case("a 1 b 1 -> a 1 b", lambda x: x.squeeze(-1), (2, 1, 3, 1)),
    case("a 1 b 1 -> a b 1", lambda x: x.squeeze((0, 1)), (2, 1, 3, 1)),
    case("a b c -> b a", lambda x: torch.diagonal(x, dim1=0, dim2=2), (3, 2, 3)),
    # another diagonal has fewer entries than the axis
    case("a b -> c", lambda x: torch.diagonal(x, offset=2), (3, 4)),
    case("a b p -> a b; parts p", torch.view_as_complex, (3, 5, 2)),
    case("a b -> a b p; parts p", torch.view_as_real, torch.zeros(3, 5, dtype=torch.complex64)),
]

REPEATS = [
    case("a 1 -> a b", lambda x: x.expand(2, 3), (2, 1)),
    case("a -> b a", lambda x: x.expand(3, -1), (2,)),
    case("1 a, b a -> b a", lambda x, y: aten.expand_as(x, y) + y, (1, 3), (2, 3)),
    case("a -> b a", lambda x: aten.broadcast_to(x, [3, 2]), (2,)),
    case("a b -> (n a) b", lambda x: x.repeat(3, 1), (2, 5)),
    case("a -> n (m a)", lambda x: x.repeat(3, 7), (2,)),
    case("a b -> a (b n)", lambda x: x.repeat_interleave(3, 1), (2, 5)),
    case("a b -> (a n) b", lambda x: x.repeat_interleave(3, dim=-2), (2, 5)),
    case("a b -> c", lambda x: x.repeat_interleave(3), (2, 5)),
]

PARTS = [
    case("a b -> a; parts b", lambda x: x[:, 1], (2, 3)),
    case("a b -> a b", lambda x: x[:, 0:3], (2, 3)),
    case("a b -> a c", lambda x: x[:, 0:2], (2, 3)),
    case("a b -> a c", lambda x: x[:, -2:], (2, 3)),
    case("a (h d) -> a (k d)", lambda x: x.view(2, 6, 5).flatten(1)[:, 5:15], (2, 30)),
    case("(n p) -> n; parts p", lambda x: x[::2], (6,)),
    case("a b -> a c", lambda x: aten.narrow(x, 1, 1, 2), (2, 5)),
    case("a b -> a b", lambda x: aten.narrow(x, 1, 0, 5), (2, 5)),
    case("a b -> a c", lambda x: aten.narrow(x, 1, 4, 4), (2, 12)),
    case("a (n b) -> a b, a b, a b; parts n", lambda x: x.chunk(3, -1), (2, 15)),
    case("a (n b) -> a b, a b; parts n", lambda x: x.split(5, 1), (2, 10)),
    case("a b -> a c, a d", lambda x: aten.split.sizes(x, [4, 6], 1), (2, 10)),
    case("a b -> a c, a d", lambda x: aten.split_with_sizes(x, [4, 6], 1), (2, 10)),
    case("a b -> a c, a d", lambda x: x.split(7, -1), (2, 10)),
    # listed one by one, they are equal by accident
    case("a b -> a c, a d", lambda x: aten.split_with_sizes(x, [5, 5], 1), (2, 10)),
    case("a b -> a c, a d", lambda x: aten.split.sizes(x, [5, 5], 1), (2, 10)),
    case("a b -> a c, a d", lambda x: aten.tensor_split.indices(x, [5], 1), (2, 10)),
    case("a (n b) -> a b, a b; parts n", lambda x: x.tensor_split(2, 1), (2, 10)),
    case("a b -> a c, a d", lambda x: aten.tensor_split.indices(x, [4], 1), (2, 10)),
    case("a b c -> a c, a c; parts b", lambda x: x.unbind(1), (3, 2, 5)),
    case("a b, a c -> a d", lambda x, y: torch.cat([x, y], 1), (2, 3), (2, 5)),
    case("a b, c b -> d b", lambda x, y: torch.concat([x, y]), (2, 3), (2, 3)),
    case("a b, a b -> a n b; parts n", lambda x, y: torch.stack([x, y], 1), (5, 3), (5, 3)),
    case("a b, a b -> a b n; parts n", lambda x, y: torch.stack([x, y], -1), (5, 3), (5, 3)),
    case("a (n b) -> a b; parts n", functional.glu, (2, 10)),
    case("(n a) b -> a b; parts n", lambda x: functional.glu(x, 0), (6, 5)),
    case("a b -> a c", lambda x: functional.pad(x, (1, 1)), (2, 3)),
    case("a b -> c b", lambda x: aten.constant_pad_nd(x, [0, 0, 1, 2]), (2, 3)),
    case("a b c -> a b d", lambda x: aten.pad(x, [1, 1], "reflect"), (2, 3, 5)),
    # what is cut out of a whole is what was put in
    case("a b, a c -> a c", lambda x, y: torch.cat([x, y], 1)[:, 3:], (2, 3), (2, 5)),
    case("a b, a c -> a b, a c", lambda x, y: aten.split.sizes(torch.cat([x, y], 1), [3, 5], 1), (2, 3), (2, 5)),
    # nothing put together with something is that something
    case("a z, a b -> a b", lambda x, y: torch.cat([x, y], 1), (2, 0), (2, 3)),
]  # fmt: skip

SPACE = [
    case(
        "b (c n r) h w -> b c (h n) (w r); spatial n r",
        lambda x: functional.pixel_shuffle(x, 2), (2, 12, 3, 5),
    ),
    case("b c h w -> b c y x; spatial y x", lambda x: functional.max_pool2d(x, 2), (2, 3, 8, 12)),
    case("b c h w -> b c y w; spatial y", lambda x: functional.avg_pool2d(x, (2, 1)), (2, 3, 8, 5)),
    case("b c h -> b c y; spatial y", lambda x: functional.max_pool1d(x, 2), (2, 3, 8)),
    case("b c h -> b c y; spatial y", lambda x: functional.avg_pool1d(x, 2), (2, 3, 8)),
    case("b c h w d -> b c y x z; spatial y x z", lambda x: functional.max_pool3d(x, 2), (2, 3, 4, 6, 8)),
    case("b c h w d -> b c y x z; spatial y x z", lambda x: functional.avg_pool3d(x, 2), (2, 3, 4, 6, 8)),
    case("b c h -> b c 1", lambda x: functional.adaptive_avg_pool1d(x, 1), (2, 3, 5)),
    case("b c h w -> b c 1 1", lambda x: functional.adaptive_avg_pool2d(x, 1), (2, 3, 5, 7)),
    case("b c h w -> b c y x; spatial y x", lambda x: aten._adaptive_avg_pool2d(x, [2, 3]), (2, 3, 5, 7)),
    case("b c h w d -> b c 1 1 1", lambda x: functional.adaptive_avg_pool3d(x, 1), (2, 3, 5, 7, 11)),
    case("b c h w -> b c y x, b c y x; spatial y x", lambda x: aten.adaptive_max_pool2d(x, [2, 4]), (2, 3, 5, 7)),
    case("b c h -> b c y, b c y; spatial y", lambda x: aten.adaptive_max_pool1d(x, [2]), (2, 3, 5)),
    case(
        "b c h w -> b c y x, b c y x; spatial y x",
        lambda x: aten.max_pool2d_with_indices(x, [2, 2], [2, 2]), (2, 3, 8, 12),
    ),
    case("b c h -> b c y; spatial y", lambda x: aten.upsample_nearest1d(x, [11]), (2, 3, 5)),
    case("b c h w -> b c y x; spatial y x", lambda x: aten.upsample_nearest2d(x, [11, 13]), (2, 3, 5, 7)),
    case(
        "b c h w d -> b c y x z; spatial y x z",
        lambda x: aten.upsample_nearest3d(x, [11, 13, 17]), (2, 3, 5, 7, 4),
    ),
    case("b c h w -> b c y x; spatial y x", lambda x: aten.upsample_bilinear2d(x, [11, 13], False), (2, 3, 5, 7)),
    case("b c h w -> b c y x; spatial y x", lambda x: aten.upsample_bicubic2d(x, [11, 13], False), (2, 3, 5, 7)),
    case("b c h -> b c y; spatial y", lambda x: aten.upsample_linear1d(x, [11], False), (2, 3, 5)),
    case(
        "b c h w d -> b c y x z; spatial y x z",
        lambda x: aten.upsample_trilinear3d(x, [11, 13, 17], False), (2, 3, 5, 7, 4),
    ),
    case("b c h w -> b c y x; spatial y x", lambda x: aten._upsample_bilinear2d_aa(x, [11, 13], False), (2, 3, 5, 7)),
    case("b c h w -> b c y x; spatial y x", lambda x: aten._upsample_bicubic2d_aa(x, [11, 13], False), (2, 3, 5, 7)),
    case("b c h w -> b c y x; spatial y x", lambda x: aten._upsample_nearest_exact2d(x, [11, 13]), (2, 3, 5, 7)),
    case("b t d -> b n d w; spatial n w", lambda x: x.unfold(1, 4, 2), (2, 10, 3)),
    case("b c (h n) (w r) -> b (c n r) h w; spatial n r", lambda x: functional.pixel_unshuffle(x, 2), (2, 3, 6, 10)),
    case("b (g c) h -> b (c g) h", lambda x: functional.channel_shuffle(x, 3), (2, 15, 7)),
    case("b (g c) h -> b (c g) h", lambda x: aten.native_channel_shuffle(x, 3), (2, 15, 7)),
    case("b c h w -> b (c k) n; spatial k n", lambda x: functional.unfold(x, (2, 3)), (2, 5, 7, 11)),
    case("b (c k) n -> b c h w; spatial k h w", lambda x: functional.fold(x, (7, 11), (2, 3)), (2, 30, 54)),
    case(
        "b c h w, b y x n -> b c y x; spatial h w; parts n",
        lambda x, p: functional.grid_sample(x, p, align_corners=False), (2, 3, 5, 7), (2, 11, 13, 2),
    ),
    case(
        "b c h w, b y x n -> b c y x; spatial h w; parts n",
        lambda x, p: aten.grid_sampler_2d(x, p, 0, 0, False), (2, 3, 5, 7), (2, 11, 13, 2),
    ),
    kernel(
        "b c h w, b y x n -> b c y x; spatial h w; parts n",
        aten._grid_sampler_2d_cpu_fallback.default, (2, 3, 11, 13),
        lambda x, p: (x, p, 0, 0, False), (2, 3, 5, 7), (2, 11, 13, 2),
    ),
    kernel(
        "b c d h w, b z y x n -> b c z y x; spatial d h w; parts n",
        aten.grid_sampler_3d.default, (2, 3, 4, 11, 13),
        lambda x, p: (x, p, 0, 0, False), (2, 3, 5, 7, 9), (2, 4, 11, 13, 3),
    ),
    case("b m k -> b y x n; spatial y x n", lambda t: aten.affine_grid_generator(t, [2, 3, 5, 7], False), (2, 2, 3)),
    case("b c d h w -> b c 1 1 1", lambda x: aten._adaptive_avg_pool3d(x, [1, 1, 1]), (2, 3, 5, 7, 11)),
    case(
        "b c d h w -> b c z y x, b c z y x; spatial z y x",
        lambda x: aten.adaptive_max_pool3d(x, [2, 3, 4]), (2, 3, 5, 7, 11),
    ),
    case("b c h -> b c y, b c y; spatial y", lambda x: aten.max_pool1d_with_indices(x, [2]), (2, 3, 8)),
    case(
        "b c d h w -> b c z y x, b c z y x; spatial z y x",
        lambda x: aten.max_pool3d_with_indices(x, [2, 2, 2], [2, 2, 2]), (2, 3, 4, 6, 8),
    ),
    kernel(
        "b c y x, b c y x -> b c h w; spatial h w",
        aten.max_unpool2d.default, (2, 3, 8, 12), lambda x, i: (x, i, [8, 12]), (2, 3, 4, 6), (2, 3, 4, 6),
    ),
    kernel(
        "b c z y x, b c z y x -> b c d h w; spatial d h w",
        aten.max_unpool3d.default, (2, 3, 4, 8, 12), lambda x, i: (x, i, [4, 8, 12], [2] * 3, [0] * 3),
        (2, 3, 2, 4, 6), (2, 3, 2, 4, 6),
    ),
    case(
        "b c h w, b c n -> b c y x, b c y x; spatial y x",
        lambda x, r: aten.fractional_max_pool2d(x, [2, 2], [4, 6], r), (2, 3, 9, 13), (2, 3, 2),
    ),
    case(
        "b c d h w, b c n -> b c z y x, b c z y x; spatial z y x",
        lambda x, r: aten.fractional_max_pool3d(x, [2, 2, 2], [2, 4, 6], r), (2, 3, 5, 9, 13), (2, 3, 3),
    ),
    case("b c h -> b c y; spatial y", lambda x: aten._upsample_nearest_exact1d(x, [11]), (2, 3, 5)),
    case(
        "b c h w d -> b c y x z; spatial y x z",
        lambda x: aten._upsample_nearest_exact3d(x, [11, 13, 17]), (2, 3, 5, 7, 4),
    ),
    kernel(
        "b c h w -> b c y x; spatial y x",
        aten._upsample_lanczos2d_aa.default, (2, 3, 11, 13), lambda x: (x, [11, 13], False), (2, 3, 5, 7),
    ),
]  # fmt: skip

ALIKE = [
    case("a b -> a b", call, (2, 3))
    for call in (
        torch.clone,
        aten.contiguous,
        lambda x: aten.to.dtype(x, torch.float64),
        lambda x: aten._to_copy(x, dtype=torch.float64),
        torch.detach,
        aten.alias,
        aten.lift_fresh_copy,
        lambda x: aten.type_as(x, torch.zeros(5)),
        functional.dropout,
        lambda x: aten.feature_dropout(x, 0.5, True),
        lambda x: aten.alpha_dropout(x, 0.5, True),
        lambda x: torch.roll(x, 1),
        lambda x: torch.flip(x, (0,)),
        torch.tril,
        torch.triu,
        lambda x: torch.cumsum(x, 0),
        aten.resolve_conj,
        aten.resolve_neg,
        lambda x: torch.softmax(x, -1),
        lambda x: aten._softmax(x, -1, False),
        lambda x: torch.log_softmax(x, -1),
        lambda x: aten._log_softmax(x, -1, False),
        lambda x: torch.cumprod(x, 0),
        lambda x: torch.logcumsumexp(x, 0),
        torch.zeros_like,
        torch.ones_like,
        torch.empty_like,
        lambda x: torch.full_like(x, 3.0),
        torch.rand_like,
        torch.randn_like,
        torch.bernoulli,
        lambda x: aten.fill.Scalar(x, 1.0),
        aten.zero,
        lambda x: x.clone().normal_(),
        lambda x: x.clone().uniform_(),
        lambda x: x.clone().exponential_(),
        lambda x: x.clone().random_(),
        torch.nan_to_num,
        functional.rrelu,
        lambda x: torch.renorm(x, 2, 0, 1.0),
        lambda x: x.clone().zero_(),
        lambda x: x.clone().fill_(1.0),
        lambda x: aten.detach_(x.clone()),
        torch.fliplr,
        torch.flipud,
        lambda x: aten.feature_alpha_dropout(x, 0.5, True),
        aten._cast_Float,
        aten.lift,
        lambda x: aten._safe_softmax(x, -1),
        lambda x: torch.special.softmax(x, -1),
        lambda x: torch.special.log_softmax(x, -1),
        aten.uniform,
        aten.exponential,
        lambda x: aten.geometric(x, 0.5),
        aten.cauchy,
        aten.log_normal,
        aten.random,
        lambda x: x.clone().geometric_(0.5),
        lambda x: x.clone().cauchy_(),
        lambda x: x.clone().log_normal_(),
        lambda x: torch.randint_like(x, 5),
        aten.alias_copy,
        lambda x: aten.rrelu_with_noise(x, torch.zeros_like(x)),
    )
] + [
    case("a b -> a b, a b", lambda x: aten.native_dropout(x, 0.5, True), (2, 3)),
    case("a b -> a b, a b", lambda x: torch.cummax(x, 1), (2, 3)),
    case("a b -> a b, a b", lambda x: torch.cummin(x, 1), (2, 3)),
    kernel(
        "a b -> a b, a b", aten._fused_dropout.default, [(2, 3), (2, 3)], lambda x: (x, 0.5), (2, 3)
    ),
    kernel(
        "a b -> a b",
        aten._autocast_to_full_precision.default,
        (2, 3),
        lambda x: (x, False, True),
        (2, 3),
    ),
    kernel(
        "a b -> a b",
        aten._autocast_to_reduced_precision.default,
        (2, 3),
        lambda x: (x, False, True, None, None),
        (2, 3),
    ),
    kernel("a b -> a b", aten.pin_memory.default, (2, 3), lambda x: (x,), (2, 3)),
    kernel("a b -> a b", aten.dequantize.self, (2, 3), lambda x: (x,), (2, 3)),
    kernel(
        "a b, c -> a b",
        aten.embedding_renorm.default,
        (7, 3),
        lambda w, i: (w, i, 1.0, 2.0),
        (7, 3),
        (5,),
    ),
    kernel(
        "a b, c d -> a b",
        aten._masked_softmax.default,
        (2, 3),
        lambda x, m: (x, m, 1),
        (2, 3),
        (2, 3),
    ),
]

IN_PLACE = [
    case("a b -> b a", lambda x: x.clone().t_(), (2, 3)),
    case("a b c -> a c b", lambda x: x.clone().transpose_(1, 2), (2, 3, 5)),
    case("a b -> a 1 b", lambda x: x.clone().unsqueeze_(1), (2, 3)),
    case("a 1 b -> a b", lambda x: x.clone().squeeze_(1), (2, 1, 3)),
    case("a b -> a b", lambda x: functional.dropout(x.clone(), 0.5, True, True), (2, 3)),
    case("a b -> a b", lambda x: x.clone().cumsum_(1), (2, 3)),
    case("a b -> a b", lambda x: x.clone().tril_(), (2, 3)),
]

NUMBERS = [
    # what vmap leaves of a number in the code
    kernel(" -> ", aten._to_copy.default, (), lambda: (2.0,)),
]

CASES = [*NUMBERS, *GROUPING, *MOVES, *REPEATS, *PARTS, *SPACE, *ALIKE, *IN_PLACE]


@pytest.mark.parametrize("row", CASES, ids=str)
def test_view(row: Case) -> None:
    check(row)

"""Ops by how a constant factor on their first operand passes through them.

``PASSING`` ops are linear in it and mix no two activations: a factor may move from behind them to
before them. ``KEEPING`` ones are those among them that keep every entry (no slicing, no padding).
``UNARY_LIMIT`` names what a stream may pass through between one residual add and the next.
"""

import torch

aten = torch.ops.aten

KEEPING = frozenset(
    {
        aten.view, aten.reshape, aten._unsafe_view, aten.flatten, aten.unflatten, aten.permute,
        aten.transpose, aten.t, aten.numpy_T, aten.mT, aten.unsqueeze, aten.squeeze, aten.expand,
        aten.expand_as, aten.clone, aten.contiguous, aten.to, aten._to_copy, aten.detach,
        aten.alias, aten.type_as, aten.dropout, aten.feature_dropout, aten.native_dropout,
        aten.movedim, aten.swapaxes, aten.lift_fresh_copy, aten.neg, aten.repeat,
        aten.repeat_interleave, aten.roll, aten.flip,
    }
)  # fmt: skip

CASTS = frozenset(
    {
        aten.to, aten._to_copy, aten.type_as, aten.detach, aten.dropout, aten.feature_dropout,
    }
)  # fmt: skip
"""Those among them that change no entry, but its type or whether it is trained."""

PARTIAL = frozenset(
    {
        aten.slice, aten.narrow, aten.select, aten.split, aten.split_with_sizes, aten.chunk,
        aten.unbind, aten.tensor_split, aten.index_select,
    }
)  # fmt: skip

POOLING = frozenset(
    {
        aten.avg_pool1d, aten.avg_pool2d, aten.adaptive_avg_pool1d, aten.adaptive_avg_pool2d,
        aten.mean, aten.pad, aten.constant_pad_nd, aten.upsample_nearest2d,
        aten.upsample_bilinear2d, aten.max_pool2d,
    }
)  # fmt: skip

NORMS = frozenset(
    {
        aten.layer_norm, aten.rms_norm, aten._fused_rms_norm, aten.batch_norm, aten.group_norm,
        aten.instance_norm, aten._native_batch_norm_legit, aten.native_batch_norm,
    }
)  # fmt: skip

SCALING = frozenset({aten.mul, aten.div, aten.mul_, aten.div_})

SUMS = frozenset({aten.add, aten.add_})

JOINS = frozenset({aten.cat, aten.concat, aten.stack})

SOFTMAX = frozenset({aten.softmax, aten._softmax, aten._safe_softmax})

FUSED_ATTENTION = frozenset({aten.scaled_dot_product_attention})

SATURATING = frozenset({aten.tanh, aten.tanh_})
"""Nonlinear, and the identity for small values: caps on logits."""

MASKING = frozenset({aten.masked_fill, aten.masked_fill_, aten.where})

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
        aten.repeat_interleave, aten.roll, aten.flip, aten.view_as, aten.reshape_as, aten.ravel,
        aten._reshape_alias, aten.moveaxis, aten.swapdims, aten.broadcast_to, aten.tile,
        aten.negative, aten.lift_fresh, aten.view_copy, aten.permute_copy, aten.transpose_copy,
        aten.t_copy, aten.unsqueeze_copy, aten.squeeze_copy, aten.expand_copy, aten.alias_copy,
        aten.detach_copy, aten.dropout_, aten.feature_dropout_,
    }
)  # fmt: skip

CASTS = frozenset(
    {
        aten.to, aten._to_copy, aten.type_as, aten.detach, aten.dropout, aten.feature_dropout,
        aten.native_dropout, aten.dropout_, aten.feature_dropout_,
    }
)  # fmt: skip
"""Those among them that change no entry, but its type or whether it is trained."""

COPIES = frozenset(
    {
        aten.to, aten._to_copy, aten.type_as, aten.detach, aten.detach_, aten.clone, aten.alias,
        aten.contiguous,
    }
)  # fmt: skip
"""Those whose value is their operand's, whatever becomes of its gradient."""

PARTIAL = frozenset(
    {
        aten.slice, aten.narrow, aten.select, aten.split, aten.split_with_sizes, aten.chunk,
        aten.unbind, aten.tensor_split, aten.index_select, aten.unsafe_split, aten.unsafe_chunk,
        aten.unsafe_split_with_sizes, aten.slice_copy, aten.select_copy, aten.split_copy,
        aten.split_with_sizes_copy, aten.unbind_copy, aten.hsplit, aten.vsplit, aten.dsplit,
    }
)  # fmt: skip

POOLING = frozenset(
    {
        aten.avg_pool1d, aten.avg_pool2d, aten.adaptive_avg_pool1d, aten.adaptive_avg_pool2d,
        aten.mean, aten.pad, aten.constant_pad_nd, aten.upsample_nearest2d,
        aten.upsample_bilinear2d, aten.max_pool2d, aten._adaptive_avg_pool2d,
        aten._adaptive_avg_pool3d, aten.adaptive_avg_pool3d, aten.avg_pool3d, aten.max_pool1d,
        aten.max_pool3d, aten.max_pool2d_with_indices, aten.max_pool3d_with_indices,
        aten.upsample_nearest1d, aten.upsample_nearest3d, aten.upsample_linear1d,
        aten.upsample_bicubic2d, aten.upsample_trilinear3d, aten.reflection_pad1d,
        aten.reflection_pad2d, aten.replication_pad1d, aten.replication_pad2d,
    }
)  # fmt: skip

NORMS = frozenset(
    {
        aten.layer_norm, aten.rms_norm, aten._fused_rms_norm, aten.batch_norm, aten.group_norm,
        aten.instance_norm, aten._native_batch_norm_legit, aten.native_batch_norm,
        aten._native_batch_norm_legit_no_training, aten._native_batch_norm_legit_functional,
        aten._batch_norm_with_update, aten._batch_norm_no_update, aten.cudnn_batch_norm,
        aten.native_layer_norm, aten.native_group_norm,
    }
)  # fmt: skip

SCALING = frozenset(
    {
        aten.mul, aten.div, aten.mul_, aten.div_, aten.multiply, aten.divide, aten.true_divide,
    }
)  # fmt: skip

SUMS = frozenset({aten.add, aten.add_})

DIFFERENCES = frozenset({aten.sub, aten.sub_, aten.subtract})

HOMOGENEOUS = frozenset(
    {
        aten.relu, aten.relu_, aten.leaky_relu, aten.leaky_relu_, aten.abs, aten.abs_,
    }
)  # fmt: skip
"""Nonlinear, and yet a positive factor passes through."""

JOINS = frozenset({aten.cat, aten.concat, aten.concatenate, aten.stack})

SOFTMAX = frozenset({aten.softmax, aten._softmax, aten._safe_softmax})

FUSED_ATTENTION = frozenset(
    {
        aten.scaled_dot_product_attention, aten._scaled_dot_product_attention_math,
        aten._scaled_dot_product_cudnn_attention, aten._scaled_dot_product_efficient_attention,
        aten._scaled_dot_product_flash_attention, aten._flash_attention_forward,
        aten._scaled_dot_product_flash_attention_for_cpu, aten._efficient_attention_forward,
        aten._scaled_dot_product_fused_attention_overrideable,
    }
)  # fmt: skip

SATURATING = frozenset({aten.tanh, aten.tanh_})
"""Nonlinear, and the identity for small values: caps on logits."""

MASKING = frozenset({aten.masked_fill, aten.masked_fill_, aten.where})

GATHERING = frozenset(
    {
        aten.index, aten._unsafe_index, aten.gather, aten.take_along_dim, aten.masked_select,
        aten.sum, aten.cumsum, aten.diag_embed, aten.tril, aten.triu, aten.diagonal, aten.unfold,
        aten.im2col, aten.col2im, aten.pixel_shuffle, aten.pixel_unshuffle, aten.trace,
        aten.amax, aten.amin,
    }
)  # fmt: skip
"""Linear in their first operand, or nearly: what they take and add depends on the rest alone."""

SCATTERING = {
    aten.index_add: (0, 3), aten.index_add_: (0, 3), aten.scatter_add: (0, 3),
    aten.scatter_add_: (0, 3), aten.index_put: (0, 2), aten.index_put_: (0, 2),
    aten.slice_scatter: (0, 1), aten.select_scatter: (0, 1), aten.index_copy: (0, 3),
    aten.lerp: (0, 1),
}  # fmt: skip
"""Linear in two operands together: what is written into, and what is written."""

ZEROS = frozenset({aten.zeros, aten.new_zeros, aten.zeros_like})
"""The same, whatever they are multiplied by."""

BILINEAR = {
    aten.linear: ((1, 0), (2,)), aten.mm: ((1, 0), ()), aten.bmm: ((1, 0), ()),
    aten.matmul: ((1, 0), ()), aten.addmm: ((2, 1), (0,)), aten.baddbmm: ((2, 1), (0,)),
    aten.einsum: ((1,), ()), aten.embedding: ((0,), ()), aten._grouped_mm: ((1, 0), ()),
    aten.conv1d: ((1, 0), (2,)), aten.conv2d: ((1, 0), (2,)), aten.conv3d: ((1, 0), (2,)),
    aten.conv_transpose1d: ((1, 0), (2,)), aten.conv_transpose2d: ((1, 0), (2,)),
    aten.conv_transpose3d: ((1, 0), (2,)), aten.convolution: ((1, 0), (2,)),
    aten.mv: ((0, 1), ()), aten.dot: ((0, 1), ()), aten.outer: ((0, 1), ()),
}  # fmt: skip
"""Arguments that are factors, and those that are added to the product."""

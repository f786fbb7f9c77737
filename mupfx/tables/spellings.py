"""How ATen ops are written by people: operators, methods, functions of torch.

What stands in no table is called as it is, ``torch.ops.aten.index_put.default(...)``, which is
right for any op; these are for the reader.
"""

from collections.abc import Mapping

OPERATORS: Mapping[str, str] = {
    "aten.add.Tensor": "+", "aten.sub.Tensor": "-", "aten.mul.Tensor": "*", "aten.div.Tensor": "/",
    "aten.add.Scalar": "+", "aten.sub.Scalar": "-", "aten.mul.Scalar": "*", "aten.div.Scalar": "/",
    "aten.pow.Tensor_Scalar": "**", "aten.pow.Tensor_Tensor": "**", "aten.matmul.default": "@",
    "aten.bitwise_and.Tensor": "&", "aten.bitwise_or.Tensor": "|", "aten.bitwise_xor.Tensor": "^",
    "aten.eq.Tensor": "==", "aten.ne.Tensor": "!=", "aten.lt.Tensor": "<", "aten.gt.Tensor": ">",
    "aten.le.Tensor": "<=", "aten.ge.Tensor": ">=", "aten.eq.Scalar": "==", "aten.ne.Scalar": "!=",
    "aten.lt.Scalar": "<", "aten.gt.Scalar": ">", "aten.le.Scalar": "<=", "aten.ge.Scalar": ">=",
    "aten.__and__.Tensor": "&", "aten.__or__.Tensor": "|",
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**",
    "eq": "==", "ne": "!=", "lt": "<", "gt": ">", "le": "<=", "ge": ">=",
}  # fmt: skip
"""Of two operands; the short ones are Python's own, on sizes."""

METHODS = frozenset({
    "aten.view.default", "aten.reshape.default", "aten.permute.default", "aten.transpose.int",
    "aten.t.default", "aten.unsqueeze.default", "aten.squeeze.dim", "aten.squeeze.dims",
    "aten.squeeze.default", "aten.expand.default", "aten.contiguous.default",
    "aten.clone.default", "aten.flatten.using_ints", "aten.unflatten.int", "aten.split.Tensor",
    "aten.chunk.default", "aten.to.dtype", "aten.sum.dim_IntList", "aten.mean.dim",
    "aten.mean.default", "aten.sum.default", "aten.repeat.default", "aten.masked_fill.Scalar",
    "aten.masked_fill.Tensor", "aten.cumsum.default", "aten.roll.default", "aten.type_as.default",
    "aten.unbind.int", "aten.repeat_interleave.self_int", "aten.amax.default", "aten.fill_.Scalar",
    "aten.new_ones.default", "aten.new_zeros.default", "aten.expand_as.default",
    "aten.movedim.int", "aten.swapaxes.default", "aten.gather.default",
})  # fmt: skip
"""Methods of their first argument."""

FUNCTIONS: Mapping[str, str] = {
    "aten.linear.default": "F.linear",
    "aten.gelu.default": "F.gelu",
    "aten.silu.default": "F.silu",
    "aten.softplus.default": "F.softplus",
    "aten.scaled_dot_product_attention.default": "F.scaled_dot_product_attention",
    "aten.adaptive_avg_pool2d.default": "F.adaptive_avg_pool2d",
    "aten.avg_pool2d.default": "F.avg_pool2d",
    "aten.pad.default": "F.pad",
    "aten.one_hot.default": "F.one_hot",
}
"""Under other names than torch's own."""

TORCH = frozenset({
    "aten.embedding.default", "aten.layer_norm.default", "aten.rms_norm.default",
    "aten.group_norm.default", "aten.batch_norm.default", "aten.conv1d.default",
    "aten.conv2d.default", "aten.conv3d.default", "aten.conv2d.padding", "aten.conv1d.padding",
    "aten.relu.default", "aten.tanh.default", "aten.sigmoid.default", "aten.softmax.int",
    "aten.log_softmax.int", "aten.exp.default", "aten.log.default", "aten.sqrt.default",
    "aten.rsqrt.default", "aten.sin.default", "aten.cos.default", "aten.cat.default",
    "aten.stack.default", "aten.einsum.default", "aten.bmm.default", "aten.mm.default",
    "aten.addmm.default", "aten.baddbmm.default", "aten.arange.default", "aten.arange.start",
    "aten.arange.start_step", "aten.ones.default", "aten.zeros.default", "aten.full.default",
    "aten.where.self", "aten.where.ScalarOther", "aten.where.ScalarSelf", "aten.where.Scalar",
    "aten.triu.default", "aten.tril.default", "aten.neg.default", "aten.max_pool2d.default",
    "aten.erf.default", "aten.abs.default", "aten.reciprocal.default", "aten.square.default",
    "aten.ones_like.default", "aten.zeros_like.default", "aten.full_like.default",
    "aten.logical_not.default", "aten.logical_and.default", "aten.topk.default",
    "aten.bitwise_not.default", "aten.clamp.default", "aten.outer.default", "aten.relu_.default",
})  # fmt: skip
"""Functions of torch under their own names."""

SILENT = frozenset({
    "aten._assert_tensor_metadata.default", "aten.sym_constrain_range_for_size.default",
    "aten.sym_constrain_range.default",
})  # fmt: skip
"""What says something to tracers alone."""

LEFT_OUT: Mapping[str, tuple[object, ...]] = {"pin_memory": (False, None), "layout": (None,)}
"""Keywords that say nothing, with these values."""

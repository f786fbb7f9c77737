"""Ops that no axis rule speaks for, each with the reason.

Every other op of core ATen has a rule; an op in neither place is probed.
"""
# ruff: noqa: SLF001 - torch's own names

from collections.abc import Mapping

import torch

aten = torch.ops.aten

_SIZES = "its result is as large as its arguments say, whatever its input is"
_SPARSE = "the axes of a sparse tensor are numbers in its indices"
_NESTED = "the rows of a nested tensor differ in length"
_PACKED = "its weight is packed, so that its axes are not its own"

UNSUPPORTED: Mapping[object, str] = {
    **dict.fromkeys(
        (aten.set_, aten.resize, aten.resize_, aten.resize_as, aten.resize_as_, aten.slice_inverse),
        _SIZES,
    ),
    **dict.fromkeys(
        (
            aten._sparse_addmm, aten._sparse_coo_tensor_unsafe, aten._sparse_log_softmax,
            aten._sparse_mm, aten._sparse_softmax, aten._sparse_sum, aten._spdiags, aten.hspmm,
            aten.smm, aten.sparse_bsc_tensor, aten.sparse_bsr_tensor,
            aten.sparse_compressed_tensor, aten.sparse_coo_tensor, aten.sparse_csc_tensor,
            aten.sparse_csr_tensor, aten.sparse_mask, aten.sparse_sampled_addmm, aten.sspaddmm,
            aten.to_sparse, aten.to_sparse_bsc, aten.to_sparse_bsr, aten.to_sparse_csc,
            aten.to_sparse_csr,
        ),
        _SPARSE,
    ),
    **dict.fromkeys(
        (
            aten._nested_tensor_from_mask, aten._nested_tensor_from_tensor_list,
            aten._nested_view_from_buffer, aten._nested_view_from_jagged,
            aten.nested_to_padded_tensor, aten.to_padded_tensor,
        ),
        _NESTED,
    ),
    **dict.fromkeys(
        (
            aten._dyn_quant_matmul_4bit, aten._weight_int4pack_mm, aten._weight_int4pack_mm_for_cpu,
            aten._sparse_semi_structured_linear, aten._sparse_semi_structured_mm,
            aten._cslt_sparse_mm, aten.fbgemm_linear_int8_weight,
            aten.fbgemm_linear_fp16_weight, aten.quantized_lstm, aten.quantized_gru,
        ),
        _PACKED,
    ),
}  # fmt: skip
"""Ops whose axes are reported as unknown, and why."""

DECOMPOSED: Mapping[object, str] = {
    aten._native_multi_head_attention: "capture runs models without fused layers",
    aten._transformer_encoder_layer_fwd: "capture runs models without fused layers",
}
"""Ops that capture takes apart, so that no graph has them."""

"""Ops whose result is a power of their operand's scale, and those that forget it.

``x.pow(2).mean().rsqrt()`` falls as ``x`` grows, so that ``x`` times that is as large as ever.
"""

from collections.abc import Mapping

import torch

aten = torch.ops.aten

POWERS: Mapping[str, float | None] = {
    "aten.pow": None,
    "aten.square": 2.0,
    "aten.sqrt": 0.5,
    "aten.rsqrt": -0.5,
    "aten.reciprocal": -1.0,
    "aten.var": 2.0,
    "aten.std": 1.0,
    "aten.sum": 1.0,
    "aten.linalg_vector_norm": 1.0,
    "aten.linalg_norm": 1.0,
    "aten.norm": 1.0,
    "aten.frobenius_norm": 1.0,
    "aten.max": 1.0,
    "aten.min": 1.0,
    "aten.topk": 1.0,
    "aten.sort": 1.0,
    "aten.clamp_min": 1.0,
    "aten.cumsum": 1.0,
    "aten.prelu": 1.0,
    "aten.rrelu": 1.0,
    "aten.relu": 1.0,
    "aten.threshold": 1.0,
    "aten.maximum": 1.0,
    "aten.logsumexp": None,
}
"""None: of the power that stands in its second operand."""

MADE = frozenset(
    {
        "aten.argmax", "aten.argmin", "aten.sign", "aten.gt", "aten.lt", "aten.ge", "aten.le",
        "aten.eq", "aten.ne", "aten.one_hot", "aten.isnan", "aten.isinf", "aten.isfinite",
        "aten.zeros_like", "aten.ones_like", "aten.empty_like", "aten.full_like", "aten.rand_like",
        "aten.randn_like", "aten.new_zeros", "aten.new_ones", "aten.new_full", "aten.new_empty",
        "aten.sym_size", "aten.numel",
    }
)  # fmt: skip
"""What these make does not follow the scale of what they read."""

RECURRENT = frozenset(
    {
        aten.lstm, aten.gru, aten.rnn_tanh, aten.rnn_relu, aten.lstm_cell, aten.gru_cell,
        aten.rnn_tanh_cell, aten.rnn_relu_cell,
    }
)  # fmt: skip
"""Kernels whose gates are nonlinear."""

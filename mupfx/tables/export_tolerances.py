"""How far an exported model may be from its source, by format and the coarsest dtype in it.

Largest difference over largest entry of an output. Multiplying multipliers into weights rounds
each weight once, and the same kernels run; other formats bring kernels of their own, which sum in
another order. Both are some tens of roundings deep in a network; a multiplier that is missing or
there twice changes outputs by far more.
"""

from collections.abc import Mapping

import torch

SAME_KERNELS: Mapping[torch.dtype, float] = {
    torch.float64: 1e-12,
    torch.float32: 1e-5,
    torch.float16: 2e-2,
    torch.bfloat16: 1e-1,
}
OTHER_KERNELS: Mapping[torch.dtype, float] = {
    torch.float64: 1e-10,
    torch.float32: 1e-4,
    torch.float16: 3e-2,
    torch.bfloat16: 1e-1,
}
TOLERANCES: Mapping[str, Mapping[torch.dtype, float]] = {
    "state_dict": SAME_KERNELS,
    "safetensors": SAME_KERNELS,
    "hf": SAME_KERNELS,
    "pt2": SAME_KERNELS,
    "python": SAME_KERNELS,
    "onnx": OTHER_KERNELS,
}
COARSEST = (torch.bfloat16, torch.float16, torch.float32, torch.float64)
"""The coarsest first."""

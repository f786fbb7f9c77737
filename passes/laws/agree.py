"""Whether values are as large as their law says: code may change memory behind torch's back.

``weight.numpy()[:] *= 3`` is no operation of torch's; a weight of U(-1, 1) that is 1.5 from zero on
average was not drawn so. What is off by a hundredth alone passes, and a rare outlier does too.
"""

import math

import torch
from torch import Tensor

from mupfx.core.drawn import Drawn, Shape

ENOUGH = 2**16
"""Values that are looked at."""
AWAY = {
    Shape.NORMAL: math.sqrt(2 / math.pi),
    Shape.SPARSE: math.sqrt(2 / math.pi),
    Shape.UNIFORM: math.sqrt(3) / 2,
}
"""Mean distance from the mean, over the std; of a sparse one, of what is not zero."""
ERRORS = 8.0
SLACK = 0.01


def agrees(law: Drawn, values: Tensor) -> bool:
    """Whether values can be of a law without parts.

    >>> agrees(Drawn(Shape.CONSTANT, location=1.0), torch.ones(3))
    True
    >>> agrees(Drawn(Shape.NORMAL, scale=1.0), torch.full((9,), 1e6))
    False
    """
    flat = values.detach().reshape(-1)
    some = flat[:: max(1, flat.numel() // ENOUGH) | 1].to("cpu", torch.float64)
    if law.shape is Shape.CONSTANT:
        return _close(some, law.location, values.dtype)
    if law.shape not in AWAY:
        return True
    if law.shape is Shape.SPARSE:
        some = some[some != 0]
    if not some.numel() or not law.scale:
        return True
    std = abs(law.scale) if law.shape is Shape.SPARSE else law.std
    away = float((some - law.mean).abs().mean()) / (AWAY[law.shape] * (std or 1.0))
    return abs(away - 1) < SLACK + ERRORS / math.sqrt(some.numel())


def _close(values: Tensor, value: float, dtype: torch.dtype) -> bool:
    rounding = torch.finfo(dtype).eps if dtype.is_floating_point else 0.0
    if math.isnan(value):
        return bool(values.isnan().all())
    there = torch.full_like(values, value)
    return torch.allclose(values, there, rtol=10 * rounding, atol=1e-30)

"""Put the plan's init factors into the values at hand."""

from collections.abc import Mapping

import torch
from torch import Tensor

from mupfx.core.plan import ParameterPlan


def rescale_(
    params: Mapping[str, Tensor], parameters: Mapping[str, ParameterPlan]
) -> tuple[str, ...]:
    """Multiply every planned parameter by its factor, in place and in its own dtype.

    A factor of one touches nothing, values on the meta device are left for later, and a tensor
    that several names share is multiplied once.

    Returns:
        The names of the parameters that changed.
    """
    changed: dict[int, str] = {}
    with torch.no_grad():
        for name, parameter in parameters.items():
            tensor = params[name]
            if parameter.init.factor == 1.0 or tensor.is_meta or id(tensor) in changed:
                continue
            tensor.mul_(parameter.init.factor)
            changed[id(tensor)] = name
    return tuple(changed.values())

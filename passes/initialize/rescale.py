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
    that several names share is multiplied once. Parts that start at zero are filled.

    Returns:
        The names of the parameters that changed.
    """
    changed: dict[int, str] = {}
    with torch.no_grad():
        for name, parameter in parameters.items():
            tensor = params[name]
            init = parameter.init
            as_it_is = init.factor == 1.0 and not init.zeros
            if as_it_is or tensor.is_meta or id(tensor) in changed:
                continue
            if init.factor != 1.0:
                tensor.mul_(init.factor)
            for dim, start, stop, period in init.zeros:
                place = torch.arange(tensor.shape[dim], device=tensor.device) % period
                chosen = ((place >= start) & (place < stop)).nonzero().flatten()
                tensor.index_fill_(dim, chosen, 0)
            changed[id(tensor)] = name
    return tuple(changed.values())

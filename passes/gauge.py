"""Move a multiplier of the forward pass into a weight without changing what training does.

A forward pass that computes ``value * (w @ x)`` becomes one that computes ``v @ x`` with
``v = value * w``. Its gradient is ``1/value`` times as large, so with Adam::

    value 0.5:  init * 0.5   lr * 0.5   decoupled weight decay * 2   eps * 2   multiplier 2.0

``multiplier`` is the effective weight over the stored one; the symmetry is Lemma J.1 of Tensor
Programs V (arXiv:2203.03466), extended to weight decay and eps.
"""

from collections.abc import Mapping
from dataclasses import replace

from mupfx.core.optimizer_family import OptimizerFamily, with_factors
from mupfx.core.plan import InitPlan, ParameterPlan
from mupfx.core.power import Power


def absorb(
    parameter: ParameterPlan,
    value: float,
    power: Power,
    families: Mapping[str, OptimizerFamily],
) -> ParameterPlan:
    """Push a multiplier of the forward pass into the stored values of a parameter.

    Args:
        parameter: Its plan so far.
        value: The multiplier that the forward pass no longer applies.
        power: Its exact form; the symbols are the site's, such as ``head_dim``.
        families: The optimizer families to give factors for.

    Raises:
        ValueError: The value is not positive: such a multiplier cannot be undone by Adam.
    """
    if not value > 0:
        raise ValueError(f"a multiplier must be positive to be absorbed, found {value}")
    moved = replace(
        parameter,
        init=_scaled(parameter.init, value, power),
        multiplier=parameter.multiplier / value,
        gauge=parameter.gauge / power,
    )
    return with_factors(moved, families)


def _scaled(init: InitPlan, value: float, power: Power) -> InitPlan:
    return replace(
        init,
        std=None if init.std is None else init.std * value,
        factor=init.factor * value,
        power=init.power * power,
    )

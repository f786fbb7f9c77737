"""Training a converted model: what has to know of the plan beside the optimizer."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from torch import nn
from torch.optim import Optimizer

from mupfx.core.optimizer_family import OptimizerFamily
from mupfx.pipeline.regauging import Growth, regauge, rounded

__all__ = ["regauge_"]

Model = TypeVar("Model", bound=nn.Module)


def regauge_(
    model: Model,
    multipliers: Mapping[str, float],
    *,
    optimizer: Optimizer | Sequence[Optimizer] = (),
    family: str | OptimizerFamily | None = None,
    exact: bool = False,
) -> Model:
    """Store parameters divided by a number, and multiply them again where the model reads them.

    Training goes on as it would have: what a live optimizer holds is moved along, its learning
    rates, weight decay and eps, and its state. Names in the ``state_dict`` stay, and the values in
    it are the stored ones.

    Args:
        model: A converted model.
        multipliers: What each parameter's multiplier is multiplied by; the rest stays.
        optimizer: The optimizers that train it.
        family: As for ``mupfx.optimizer``.
        exact: Round to powers of two, for which nothing is rounded, and training agrees bit for
            bit.

    Returns:
        The same model object.

    Raises:
        LoweringError: A multiplier is not positive, or a module reads the parameter in a way that
            nothing can multiply.
        OptimizerError: The optimizer trains differently in another gauge, or cannot be moved.
        PlanError: The model was not converted, or has no such parameter.
    """
    growth = {name: Growth(float(value)) for name, value in multipliers.items()}
    optimizers = (optimizer,) if isinstance(optimizer, Optimizer) else tuple(optimizer)
    regauge(model, rounded(growth) if exact else growth, optimizers, family)
    return model

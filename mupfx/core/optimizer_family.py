"""How an optimizer answers to a rescaled weight, as one row of exponents.

Given a role's ``lr_adam``, ``lr_sgd`` and ``gradient`` powers, a family says which combination
multiplies each of its hyperparameters, and how each moves when the gauge does (effective weight =
multiplier * stored weight): ``lr * multiplier ** gauge_lr`` and so on.
"""

from dataclasses import dataclass
from enum import StrEnum


class Scaling(StrEnum):
    """Which power multiplies a hyperparameter."""

    LR_ADAM = "lr_adam"
    LR_SGD = "lr_sgd"
    INVERSE_LR = "1/lr"
    """Keeps the decay rate ``lr * weight_decay``."""
    GRADIENT = "gradient"
    NONE = "1"
    NO_RULE = "no rule"
    """No choice is consistent: a warning, and the hyperparameter is left alone."""


@dataclass(frozen=True, slots=True)
class OptimizerFamily:
    """One family of optimizers."""

    name: str
    lr: Scaling
    weight_decay: Scaling
    eps: Scaling
    gauge_lr: int
    gauge_weight_decay: int
    gauge_eps: int
    source: str

"""How an optimizer answers to a rescaled weight, as one row of exponents.

Given a role's ``lr_adam``, ``lr_sgd`` and ``gradient`` powers, a family says which combination
multiplies each of its hyperparameters, and how each moves when the gauge does (effective weight =
multiplier * stored weight): ``lr * multiplier ** gauge_lr`` and so on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from mupfx.core.parametrization import Rule
from mupfx.core.plan import OptimizerFactors
from mupfx.core.power import ONE, Power


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

    def factors(self, rule: Rule, values: Mapping[str, Fraction]) -> OptimizerFactors:
        """What multiplies each hyperparameter of one parameter.

        Args:
            rule: The rule of its role.
            values: What the symbols of the rule's powers are worth for it.
        """
        lr = _power(rule, self.lr, ONE)
        if lr is None:
            raise ValueError(f"optimizer family {self.name!r} has no rule for its learning rate")
        weight_decay = _power(rule, self.weight_decay, lr)
        eps = _power(rule, self.eps, lr)
        return OptimizerFactors(
            lr=lr.value(values),
            weight_decay=None if weight_decay is None else weight_decay.value(values),
            eps=None if eps is None else eps.value(values),
            lr_power=lr,
            weight_decay_power=weight_decay,
            eps_power=eps,
        )


def _power(rule: Rule, scaling: Scaling, lr: Power) -> Power | None:
    """The power a family's cell stands for; None where it has no rule."""
    return {
        Scaling.LR_ADAM: rule.lr_adam,
        Scaling.LR_SGD: rule.lr_sgd,
        Scaling.INVERSE_LR: lr**-1,
        Scaling.GRADIENT: rule.gradient,
        Scaling.NONE: ONE,
        Scaling.NO_RULE: None,
    }[scaling]

"""How an optimizer answers to a rescaled weight, as one row of exponents.

A parameter has three scales: Adam's learning rate, its gradient's size, and its own size; for a
matrix also its span. Each hyperparameter, and each tensor of the optimizer's state, is a product
of them::

    OptimizerFamily("adamw", lr=ADAM_LR, others={"eps": GRADIENT}, decay=Decay.KEPT, ...)

What a hyperparameter does as the gauge moves follows: a multiplier grown by ``t`` makes the stored
weight and Adam's rate ``1/t`` times as large, and the gradient ``t`` times.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction
from typing import Any

from mupfx.core.plan import OptimizerFactors, ParameterPlan
from mupfx.core.power import ONE, Power
from mupfx.core.vocabulary import Role

_MATRICES = {Role.INPUT, Role.HIDDEN, Role.OUTPUT}

Exponent = int | Fraction
Factor = tuple[float, Power] | None
"""A factor and its exact form; None where no rule gives one."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """A product of powers of a parameter's scales.

    >>> SGD_LR = Scaling(lr_adam=1, gradient=-1)
    >>> SGD_LR.gauge, (SGD_LR**-1).gauge
    (-2, 2)
    """

    lr_adam: Exponent = 0
    gradient: Exponent = 0
    init_std: Exponent = 0
    span: Exponent = 0
    """Of ``sqrt(fan_in * fan_out)``: how much larger a matrix of given entries is than they are."""

    def __mul__(self, other: "Scaling") -> "Scaling":
        """Add exponents."""
        return Scaling(
            self.lr_adam + other.lr_adam,
            self.gradient + other.gradient,
            self.init_std + other.init_std,
            self.span + other.span,
        )

    def __pow__(self, exponent: Exponent) -> "Scaling":
        """Scale exponents."""
        return Scaling(
            self.lr_adam * exponent,
            self.gradient * exponent,
            self.init_std * exponent,
            self.span * exponent,
        )

    @property
    def gauge(self) -> Exponent:
        """The power of a growing multiplier that it follows."""
        return self.gradient - self.lr_adam - self.init_std

    def power(self, parameter: ParameterPlan) -> Power:
        """What it is for one parameter in the canonical gauge."""
        scales, found = parameter.scales, ONE
        for exponent, power in (
            (self.lr_adam, scales.lr_adam),
            (self.gradient, scales.gradient),
            (self.init_std, scales.init_std),
        ):
            if exponent and power.exponents:
                found *= power if exponent == 1 else power**exponent
        if self.span and parameter.role in _MATRICES and not scales.as_written:
            half = Fraction(self.span) / 2
            found *= Power.of(fan_in=half, fan_out=half)
        return found

    def factor(self, parameter: ParameterPlan) -> tuple[float, Power]:
        """Its value for one parameter, and the exact form."""
        power = self.power(parameter)
        value = power.value(parameter.symbols) if power.exponents else 1.0
        if parameter.multiplier != 1:
            value *= parameter.multiplier ** float(self.gauge)
        if parameter.gauge.exponents:
            power *= parameter.gauge ** Fraction(self.gauge)
        return value, power


NOTHING = Scaling()
ADAM_LR = Scaling(lr_adam=1)
GRADIENT = Scaling(gradient=1)
WEIGHT = Scaling(init_std=1)
SGD_LR = ADAM_LR * GRADIENT**-1
COUPLED = GRADIENT * WEIGHT**-1
"""Of a penalty that is added to the gradient."""


class Decay(StrEnum):
    """What an optimizer's weight decay is."""

    KEPT = "kept"
    """A rate once it is multiplied by lr: the rate can be kept."""
    COUPLED = "coupled"
    """A penalty, added to a gradient that is then normalised: no factor keeps its effect."""
    ABSENT = "absent"


class DecayRule(StrEnum):
    """What is kept as a model grows, where the learning rate changes by a factor."""

    TIMESCALE = "timescale"
    """``lr * weight_decay``: as many steps to forget."""
    SQRT = "sqrt"
    """``lr * weight_decay ** 2``."""
    CONST = "const"
    """``weight_decay``."""

    @property
    def exponent(self) -> Fraction:
        """Of the learning rate's factor."""
        return {"timescale": Fraction(-1), "sqrt": Fraction(-1, 2), "const": Fraction(0)}[self]


Settings = Mapping[str, Any]
Adjustment = Callable[[tuple[int, ...], Settings], float]
"""From a shape and the hyperparameters to what the optimizer itself multiplies lr by."""


@dataclass(frozen=True, slots=True)
class Caution:
    """A hyperparameter that breaks the rules where it matters."""

    harmless: float
    """What it may be; None, an optimizer's own choice, is more."""
    why: str


@dataclass(frozen=True)
class OptimizerFamily:
    """One family of optimizers; a user's own is one more of these."""

    name: str
    lr: Scaling
    source: str
    decay: Decay = Decay.ABSENT
    others: Mapping[str, Scaling] = field(default_factory=dict)
    """Further hyperparameters; ``eps.1`` is the second entry of the tuple ``eps``."""
    state: Mapping[str, Scaling] | None = None
    """Tensors of the optimizer's state, by key; None where they are not known."""
    initial_state: Mapping[str, Scaling] = field(default_factory=dict)
    """Of these, those that are filled with a constant when the optimizer is made."""
    unrectified: Mapping[str, Scaling] = field(default_factory=dict)
    """Further factors in the first steps, while the gradient is not normalised yet (RAdam)."""
    adjusts: Adjustment | None = None
    """What the optimizer itself makes of a matrix's shape (Muon), so that it is not done twice."""
    matrices_only: bool = False
    cautions: Mapping[str, "Caution"] = field(default_factory=dict)
    """Hyperparameters that no factor can set right unless they are tiny."""
    powers_of_two: bool = False
    """It rounds (bfloat16), so that only multipliers of powers of two train alike."""
    cap: bool = False
    """The optimizer itself takes no learning rate above ``1/sqrt(step)`` (Adafactor)."""

    def factors(
        self,
        parameter: ParameterPlan,
        settings: Settings | None = None,
        rule: DecayRule = DecayRule.TIMESCALE,
    ) -> dict[str, Factor]:
        """What multiplies each hyperparameter of one parameter, in its present gauge."""
        lr, power = self.lr.factor(parameter)
        found: dict[str, Factor] = {"lr": (lr * self._adjustment(parameter, settings or {}), power)}
        if self.decay is not Decay.ABSENT:
            found["weight_decay"] = self._decay(parameter, settings or {}, rule)
        return found | {key: scaling.factor(parameter) for key, scaling in self.others.items()}

    def _adjustment(self, parameter: ParameterPlan, settings: Settings) -> float:
        if self.adjusts is None or not parameter.base_shape or parameter.scales.as_written:
            return 1.0
        return self.adjusts(parameter.base_shape, settings) / self.adjusts(
            parameter.shape, settings
        )

    def _decay(self, parameter: ParameterPlan, settings: Settings, rule: DecayRule) -> Factor:
        if self.decay is Decay.COUPLED:
            return None
        power = self.lr.power(parameter)
        lr = power.value(parameter.symbols) * self._adjustment(parameter, settings)
        if rule.exponent.denominator == 1:
            value = (power**rule.exponent).value(parameter.symbols)
            value *= self._adjustment(parameter, settings) ** float(rule.exponent)
        else:
            value = lr ** float(rule.exponent)
        moved = -Fraction(self.lr.gauge)
        return (
            value * parameter.multiplier ** float(moved),
            power**rule.exponent * parameter.gauge**moved,
        )

    def moved(self, hyperparameter: str) -> Exponent:
        """The power of a growing multiplier that a hyperparameter follows."""
        if hyperparameter == "lr":
            return self.lr.gauge
        if hyperparameter == "weight_decay":
            coupled = self.decay is Decay.COUPLED
            return COUPLED.gauge if coupled else (self.lr**-1).gauge
        return self.others[hyperparameter].gauge


def with_factors(
    parameter: ParameterPlan, families: Mapping[str, OptimizerFamily]
) -> ParameterPlan:
    """Write down what each family's hyperparameters are multiplied by."""
    factors = {name: family.factors(parameter) for name, family in families.items()}
    return replace(parameter, optimizers={n: _reported(found) for n, found in factors.items()})


def with_all_factors(
    parameters: Mapping[str, ParameterPlan], families: Mapping[str, OptimizerFamily]
) -> dict[str, ParameterPlan]:
    """The same for many, of which those of repeated layers share their numbers."""
    known: dict[tuple[object, ...], Mapping[str, OptimizerFactors]] = {}
    for parameter in parameters.values():
        key = _what_factors_read(parameter)
        if key not in known:
            known[key] = with_factors(parameter, families).optimizers
    return {
        name: replace(parameter, optimizers=known[_what_factors_read(parameter)])
        for name, parameter in parameters.items()
    }


def _what_factors_read(p: ParameterPlan) -> tuple[object, ...]:
    sizes = (p.fan_in_ratio, p.fan_out_ratio, p.depth_ratio, p.shape, p.base_shape)
    return (p.role, p.scales, p.multiplier, p.gauge, *sizes)


def _reported(factors: Mapping[str, Factor]) -> OptimizerFactors:
    lr = factors["lr"]
    if lr is None:
        raise ValueError("every family has a rule for its learning rate")
    decay, eps = factors.get("weight_decay", (1.0, ONE)), factors.get("eps", (1.0, ONE))
    others = {
        key: factor
        for key, factor in factors.items()
        if key not in {"lr", "weight_decay", "eps"} and factor is not None
    }
    return OptimizerFactors(
        lr=lr[0],
        weight_decay=decay and decay[0],
        eps=eps and eps[0],
        lr_power=lr[1],
        weight_decay_power=decay and decay[1],
        eps_power=eps and eps[1],
        others=others,
    )

"""A parametrization is a table of exponents, one row a role, in the canonical gauge.

In the canonical gauge every stored weight is the weight the forward pass multiplies by. Only three
numbers a role are independent: the init std, the learning rate of a scale-invariant optimizer
(Adam), and the gradient's size; the learning rate of SGD is their quotient.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from mupfx.core.power import ONE, Power
from mupfx.core.vocabulary import Role


@dataclass(frozen=True, slots=True)
class Rule:
    """The exponents of one role, and where they come from."""

    init_std: Power
    lr_adam: Power
    gradient: Power
    source: str
    contraction: Power | None = None
    """The init std is further multiplied by ``min(1, contraction)``: the spectral condition for
    layers whose fan-in and fan-out do not grow alike."""

    @property
    def lr_sgd(self) -> Power:
        """Learning rate of plain gradient descent: ``lr_adam / gradient``."""
        return self.lr_adam / self.gradient


@dataclass(frozen=True, slots=True)
class DepthRule:
    """What multiplies the rules of the parameters inside residual branches, in ``depth``."""

    alpha: Fraction
    branch: Power
    """Multiplier of what every branch adds to its stream."""
    lr_adam: Power
    gradient: Power
    source: str
    around: Power = ONE
    """Learning rate of every optimizer for what is outside the branches."""

    @classmethod
    def of(cls, alpha: Fraction, source: str) -> "DepthRule":
        """Branches of ``depth^-alpha``, entries updated by ``depth^-(1-alpha)``.

        >>> print(DepthRule.of(Fraction(1, 2), "").lr_adam)
        depth^-1/2
        """
        return cls(
            alpha=alpha,
            branch=Power.of(depth=-alpha),
            lr_adam=Power.of(depth=alpha - 1),
            gradient=Power.of(depth=-alpha),
            source=source,
        )

    def applied(self, rule: Rule, *, inside: bool) -> Rule:
        """The rule of a parameter inside a residual branch, or outside all."""
        return self._inside(rule) if inside else replace(rule, lr_adam=rule.lr_adam * self.around)

    def _inside(self, rule: Rule) -> Rule:
        return replace(
            rule,
            lr_adam=rule.lr_adam * self.lr_adam,
            gradient=rule.gradient * self.gradient,
            source=f"{rule.source}; in a residual branch, {self.source}",
        )


@dataclass(frozen=True, slots=True)
class PlainRule:
    """A table whose ``depth`` is the number of layers of a plain net."""

    relu: bool
    """Only for ReLU at its critical point, std ``sqrt(2 / fan_in)`` and no biases."""
    residual: "Parametrization | None" = None
    """The table in its place for a residual net; None refuses one."""


@dataclass(frozen=True, slots=True)
class Parametrization:
    """Rules by role, and the multipliers that belong to sites instead of weights."""

    name: str
    source: str
    rules: Mapping[Role, Rule]
    attention: Power = ONE
    """Multiplier of attention logits written with 1/sqrt(head_dim), in ``head_dim``."""
    attention_source: str = ""
    tied_readout: Power = ONE
    """Multiplier of the output use of a tied embedding, in ``fan_in``."""
    tied_readout_source: str = ""
    initial: Power = ONE
    """How much of the function at the start its readouts keep, in ``fan_in``; a frozen copy adds
    what is more than one."""
    depth: DepthRule | None = None
    """How residual branches answer to depth; None leaves them as written."""
    plain: PlainRule | None = None
    """That it is for plain nets, deep in layers."""
    embedding: Rule | None = None
    """For an input weight that is looked up and not multiplied, where that differs."""
    readout_bias: Rule | None = None
    """For a scalar added to what an output weight makes, in that weight's ``fan_in``."""
    own_init: bool = False
    """Values stay as the model draws them, whatever its law makes of its size."""
    point: tuple[Fraction, Fraction] | None = None
    """Where it lies in the plane of widths: exponents of the readout's std, of the input's SGD
    learning rate."""
    cautions: tuple[str, ...] = ()
    """What a user should know before trusting it: empirical, derived, or measured otherwise."""

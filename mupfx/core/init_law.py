"""Laws that starting values are drawn from: how their std depends on the sizes of the tensor.

``nn.Linear`` draws from U(-b, b) with b = 1/sqrt(fan_in), whose std is b * sqrt(1/3)::

    Law("torch_linear", Distribution.UNIFORM, Fan.FAN_IN, coefficient=sqrt(1/3))

Only the ratio of a law's std at the base to its std here changes a model; two laws with equal
ratios are the same to a conversion.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction


class Distribution(StrEnum):
    """The shape of a law."""

    FILL = "fill"
    """One value everywhere, zero included."""
    UNIFORM = "uniform"
    NORMAL = "normal"
    TRUNCATED = "normal cut at 2 std"
    TRUNCATED_3 = "normal cut at 3 std"
    ORTHOGONAL = "orthogonal"
    """Orthonormal rows or columns, whichever are fewer; the identity too."""
    OTHER = "other"
    """Whatever it is, only its std matters."""


class Fan(StrEnum):
    """A number made of the sizes of a tensor, that the variance of a law falls with."""

    ONE = "1"
    """No size: the std is the same at every width."""
    FAN_IN = "fan_in"
    """What the graph contracts, kernel included."""
    FAN_OUT = "fan_out"
    """What lives on, times the kernel."""
    MEAN = "mean of fan_in and fan_out"
    STORED_IN = "stored fan_in"
    """What ``torch.nn.init`` takes for the fan-in, from the order of the stored dimensions."""
    STORED_OUT = "stored fan_out"
    STORED_MEAN = "mean of stored fan_in and fan_out"
    COMPANION = "fan_in of its weight"
    """Of a bias: the fan-in of the weight it is added beside."""
    STORED_COMPANION = "stored fan_in of its weight"
    COMPANION_SECOND = "second dimension of its weight"
    ROWS = "rows"
    """The first dimension: hidden size times gates in a recurrent layer."""
    SECOND = "second dimension"
    LARGEST = "larger side"
    """Of the tensor flattened to a matrix from its second dimension on."""
    SPECTRAL = "fan_in^2 / min(fan_in, fan_out)"
    FAN_IN_HEAD = "fan_in times head size"


Sizes = Mapping[Fan, Fraction]
"""The sizes of one tensor at one width; a fan that the tensor does not have is absent."""


@dataclass(frozen=True, slots=True)
class Fans:
    """The sizes of one tensor in this model and in the base."""

    target: Sizes
    base: Sizes

    @property
    def equal(self) -> bool:
        """Whether no law can tell this model from its base by this tensor."""
        return self.target == self.base

    def ratio(self, fan: Fan) -> Fraction | None:
        """Size here over size at the base; None where the tensor has no such size."""
        if fan is Fan.ONE:
            return Fraction(1)
        if fan not in self.target or not self.base.get(fan):
            return None
        return self.target[fan] / self.base[fan]


@dataclass(frozen=True, slots=True)
class Law:
    """``std = coefficient * size ** exponent``."""

    name: str
    distribution: Distribution
    fan: Fan = Fan.ONE
    coefficient: float | None = None
    """None: any, read off the values."""
    surprise: float = 0.0
    """Minus the logarithm of how often the law is met, up to a constant: 0 for documented ones."""
    exponent: Fraction = Fraction(-1, 2)
    source: str = ""
    residual: bool = False
    """Also met divided by the square root of the number of residual layers."""

    def std(self, sizes: Sizes) -> float | None:
        """The std of a tensor of these sizes; None where the law says nothing about it."""
        size = Fraction(1) if self.fan is Fan.ONE else sizes.get(self.fan)
        if not size or self.coefficient is None:
            return None
        return self.coefficient * math.pow(size, self.exponent)

    def growth(self, fans: Fans) -> float | None:
        """Std at the base over std here: what undoes the law's own dependence on width."""
        ratio = fans.ratio(self.fan)
        return None if ratio is None else math.pow(ratio, -self.exponent)

    def __str__(self) -> str:
        """As the std it gives.

        >>> print(Law("lecun_normal", Distribution.NORMAL, Fan.FAN_IN, 1.0))
        lecun_normal: std fan_in^-1/2
        """
        if self.fan is Fan.ONE:
            value = "that it has" if self.coefficient is None else f"{self.coefficient:.4g}"
            return f"{self.name}: std {value} at every width"
        fan = f"({self.fan})" if " " in self.fan else str(self.fan)
        value = "" if self.coefficient in {None, 1.0} else f"{self.coefficient:.4g} * "
        return f"{self.name}: std {value}{fan}^{self.exponent}"

"""A user's own multipliers and zero inits, on top of what a parametrization says.

``Hyperparameters(output_multiplier=2.0, zero_readout=True)``: tuned at the base like any learning
rate, and the same at every size. Multipliers mean what they would in the forward pass; they are
folded into weights, whose learning rate, weight decay and eps move so that training is the same.
"""

from dataclasses import dataclass, fields
from fractions import Fraction
from math import isfinite

from mupfx.errors import ParametrizationError

_MULTIPLIERS = ("output_multiplier", "embedding_multiplier", "attention_multiplier")


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What a user may choose; the defaults change nothing."""

    output_multiplier: float = 1.0
    """Of what the readout makes, its bias too."""
    embedding_multiplier: float = 1.0
    """Of what is looked up in the embeddings that feed the residual stream."""
    attention_multiplier: float = 1.0
    """Of attention logits."""
    attention_exponent: str | int | Fraction | None = None
    """Logits fall as ``head_dim^-exponent`` where the head size grows; None is the table's own, in
    muP 1. Unsettled: in short runs 1/2 was as stable as 1, or more."""
    zero_readout: bool = False
    """Start the readout's weights at zero."""
    zero_query: bool = False
    """Start queries at zero, so that attention is uniform at first."""

    def __post_init__(self) -> None:
        """Refuse what is no positive number, or no fraction.

        Raises:
            ParametrizationError: Which, and what was found.
        """
        for name in _MULTIPLIERS:
            value: object = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not isfinite(getattr(self, name)) or not getattr(self, name) > 0:
                raise ParametrizationError(
                    f"{name} is no positive number",
                    expected="a number above 0; zero_readout and zero_query start at zero",
                    found=repr(value),
                )
        for name in ("zero_readout", "zero_query"):
            if not isinstance(getattr(self, name), bool):
                raise ParametrizationError(
                    f"{name} is neither true nor false", found=repr(getattr(self, name))
                )
        _ = self.logits

    @property
    def logits(self) -> Fraction | None:
        """``attention_exponent``, read exactly.

        >>> Hyperparameters(attention_exponent="0.5").logits
        Fraction(1, 2)

        Raises:
            ParametrizationError: It is no fraction.
        """
        if self.attention_exponent is None:
            return None
        try:
            return Fraction(str(self.attention_exponent))
        except (ValueError, ZeroDivisionError) as error:
            raise ParametrizationError(
                "attention_exponent is no fraction",
                expected='such as 1, "1/2" or "0.5"',
                found=repr(self.attention_exponent),
            ) from error

    def __str__(self) -> str:
        """What was chosen: ``output_multiplier=2.0 zero_query``."""
        chosen = [(f.name, getattr(self, f.name)) for f in fields(self)]
        changed = [(n, v) for (n, v), f in zip(chosen, fields(self), strict=True) if v != f.default]
        return " ".join(name if value is True else f"{name}={value}" for name, value in changed)


NO_CHOICES = Hyperparameters()

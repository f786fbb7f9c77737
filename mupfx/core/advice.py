"""Advice for growing a model in depth: the exponent its blocks ask for, and choices of design."""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Advice:
    """What one residual stream asks for."""

    stream: str
    depth: int
    """Residual adds."""
    block_depth: int
    """Most weight layers in sequence inside one branch."""
    alpha: Fraction
    """Branches are multiplied by ``depth^-alpha``."""
    parametrization: str
    """The table of that exponent, by name."""
    why: str
    diversity: tuple[str, ...] = ()
    """Choices that let layers of one-matrix blocks learn more different features."""

    def __str__(self) -> str:
        """As text for people: a line, and one more a choice."""
        lines = [f"{self.stream}: {self.parametrization}, alpha {self.alpha}: {self.why}"]
        return "\n".join((*lines, *(f"  {choice}" for choice in self.diversity)))

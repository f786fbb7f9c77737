"""What one parametrization says of one model, beside what others say."""

from collections.abc import Mapping
from dataclasses import dataclass

from mupfx.core.vocabulary import Role


@dataclass(frozen=True, slots=True)
class Cell:
    """Factors of one parameter in the canonical gauge, on values at the base."""

    role: Role
    inside: bool
    """In a residual branch."""
    std: float | None
    """None where values stay as the model draws them."""
    lr_adam: float
    lr_sgd: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """One parametrization."""

    name: str
    cells: Mapping[str, Cell]
    """By parameter."""
    sites: Mapping[str, float]
    """Multipliers that are not one, by kind of site."""
    refused: str | None = None
    """Why it cannot be put on this model, if it cannot."""

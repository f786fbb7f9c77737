"""What was observed, as data: one number a row, and exponents fitted to them.

``Row(width=256, depth=None, seed=0, step=10, block="s0.3", op="linear_7", parameter="...weight",
quantity="own_update", value=0.012)``
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One number."""

    width: int | None
    """None of what is not varied, and of what is fitted over widths."""
    depth: int | None
    seed: int
    step: int
    """Steps of the optimizer before."""
    block: str
    """Stream and position of the block that the op is in; empty outside of blocks."""
    op: str
    """Node of the graph; empty for what is of the whole model or block."""
    parameter: str
    """The first that the op reads."""
    quantity: str
    value: float


@dataclass(frozen=True, slots=True)
class Exponent:
    """How a quantity grows with width or depth: slopes of log against log."""

    quantity: str
    block: str
    op: str
    parameter: str
    step: int
    by: str
    """``width`` or ``depth``."""
    at: int | None
    """The other one."""
    seeds: tuple[int, ...]
    slopes: tuple[float, ...]
    """One a seed."""
    intervals: tuple[tuple[float, float], ...]
    """Of each slope, at 95 percent, by what the fit leaves over."""
    mean: float
    interval: tuple[float, float]
    """Of the mean, by how seeds differ; where there is one seed, of its slope."""

"""The outcome of a check, as data: a verdict, what is wrong, and every number behind it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mupfx.core.finding import Finding, Level


class Verdict(StrEnum):
    """What a check comes to."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """One size of a model; None for what is not varied."""

    width: int | None = None
    depth: int | None = None

    def along(self, axis: str) -> int:
        """The number that grows along an axis, ``width`` or ``depth``."""
        value = self.width if axis == "width" else self.depth
        if value is None:
            raise ValueError(f"{self} has no {axis}")
        return value


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number of one parameter, read at every size, in the canonical gauge."""

    parameter: str
    name: str
    """``init std``, ``learning rate``, ``weight decay``, ``eps`` or ``multiplier``."""
    axis: str
    values: tuple[float, ...]
    """Effective values at the sizes that were read: the smallest and the largest, some between."""
    measured: float | None
    """The exponent that they show; None where there is none (zeros)."""
    expected: float | None
    """None where no rule says."""


@dataclass(frozen=True, slots=True)
class Slope:
    """One statistic of one use of a parameter in training, over sizes and seeds."""

    parameter: str
    use: int
    """Which of its uses, in the order of the forward pass."""
    statistic: str
    """``update``: rms of ``(W_t - W_0) x_t``; ``start``: rms of ``W_0 x_0``."""
    axis: str
    values: tuple[tuple[float, ...], ...]
    """A row a seed, an entry a size."""
    slopes: tuple[float, ...]
    """One a seed."""
    expected: float | None
    interval: tuple[float, float]
    """Of the mean slope over seeds."""
    verdict: Verdict

    @property
    def judged(self) -> bool:
        """Whether the verdict says anything.

        What a model starts with is shown here, and judged where stored values are read.
        """
        return self.statistic == "update" and self.expected is not None

    @property
    def outcome(self) -> str:
        """The verdict in a word."""
        return str(self.verdict) if self.judged else "shown"


@dataclass(frozen=True, slots=True)
class Report:
    """What ``mupfx.check`` returns."""

    target: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    sizes: Mapping[str, tuple[Size, ...]]
    """The sizes tried, by axis (``width``, ``depth``), smallest first."""
    parametrization: str
    quantities: tuple[Quantity, ...] = ()
    slopes: tuple[Slope, ...] = ()
    control: tuple[Slope, ...] = ()
    """Slopes of the unconverted model, where it was trained beside."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Seeds, steps, margin and what else the run was made with."""
    notes: tuple[str, ...] = ()
    """What was supplied because the target does not bring it, and what was not judged."""

    def __str__(self) -> str:
        """The verdict, and a line a finding."""
        return "\n".join((f"{self.verdict.upper()} {self.target}", *map(str, self.findings)))

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that fail the check."""
        return tuple(f for f in self.findings if f.level is Level.ERROR)

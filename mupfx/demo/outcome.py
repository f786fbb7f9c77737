"""What the demo's runs show: the size of each layer's update by width, its slope, and the losses.

The slope is that of log2 size on log2 width: 0 where an update keeps its size, 1 where it doubles
with the width. Sizes are geometric means over seeds.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log2
from statistics import fmean, geometric_mean, linear_regression
from typing import Any

from mupfx.demo.settings import MUP, SP, Run

TOLERANCE = 0.25
"""Largest slope, up or down, of an update that counts as keeping its size."""


@dataclass(frozen=True, slots=True)
class Growth:
    """One layer in one parametrization."""

    sizes: Mapping[int, float]
    """By width, smallest first."""

    @property
    def slope(self) -> float:
        """Slope of log2 size on log2 width."""
        widths, sizes = map(log2, self.sizes), map(log2, self.sizes.values())
        return linear_regression(list(widths), list(sizes)).slope

    @property
    def ratios(self) -> tuple[float, ...]:
        """Sizes over the size at the smallest width."""
        smallest, *others = self.sizes.values()
        return tuple(size / smallest for size in others)

    @property
    def keeps(self) -> bool:
        """Whether the size stays."""
        return abs(self.slope) <= TOLERANCE

    @property
    def grows(self) -> bool:
        """Whether the size grows."""
        return self.slope > TOLERANCE

    def to_dict(self) -> dict[str, Any]:
        """Sizes and slope."""
        return {"rms": _texts(self.sizes), "slope": self.slope}


@dataclass(frozen=True, slots=True)
class Side:
    """One parametrization."""

    layers: Mapping[str, Growth]
    losses: Mapping[int, float]
    """By width, smallest first; means over seeds."""

    def to_dict(self) -> dict[str, Any]:
        """Losses, and the growth of each layer."""
        updates = {name: growth.to_dict() for name, growth in self.layers.items()}
        return {"loss": _texts(self.losses), "updates": updates}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Both parametrizations."""

    sp: Side
    mup: Side

    @property
    def shown(self) -> bool:
        """Whether every update keeps its size in muP, and some update grows without it."""
        kept = all(growth.keeps for growth in self.mup.layers.values())
        return kept and any(growth.grows for growth in self.sp.layers.values())

    def to_dict(self) -> dict[str, Any]:
        """The ``demo --json`` format."""
        return {SP: self.sp.to_dict(), MUP: self.mup.to_dict(), "shown": self.shown}


def outcome(runs: Sequence[Run]) -> Outcome:
    """Put the runs of all widths and seeds side by side."""
    return Outcome(*(_side([r for r in runs if r.parametrization == kind]) for kind in (SP, MUP)))


def _side(runs: Sequence[Run]) -> Side:
    sizes = {name: [(run.width, run.updates[name]) for run in runs] for name in runs[0].updates}
    growths = {name: Growth(_means(pairs, geometric_mean)) for name, pairs in sizes.items()}
    return Side(growths, _means([(run.width, run.loss) for run in runs], fmean))


def _means(
    pairs: Sequence[tuple[int, float]], mean: Callable[[Iterable[float]], float]
) -> dict[int, float]:
    """Averages over seeds, by width.

    >>> _means([(128, 2.0), (64, 1.0), (64, 3.0)], fmean)
    {64: 2.0, 128: 2.0}
    """
    widths = sorted({width for width, _ in pairs})
    return {at: mean(value for width, value in pairs if width == at) for at in widths}


def _texts(numbers: Mapping[int, float]) -> dict[str, float]:
    return {str(key): value for key, value in numbers.items()}

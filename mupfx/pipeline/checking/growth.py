"""Looking longer at what stays undecided: more seeds first, then a wider model.

``fast``: three seeds at 64 to 512; while a slope is inconclusive, up to six.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mupfx.core.report import Size, Slope, Verdict
from mupfx.core.run import Run

Judge = Callable[[Sequence[Run]], tuple[Slope, ...]]
MakeRun = Callable[[Size, int], Run]
"""Trains one size with one seed."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How far one axis may grow; counts and no clock, so that two checks do the same."""

    seeds: tuple[int, ...]
    """To begin with."""
    most_seeds: int
    wider: int
    """How often the largest size may be doubled."""

    @property
    def looks(self) -> int:
        """How often all slopes may be judged, each time on more runs."""
        return 1 + max(0, self.most_seeds - len(self.seeds)) + self.wider


@dataclass(frozen=True, slots=True)
class Grown:
    """All that was run, and what it came to."""

    runs: tuple[Run, ...]
    slopes: tuple[Slope, ...]
    sizes: tuple[Size, ...]
    seeds: tuple[int, ...]


def grow(sizes: Sequence[Size], axis: str, budget: Budget, make: MakeRun, judge: Judge) -> Grown:
    """Run until one slope has failed, all are decided, or the budget is spent.

    A run that was not finite ends it at once: more of them say no more.
    """
    tried, seeds = list(sizes), list(budget.seeds)
    runs = [make(size, seed) for seed in seeds for size in tried]
    while True:
        slopes = judge(runs)
        verdicts = {slope.verdict for slope in slopes}
        if Verdict.INCONCLUSIVE not in verdicts or Verdict.FAIL in verdicts:
            break
        if any(run.not_finite for run in runs):
            break
        if len(seeds) < budget.most_seeds:
            seeds.append(max(seeds) + 1)
            runs += [make(size, seeds[-1]) for size in tried]
        elif len(tried) < len(sizes) + budget.wider:
            tried.append(_doubled(tried[-1], axis))
            runs += [make(tried[-1], seed) for seed in seeds]
        else:
            break
    return Grown(tuple(runs), slopes, tuple(tried), tuple(seeds))


def _doubled(size: Size, axis: str) -> Size:
    if axis == "width":
        return replace(size, width=2 * size.along(axis))
    return replace(size, depth=2 * size.along(axis))

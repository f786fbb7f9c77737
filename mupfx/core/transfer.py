"""A sweep of learning rates over sizes, as data: what is trained, what came of it, what follows.

``Trial("mup", Size(width=256), seed=0, lr=0.00390625)`` is one training; its ``Run`` holds the
loss. An ``Optimum`` is where a size's losses are least; a ``Drift`` is how that moves with size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

from mupfx.core.report import Size, Verdict

Interval = tuple[float, float]

OWN, SP = "own", "sp"
"""The target as it makes itself, and with nothing that mupfx does to it."""
DECAYS = ("none", "linear", "cosine")


@dataclass(frozen=True, slots=True, order=True)
class Trial:
    """One training."""

    parametrization: str
    size: Size
    seed: int
    lr: float


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one training."""

    trial: Trial
    loss: float | None
    """At the end; None where it diverged."""
    start: float | None
    """Of the first step."""
    steps: int
    """Those that were taken."""
    seconds: float

    @property
    def diverged(self) -> bool:
        """Whether the loss stopped being a number."""
        return self.loss is None

    def to_dict(self) -> dict[str, Any]:
        """A line of the file of results."""
        trial = self.trial
        return {
            "parametrization": trial.parametrization,
            "width": trial.size.width,
            "depth": trial.size.depth,
            "seed": trial.seed,
            "lr": trial.lr,
            "loss": self.loss,
            "start": self.start,
            "steps": self.steps,
            "seconds": round(self.seconds, 3),
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Run":
        """The inverse of ``to_dict``."""
        size = Size(data["width"], data["depth"])
        trial = Trial(str(data["parametrization"]), size, int(data["seed"]), float(data["lr"]))
        loss, start = (None if data[key] is None else float(data[key]) for key in ("loss", "start"))
        return Run(trial, loss, start, int(data["steps"]), float(data["seconds"]))


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides how one trial ends; results of different recipes are never mixed."""

    target: str
    """As it is called in reports."""
    base: Size
    source: str = ""
    """A digest of the target's file: other code, other results."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Of the target, beside size, seed and rate."""
    steps: int = 100
    optimizer: str = "AdamW"
    """Of ``torch.optim``, where the target makes none."""
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    """Of the optimizer, beside the rate."""
    warmup: int = 0
    """Steps over which the rate rises."""
    decay: str = "none"
    """How it falls from there to the last step, one of ``DECAYS``."""
    tail: float = 0.1
    """The part of the last steps whose losses are averaged, where nothing is held out."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Which trials; a grid may grow, and what is there already is kept."""

    sizes: tuple[Size, ...]
    rates: tuple[float, ...]
    seeds: tuple[int, ...]
    parametrizations: tuple[str, ...]

    def trials(self) -> tuple[Trial, ...]:
        """Every combination."""
        return tuple(
            Trial(parametrization, size, seed, lr)
            for parametrization in self.parametrizations
            for size in self.sizes
            for seed in self.seeds
            for lr in self.rates
        )


@dataclass(frozen=True, slots=True)
class Curve:
    """The losses of one size in one parametrization."""

    rates: tuple[float, ...]
    """Smallest first."""
    losses: tuple[tuple[float | None, ...], ...]
    """A row a rate, an entry a seed; None where it diverged."""
    seeds: tuple[int, ...]

    @property
    def means(self) -> tuple[float, ...]:
        """Over seeds; infinite where any diverged."""
        return tuple(mean(row) for row in self.losses)


def mean(losses: Sequence[float | None]) -> float:
    """Of several seeds.

    >>> mean([1.0, 2.0]), mean([1.0, None])
    (1.5, inf)
    """
    known = [loss for loss in losses if loss is not None and isfinite(loss)]
    return sum(known) / len(known) if known and len(known) == len(losses) else float("inf")


@dataclass(frozen=True, slots=True)
class Optimum:
    """The best learning rate of one size."""

    lr: float
    interval: Interval | None
    """None for one seed."""
    loss: float
    """The least of the means over seeds; infinite where every rate diverged."""
    edge: str = ""
    """``low`` or ``high`` where the best rate tried is the last on that side: it may lie beyond."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it, which knows no infinity."""
        return asdict(self) | {"loss": self.loss if isfinite(self.loss) else None}


@dataclass(frozen=True, slots=True)
class Drift:
    """How the best learning rate moves along one axis; all numbers are octaves."""

    parametrization: str
    axis: str
    other: int | None
    """The size along the other axis; None where there is one."""
    per_doubling: float
    """Slope of log2 of the best rate on log2 of the size."""
    per_doubling_interval: Interval | None
    total: float
    """From the first size to the last."""
    total_interval: Interval | None
    verdict: Verdict
    why: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """What ``mupfx.transfer`` returns."""

    recipe: Recipe
    grid: Grid
    tolerance: float
    """Octaves that an optimum may move from the first size to the last."""
    runs: tuple[Run, ...]
    curves: Mapping[str, Mapping[Size, Curve]]
    """By parametrization and size, smallest first."""
    optima: Mapping[str, Mapping[Size, Optimum]]
    drifts: tuple[Drift, ...]
    notes: tuple[str, ...] = ()
    folder: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The ``transfer --json`` format; rates and their drift, without single runs."""
        return {
            "target": self.recipe.target,
            "verdict": str(self.verdict),
            "tolerance": self.tolerance,
            "recipe": asdict(self.recipe),
            "seeds": list(self.grid.seeds),
            "curves": [
                {
                    "parametrization": parametrization,
                    **asdict(size),
                    "rates": list(curve.rates),
                    "losses": [list(row) for row in curve.losses],
                    "optimum": self.optima[parametrization][size].to_dict(),
                }
                for parametrization, sizes in self.curves.items()
                for size, curve in sizes.items()
            ],
            "drifts": [asdict(drift) for drift in self.drifts],
            "notes": list(self.notes),
        }

    @property
    def verdict(self) -> Verdict:
        """Of the parametrizations other than the standard one, which is there for comparison."""
        judged = [d.verdict for d in self.drifts if d.parametrization != SP]
        verdicts = judged or [drift.verdict for drift in self.drifts]
        for worst in (Verdict.FAIL, Verdict.INCONCLUSIVE):
            if worst in verdicts:
                return worst
        return Verdict.PASS if verdicts else Verdict.INCONCLUSIVE

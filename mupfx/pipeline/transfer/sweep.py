"""A whole sweep: what is missing is trained, and the grid is extended and refined as asked.

Where the least loss lies at the end of the grid, the next rate beyond is tried; where it lies
inside, the rates half way to its neighbours. What is next follows from the runs so far, and not
from others on disk, so a sweep that was interrupted goes on as it would have.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log2
from pathlib import Path

from mupfx.core.report import Size
from mupfx.core.transfer import Curve, Drift, Grid, Recipe, Run, Transfer, Trial
from mupfx.observables.drift import Fitted, drift, fitted
from mupfx.observables.optimum import fit
from mupfx.pipeline.transfer.engines import Engine, Work
from mupfx.pipeline.transfer.estimate import estimate
from mupfx.pipeline.transfer.store import Store, opened

Runs = Mapping[Trial, Run]


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is about to be trained."""

    trials: int
    seconds: float
    """Of all together, as many at a time as there are jobs."""
    jobs: int
    done: int
    """Found on disk."""
    reason: str


@dataclass(frozen=True, slots=True)
class Watch:
    """Who wants to know how it goes."""

    planned: Callable[[Ahead], object] = lambda _: None
    done: Callable[[Run, float], object] = lambda _run, _share: None
    """A run, and the part that it is of the seconds that were planned."""


@dataclass(frozen=True, slots=True)
class How:
    """What does not change results."""

    folder: Path
    engine: Engine
    jobs: int
    extend: int = 0
    """Rounds in which ends of the grid are moved."""
    refine: int = 0
    """Rounds in which rates between are tried."""
    tolerance: float = 0.5
    watch: Watch = Watch()


def sweep(work: Work, grid: Grid, how: How) -> Transfer:
    """Train what is missing, and judge how the optimum moves.

    Raises:
        MupfxError: The folder holds other results, or a training cannot be done.
    """
    with opened(how.folder, work.recipe) as store:
        runs = _train(work, grid.trials(), how, store, "the grid")
        for _ in range(how.extend):
            runs |= _train(work, beyond(grid, runs), how, store, "beyond the ends of the grid")
        for _ in range(how.refine):
            runs |= _train(work, between(grid, runs), how, store, "rates between")
        return result(work.recipe, grid, runs, how)


def _train(
    work: Work, trials: Sequence[Trial], how: How, store: Store, reason: str
) -> dict[Trial, Run]:
    """The runs of these trials; those on disk are not trained again."""
    missing = [trial for trial in trials if trial not in store.runs]
    if missing:
        seconds = estimate(work, missing, store.runs.values())
        whole = sum(seconds[trial.size] for trial in missing)
        missing.sort(key=lambda trial: -seconds[trial.size])  # the longest first: all end together
        done = len(trials) - len(missing)
        how.watch.planned(Ahead(len(missing), whole / how.jobs, how.jobs, done, reason))
        for run in how.engine(work, missing, how.jobs):
            store.add(run)
            how.watch.done(run, seconds[run.trial.size] / whole)
    return {trial: store.runs[trial] for trial in trials}


def curves(grid: Grid, runs: Runs) -> dict[str, dict[Size, Curve]]:
    """Losses by parametrization and size, at every rate that all seeds were trained at."""
    return {
        parametrization: {size: _curve(grid, runs, parametrization, size) for size in grid.sizes}
        for parametrization in grid.parametrizations
    }


def _curve(grid: Grid, runs: Runs, parametrization: str, size: Size) -> Curve:
    rates = sorted({t.lr for t in runs if (t.parametrization, t.size) == (parametrization, size)})
    rows = {
        lr: [runs.get(Trial(parametrization, size, seed, lr)) for seed in grid.seeds]
        for lr in rates
    }
    whole = {
        lr: tuple(run.loss for run in row if run is not None)
        for lr, row in rows.items()
        if None not in row
    }
    return Curve(tuple(whole), tuple(whole.values()), grid.seeds)


def beyond(grid: Grid, runs: Runs) -> list[Trial]:
    """The next rates where the best is the last."""
    step = _step(grid)
    return [
        Trial(parametrization, size, seed, _next(curve, edge, step))
        for parametrization, size, curve, edge in _fits(grid, runs)
        if edge
        for seed in grid.seeds
    ]


def between(grid: Grid, runs: Runs) -> list[Trial]:
    """Rates half way from the best to its neighbours."""
    return [
        Trial(parametrization, size, seed, lr)
        for parametrization, size, curve, edge in _fits(grid, runs)
        if not edge
        for lr in _halves(curve)
        for seed in grid.seeds
    ]


def _fits(grid: Grid, runs: Runs) -> Iterator[tuple[str, Size, Curve, str]]:
    for parametrization, sizes in curves(grid, runs).items():
        for size, curve in sizes.items():
            yield parametrization, size, curve, fit(curve).edge


def _step(grid: Grid) -> float:
    """Octaves between the grid's rates."""
    return (log2(grid.rates[-1]) - log2(grid.rates[0])) / (len(grid.rates) - 1)


def _next(curve: Curve, edge: str, step: float) -> float:
    if edge == "low":
        return curve.rates[0] * float(2**-step)
    return curve.rates[-1] * float(2**step)


def _halves(curve: Curve) -> tuple[float, float]:
    best = min(range(len(curve.rates)), key=curve.means.__getitem__)
    low, middle, high = curve.rates[best - 1 : best + 2]
    return (low * middle) ** 0.5, (middle * high) ** 0.5


def result(recipe: Recipe, grid: Grid, runs: Runs, how: How) -> Transfer:
    """Optima and drifts of what there is."""
    found = curves(grid, runs)
    fits = {p: {s: fitted(curve) for s, curve in of.items()} for p, of in found.items()}
    return Transfer(
        recipe,
        grid,
        how.tolerance,
        tuple(sorted(runs.values(), key=lambda run: run.trial)),
        found,
        {p: {s: each.optimum for s, each in of.items()} for p, of in fits.items()},
        tuple(_drifts(fits, how.tolerance)),
        folder=str(how.folder),
    )


def _drifts(fits: Mapping[str, Mapping[Size, Fitted]], tolerance: float) -> Iterator[Drift]:
    """Along each axis that varies, one for every size along the other."""
    for parametrization, sizes in fits.items():
        for axis, other_axis in (("width", "depth"), ("depth", "width")):
            for other in sorted({getattr(s, other_axis) for s in sizes}, key=lambda n: n or 0):
                line = {s: f for s, f in sizes.items() if getattr(s, other_axis) == other}
                if len({getattr(s, axis) for s in line}) > 1:
                    yield drift(parametrization, axis, other, line, tolerance)

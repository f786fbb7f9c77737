"""How long a sweep will take: a few steps at each size, or what earlier runs took."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import fmean
from time import perf_counter

from mupfx.core.report import Size
from mupfx.core.transfer import Recipe, Run, Trial
from mupfx.pipeline.checking.target import Factory
from mupfx.pipeline.transfer.engines import Work
from mupfx.pipeline.transfer.trial import run_trial

_STEPS = 3

Seconds = Mapping[Size, float]
"""Of one training."""


def estimate(work: Work, trials: Sequence[Trial], known: Iterable[Run]) -> Seconds:
    """Seconds that one training takes at each size."""
    recipe = work.recipe
    past: dict[Size, list[float]] = {}
    for run in known:
        if run.steps == recipe.steps:
            past.setdefault(run.trial.size, []).append(run.seconds)
    one_of = {trial.size: trial for trial in trials}
    return {
        size: fmean(past[size]) if size in past else _measured(work.find(), recipe, trial)
        for size, trial in one_of.items()
    }


def _measured(factory: Factory, recipe: Recipe, trial: Trial) -> float:
    """Of a short training: what comes before and after the steps, and the steps."""
    stamps: list[float] = []
    short = replace(recipe, steps=min(recipe.steps, _STEPS))
    began = perf_counter()
    run_trial(factory, short, trial, lambda: stamps.append(perf_counter()))
    whole = perf_counter() - began
    if len(stamps) < 2:
        return whole
    step = min(after - before for before, after in pairwise(stamps))
    return whole + step * (recipe.steps - len(stamps))

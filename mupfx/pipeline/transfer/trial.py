"""One training of a sweep: steps at one base rate, and the loss at the end.

A loss that is not finite ends it: that a rate diverges is a result.
"""

from collections.abc import Callable
from math import cos, isfinite, pi
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from mupfx.core.transfer import Recipe, Run, Trial
from mupfx.errors import MupfxError, TargetError
from mupfx.pipeline.checking.setups import spelled
from mupfx.pipeline.checking.surroundings import untouched
from mupfx.pipeline.checking.target import Factory, raised
from mupfx.pipeline.transfer.task import Task, task_of

AfterStep = Callable[[], object]


def run_trial(
    factory: Factory, recipe: Recipe, trial: Trial, after_step: AfterStep | None = None
) -> Run:
    """Train; random generators and settings of torch are left as they were.

    Raises:
        TargetError: The target brings no data, or too little, or its training raised something.
        MupfxError: Its model cannot be converted.
    """
    began = perf_counter()
    try:
        with untouched():
            torch.set_num_threads(1)  # many small trainings share the cores; all round alike
            task = task_of(factory, recipe, trial)
            losses = _train(task, recipe, after_step)
            loss = _final(task, recipe, losses)
    except MupfxError:
        raise
    except Exception as error:
        where = f"{spelled(trial.size)}, seed={trial.seed}, lr={trial.lr:g}"
        raise raised(f"training `{recipe.target}`", error, where) from error
    start = losses[0] if isfinite(losses[0]) else None
    return Run(trial, loss, start, len(losses), perf_counter() - began)


def rate_at(step: int, recipe: Recipe) -> float:
    """What the rate is multiplied by at a step, the first of which is 0.

    >>> [rate_at(step, Recipe("", None, steps=4, warmup=2, decay="linear")) for step in range(4)]
    [0.5, 1.0, 1.0, 0.5]
    """
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    match recipe.decay:
        case "linear":
            return 1 - done
        case "cosine":
            return (1 + cos(pi * done)) / 2
    return 1.0


def _train(task: Task, recipe: Recipe, after_step: AfterStep | None) -> list[float]:
    """The loss of every step that was taken; one that is not finite is the last."""
    task.model.train()
    groups = [group for optimizer in task.optimizers for group in optimizer.param_groups]
    rates = [group["lr"] for group in groups]
    losses: list[float] = []
    for step in range(recipe.steps):
        if not task.schedulers:
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate * rate_at(step, recipe)
        losses.append(_step(task, _next(task, recipe, step)))
        if after_step is not None:
            after_step()
        if not isfinite(losses[-1]):
            break
    return losses


def _next(task: Task, recipe: Recipe, step: int) -> Any:
    batch = next(task.batches, None)
    if batch is None:
        raise TargetError(
            f"the batches of `{recipe.target}` end after {step} steps",
            expected=f"{recipe.steps} batches, or an iterable that can be read again",
        )
    return batch


def _step(task: Task, batch: Any) -> float:
    loss: Tensor = task.loss(task.model, batch)
    for optimizer in task.optimizers:
        optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    for optimizer in task.optimizers:
        optimizer.step()
    for scheduler in task.schedulers:
        scheduler.step()
    return float(loss.detach())


def _final(task: Task, recipe: Recipe, losses: list[float]) -> float | None:
    """Of what was held out, else of the last steps."""
    if not isfinite(losses[-1]):
        return None
    if task.held_out is None:
        last = losses[-max(1, round(recipe.tail * len(losses))) :]
        loss = sum(last) / len(last)
    else:
        task.model.eval()
        with torch.no_grad():
            loss = float(task.loss(task.model, task.held_out))
    return loss if isfinite(loss) else None

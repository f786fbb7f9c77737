"""Some real steps: the target's own model, optimizer, loss and schedule, watched.

The updates are those of the last forward passes; after the last there is neither a backward pass
nor a step::

    forward (starts)  backward  step | forward  backward  step | forward (updates)    3 steps
"""

import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from mupfx.core.run import Gradient, Run, Seen, Use
from mupfx.core.setup import Setup
from mupfx.observables.gradients import Gradients
from mupfx.observables.kept import Kept, tensors_in
from mupfx.observables.recorder import Recorder
from mupfx.passes.groups import absolute
from mupfx.pipeline.checking.first_step import orthogonal
from mupfx.pipeline.checking.gradients import rms_of
from mupfx.pipeline.checking.rates import Rates, floors, pinned
from mupfx.pipeline.checking.trainable import require_plain

STEPS = 3


def train(  # noqa: PLR0913 - a setup, and what to write down
    setup: Setup,
    *,
    steps: int = STEPS,
    recorded: int = 1,
    starts: bool = True,
    means: bool = False,
    first: bool = False,
) -> Run:
    """Train a fresh setup for some steps, and write down what they did.

    Args:
        setup: Used up by this.
        steps: Forward passes; there is one update fewer.
        recorded: In how many forward passes, the last ones, updates are measured.
        starts: Measure ``W_0 x_0`` as well.
        means: Measure mean ``|x|`` after every op of the last pass, too.
        first: Measure the rms of the first gradients, too.

    Raises:
        OptimizerError: An optimizer needs a closure.
    """
    for optimizer in setup.optimizers:
        require_plain(optimizer)
    with torch.random.fork_rng(), torch.enable_grad(), _eager():
        torch.manual_seed(setup.seed)
        return _Training(setup, starts=starts, means=means, first=first).run(steps, recorded)


class _Training:
    """The loop, and what it has written down."""

    def __init__(self, setup: Setup, *, starts: bool, means: bool, first: bool) -> None:
        self.setup, self.starts, self.means = setup, starts, means
        self.first: dict[str, float] | None = None if first else {}
        self.kept = Kept(setup.model)
        self.gradients = Gradients(setup.model)
        self.rates = Rates(setup)
        self.losses: list[float] = []
        self.steps: list[Mapping[str, Gradient]] = []
        self.not_finite = ""
        self.whole: frozenset[str] = frozenset()
        self.unwatched: dict[str, str] = {}

    def run(self, steps: int, recorded: int) -> Run:
        given = self.rates.given()
        start: dict[Use, Seen] = {}
        seen: list[Recorder] = []
        with self.rates.watched(), self.gradients.watched():
            last = steps - 1
            for step in range(steps):
                recorder = self._recorder(step, last, recorded)
                loss = self._forward(recorder)
                if recorder is not None and step:
                    seen.append(recorder)
                elif recorder is not None:
                    start = recorder.seen()
                if not self._finite(loss, step) or step == last:
                    break
                self._update(loss)
        return self._run(given, start, seen)

    def _recorder(self, step: int, last: int, recorded: int) -> Recorder | None:
        if step > last - recorded and step:
            return self._watch(means=self.means and step == last)
        return self._watch(start=True) if self.starts and not step else None

    def _watch(self, *, start: bool = False, means: bool = False) -> Recorder:
        return Recorder(self.kept, tensors_in(self.setup.batch), start=start, means=means)

    def _forward(self, recorder: Recorder | None) -> Tensor:
        setup = self.setup
        if recorder is None:
            return setup.loss(setup.model, setup.batch)
        with _called_with(setup.model, recorder), recorder:
            loss = setup.loss(setup.model, setup.batch)
        self.unwatched |= recorder.unwatched
        return loss

    def _finite(self, loss: Tensor, step: int) -> bool:
        self.losses.append(float(loss.detach()))
        if not math.isfinite(self.losses[-1]):
            self.not_finite = self.not_finite or f"the loss of step {step + 1}"
        return not self.not_finite

    def _update(self, loss: Tensor) -> None:
        for optimizer in self.setup.optimizers:
            optimizer.zero_grad()
        torch.autograd.backward(loss)
        if self.first is None:
            self.first = rms_of(self.gradients.now())
        before = self.gradients.sizes()
        self.rates.begin()
        for optimizer in self.setup.optimizers:
            optimizer.step()
        found = self.gradients.compared(before, self.gradients.sizes())
        self.whole = self.whole if self.steps else orthogonal(self.setup, self.kept)
        self.steps.append(found)
        broken = [name for name, g in found.items() if not math.isfinite(g.norm)]
        if broken:
            self.not_finite = f"the gradient of {broken[0]} in step {len(self.steps)}"
        for scheduler in self.setup.schedulers:
            _advance(scheduler, self.losses[-1])

    def _run(
        self, given: Mapping[str, float], start: Mapping[Use, Seen], seen: Sequence[Recorder]
    ) -> Run:
        updates = _together([recorder.seen() for recorder in seen])
        broken = [use for use, found in updates.items() if not math.isfinite(found.size)]
        if broken and not self.not_finite:
            self.not_finite = f"the update of {broken[0].parameter}"
        return Run(
            size=self.setup.size,
            seed=self.setup.seed,
            losses=tuple(self.losses),
            updates=updates,
            starts=start,
            given=given,
            rates=tuple(self.rates.steps),
            scheduled=tuple(self.rates.scheduled),
            gradients=tuple(self.steps),
            families=self.rates.families(),
            schedules=absolute(self.setup.schedulers),
            pinned=tuple(pinned(self.setup.schedulers)),
            floors=tuple(floors(self.setup.schedulers)),
            means=seen[-1].means() if seen else {},
            first=self.first or {},
            whole=self.whole,
            not_finite=self.not_finite,
            unwatched=tuple(f"{where}: {why}" for where, why in self.unwatched.items()),
        )


@contextmanager
def _called_with(model: nn.Module, recorder: Recorder) -> Iterator[None]:
    """What the model is called with is data, also where the batch does not show it."""

    def note(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        recorder.add_data(tensors_in((args, kwargs)))

    handle = model.register_forward_pre_hook(note, with_kwargs=True, prepend=True)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _eager() -> Iterator[None]:
    """Compiled code runs op by op: what is fused cannot be seen."""
    with torch.compiler.set_stance("force_eager"):
        yield


def _together(seen: Sequence[Mapping[Use, Seen]]) -> dict[Use, Seen]:
    """Rms over several forward passes, of what all of them have."""
    found = {}
    for use, last in seen[-1].items() if seen else ():
        rows = [s[use] for s in seen if use in s]
        if len(rows) == len(seen):
            parts = [r.coherent for r in rows if r.coherent is not None]
            coherent = _rms(parts) if len(parts) == len(rows) else None
            found[use] = replace(last, size=_rms([r.size for r in rows]), coherent=coherent)
    return found


def _rms(values: Sequence[float]) -> float:
    return math.sqrt(sum(v * v for v in values) / len(values))


def _advance(scheduler: Any, loss: float) -> None:
    """One step of a scheduler, of those that look at the loss as well."""
    if "metrics" in inspect.signature(scheduler.step).parameters:
        scheduler.step(loss)
    else:
        scheduler.step()

"""Observe a target: every size and seed trained and watched, one graph a size."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

from torch import nn

from mupfx.core.observed import Row
from mupfx.core.report import Size
from mupfx.core.setup import Loss, Setup
from mupfx.errors import ObserveError, did_you_mean
from mupfx.observables.graph import ModelGraph
from mupfx.observables.observations import Observations
from mupfx.pipeline.checking.returns import read_made
from mupfx.pipeline.checking.setups import Workshop, spelled
from mupfx.pipeline.checking.surroundings import untouched
from mupfx.pipeline.checking.target import Target, read_target
from mupfx.pipeline.observing.graphs import Call, graph_of, holds
from mupfx.pipeline.observing.scales import predicted_gamma, richness
from mupfx.pipeline.observing.training import Recorder, Wanted, never_called
from mupfx.tables.mup import MUP

WHAT = (
    "coordinates",
    "updates",
    "output",
    "ntk",
    "feature_speed",
    "diversity",
    "richness",
    "gamma",
)
"""Everything that can be observed."""
Steps = int | Sequence[int]


@dataclass(frozen=True, slots=True)
class Observing:
    """What a user asks for."""

    what: Sequence[str] = WHAT
    widths: Sequence[int] = ()
    depths: Sequence[int] = ()
    seeds: Sequence[int] = (0,)
    steps: Steps = 4
    seldom: Sequence[int] | None = None
    """Steps at which kernels, speeds and diversity are taken; None for the first and the last."""
    batch: Any = None
    loss: Loss | None = None
    optimizer: Callable[[nn.Module], Any] | None = None
    inputs: Any = None
    progress: Callable[[str, float, float], object] | None = None
    """Is told what is at work, how many runs are done, and of how many."""


def observe(subject: object, asked: Observing) -> Observations:
    """Rows of every size and seed, in order.

    Raises:
        ObserveError: Something is asked for that there is not.
        TargetError: The target does not work.
        CaptureError: The model cannot be run as a graph.
    """
    wanted = _wanted(asked)
    with untouched():
        target = _target(subject, asked)
        sizes = _sizes(asked)
        inputs = asked.batch if asked.loss is None and asked.batch is not None else asked.inputs
        workshop = Workshop(target, sizes, inputs, MUP)
        rows: list[Row] = []
        notes: list[str] = []
        for place, size in enumerate(sizes):
            told = partial(_tell, asked, place * len(asked.seeds), len(sizes) * len(asked.seeds))
            rows += _of_size(workshop, size, asked.seeds, wanted, (notes, told))
    if "richness" in wanted.what:
        rows += richness(rows)
    return Observations(target.name, tuple(rows), tuple(dict.fromkeys(filter(None, notes))))


def _of_size(
    workshop: Workshop,
    size: Size,
    seeds: Sequence[int],
    wanted: Wanted,
    said: tuple[list[str], Callable[[int, str], None]],
) -> list[Row]:
    notes, tell = said
    graph: ModelGraph | None = None
    rows: list[Row] = []
    for place, seed in enumerate(seeds):
        tell(place, f"{spelled(size) or 'the model'}, seed {seed}")
        setup = workshop.setup(size, seed)
        call = _call(setup)
        if graph is None or not holds(graph, setup.model, call):
            graph = graph_of(setup.model, call)
            _require_same(graph, setup.model, call)
        recorder = Recorder(graph, setup, wanted)
        rows += recorder.run()
        notes += (*setup.supplied, *graph.notes, *recorder.notes)
        if "gamma" in wanted.what:
            rows += predicted_gamma(graph, setup, wanted.steps[0])
    return rows


def _tell(asked: Observing, before: int, total: int, done: int, now: str) -> None:
    if asked.progress is not None:
        asked.progress(now, before + done, total)


def _call(setup: Setup) -> Call:
    if not (setup.args or setup.kwargs):
        raise never_called()
    return Call(setup.args, setup.kwargs)


def _require_same(graph: ModelGraph, model: nn.Module, call: Call) -> None:
    if not holds(graph, model, call):
        raise ObserveError(
            f"the graph of {type(model).__name__} does not give what the model gives",
            hint="a model that draws random numbers of its own, or keeps state between calls, "
            "cannot be observed",
        )


def _wanted(asked: Observing) -> Wanted:
    for name in asked.what:
        if name not in WHAT:
            raise ObserveError(
                f"`{name}` is nothing that can be observed",
                expected=", ".join(WHAT),
                hint=did_you_mean(name, WHAT),
            )
    steps = _steps(asked.steps)
    seldom = (steps[0], steps[-1]) if asked.seldom is None else tuple(asked.seldom)
    return Wanted(frozenset(asked.what), tuple(sorted({*steps, *seldom})), seldom)


def _steps(asked: Steps) -> tuple[int, ...]:
    """When to record: given, or 0, 1, 2, 4, ... and the last."""
    if isinstance(asked, int):
        doubled = [2**i for i in range(max(asked, 1).bit_length()) if 2**i < asked]
        asked = [0, *doubled, asked]
    found = tuple(sorted(set(asked)))
    if not found or found[0] < 0:
        raise ObserveError("steps are counted from 0", found=str(list(asked)))
    return found


def _sizes(asked: Observing) -> list[Size]:
    widths: Sequence[int | None] = sorted(asked.widths) or (None,)
    depths: Sequence[int | None] = sorted(asked.depths) or (None,)
    return [Size(width, depth) for depth, width in product(depths, widths)]


def _target(subject: object, asked: Observing) -> Target:
    """The target, with the batch, loss and optimizer that were given in place of its own."""
    axes = tuple(
        axis for axis, sizes in (("width", asked.widths), ("depth", asked.depths)) if sizes
    )
    if isinstance(subject, nn.Module):
        if axes:
            raise ObserveError(
                f"one model has one {axes[0]}",
                expected="a factory, to be called with every size",
                hint="mupfx.observe(lambda width: Model(width), ...)",
            )
        model = subject
        target = Target(lambda: copy.deepcopy(model), type(model).__name__, declared=frozenset())
    else:
        target = read_target(subject, axes)
    return replace(target, factory=_with_given(target, asked))


def _with_given(target: Target, asked: Observing) -> Callable[..., object]:
    if asked.loss is None and asked.optimizer is None:
        return target.factory

    def factory(**sizes: Any) -> object:
        made = read_made(target.factory(**sizes), target.name)
        loss = asked.loss if asked.loss is not None else made.loss
        batch = asked.batch if asked.loss is not None else made.batch
        optimizer: Any = made.optimizers
        if asked.optimizer is not None:
            optimizer = asked.optimizer(made.model)
        found: dict[str, Any] = {"model": made.model, "scheduler": made.schedulers}
        if loss is not None:
            found |= {"batch": batch, "loss": loss}
        return found | ({} if optimizer is None else {"optimizer": optimizer})

    return factory

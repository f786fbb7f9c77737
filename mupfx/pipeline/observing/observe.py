"""Observe a target: every size and seed trained and watched, one graph a size."""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from math import isfinite
from numbers import Integral
from typing import Any

from torch import nn

from mupfx.core.observed import Row
from mupfx.core.report import Size
from mupfx.core.setup import Loss, Setup
from mupfx.errors import ObserveError, TargetError, did_you_mean
from mupfx.observables.graph import ModelGraph
from mupfx.observables.observations import Observations
from mupfx.pipeline.checking.returns import read_made
from mupfx.pipeline.checking.setups import Workshop, spelled
from mupfx.pipeline.checking.surroundings import untouched
from mupfx.pipeline.checking.target import Target, Words, read_target
from mupfx.pipeline.checking.trainable import guarded, require_plain
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
        seeds = _seeds(asked.seeds)
        workshop = Workshop(target, sizes, inputs, MUP)
        rows: list[Row] = []
        notes: list[str] = []
        for place, size in enumerate(sizes):
            told = partial(_tell, asked, place * len(seeds), len(sizes) * len(seeds))
            rows += _of_size(workshop, size, seeds, wanted, (notes, told))
    notes += _diverged(rows)
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
        setup = _trainable(workshop.setup(size, seed), workshop.target.name)
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


def _trainable(setup: Setup, name: str) -> Setup:
    """A setup whose loss says what is wrong with it.

    Raises:
        ObserveError: Its optimizers train something else.
        OptimizerError: One of them evaluates the model itself.
    """
    mine = {id(p) for p in setup.model.parameters()}
    for optimizer in setup.optimizers:
        require_plain(optimizer)
        if not any(id(p) in mine for group in optimizer.param_groups for p in group["params"]):
            raise ObserveError(
                f"an optimizer of `{name}` trains no parameter of the model",
                found=type(optimizer).__name__,
                expected="parameters of the model that it comes with: a model alone is copied",
                hint="optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=0.1)",
            )
    return replace(setup, loss=guarded(setup.loss, name, spelled(setup.size)))


def _diverged(rows: Sequence[Row]) -> Iterator[str]:
    """Which runs have losses that are not finite."""
    first: dict[tuple[Size, int], int] = {}
    for row in rows:
        if row.quantity == "loss" and not isfinite(row.value):
            first.setdefault((Size(row.width, row.depth), row.seed), row.step)
    for (size, seed), step in first.items():
        where = ", ".join(filter(None, (spelled(size), f"seed {seed}")))
        yield f"the loss is not finite at {where}, from step {step} on"


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
    seldom = (steps[0], steps[-1]) if asked.seldom is None else _whole("steps", asked.seldom, 0)
    return Wanted(frozenset(asked.what), tuple(sorted({*steps, *seldom})), seldom)


def _steps(asked: Steps) -> tuple[int, ...]:
    """When to record: given, or 0, 1, 2, 4, ... and the last."""
    if not isinstance(asked, Iterable):
        (last,) = _whole("steps", (asked,), 0)
        doubled = [2**i for i in range(max(last, 1).bit_length()) if 2**i < last]
        asked = [0, *doubled, last]
    found = _whole("steps", asked, 0)
    if not found:
        raise ObserveError("there is no step to look at", expected="steps=4, or steps=[0, 1, 10]")
    return found


def _seeds(asked: Sequence[int]) -> tuple[int, ...]:
    found = _whole("seeds", asked, 0)
    if not found:
        raise ObserveError("nothing is observed without a seed", expected="seeds=3, or seeds=[7]")
    return found


def _sizes(asked: Observing) -> list[Size]:
    widths: Sequence[int | None] = _whole("widths", asked.widths, 1) or (None,)
    depths: Sequence[int | None] = _whole("depths", asked.depths, 1) or (None,)
    return [Size(width, depth) for depth, width in product(depths, widths)]


def _whole(what: str, given: Iterable[object], least: int) -> tuple[int, ...]:
    """Numbers in order, each once.

    Raises:
        ObserveError: One is no whole number, or too small.
    """
    found = set()
    for each in given:
        if not isinstance(each, Integral) or each < least:
            raise ObserveError(f"{what} are whole numbers from {least} on", found=repr(each))
        found.add(int(each))
    return tuple(sorted(found))


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
        target = read_target(subject, axes, words=Words(given=False))
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
            optimizer = _optimizer(asked.optimizer, made.model)
        found: dict[str, Any] = {"model": made.model, "scheduler": made.schedulers}
        if loss is not None:
            found |= {"batch": batch, "loss": loss}
        return found | ({} if optimizer is None else {"optimizer": optimizer})

    return factory


def _optimizer(make: Callable[[nn.Module], Any], model: nn.Module) -> object:
    """What was given in place of the target's own.

    Raises:
        TargetError: It raised something, or makes nothing.
    """
    expected = "lambda model: torch.optim.SGD(model.parameters(), lr=0.1)"
    try:
        found = make(model)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        raise TargetError("optimizer(model) failed", expected=expected, found=text) from error
    if found is None:
        raise TargetError("optimizer(model) gave nothing", expected=expected)
    return found

"""Graphs of a model that can be run: in both modes, in another type, lined up with the analysis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import fx, nn

from mupfx.core.analysis import Analysis
from mupfx.core.runnable import Runnable
from mupfx.errors import LoweringError
from mupfx.passes.capture import as_it_was
from mupfx.passes.frontends.elsewhere import elsewhere
from mupfx.passes.frontends.runnable import runnable
from mupfx.passes.frontends.untouched import unwritten
from mupfx.passes.rewrite.build import Source
from mupfx.passes.rewrite.differences import merged
from mupfx.passes.rewrite.lockstep import Apart, lockstep
from mupfx.passes.rewrite.types import OTHER, Elsewhere, unexplained

Call = tuple[tuple[Any, ...], Mapping[str, Any]]
TYPE = "the graph holds for a model of type"
Lined = Mapping[fx.Node, fx.Node]
"""Node of the graph for a node that was captured."""


@dataclass(frozen=True, slots=True)
class Captured:
    """Graphs of a model that can be run."""

    source: Source
    lined: Lined
    fixed: str = ""
    """Why the graph holds for one mode alone; empty where it follows train() and eval()."""
    told: tuple[str, ...] = ()

    def noted(self, note: str) -> "Captured":
        """The same, with one thing more to say."""
        return replace(self, told=(*self.told, note))

    @property
    def notes(self) -> tuple[str, ...]:
        """What the graph does not follow."""
        return (*self.source.runnable.notes, *self.told)


def captured(model: nn.Module, analysis: Analysis, call: Call, ways: Sequence[str]) -> Captured:
    """Graphs in both modes, lined up with the one that was analysed."""
    mine, lined = _lined(model, analysis, call, ways)
    found = _both(model, call, Captured(Source(mine, None, analysis.captured.tied), lined))
    return _with_types(model, call, found, training=model.training if found.fixed else True)


def _both(model: nn.Module, call: Call, found: Captured) -> Captured:
    """The graph that follows the mode, where graphs in both modes differ in constants alone."""
    source = found.source
    mine = source.runnable
    try:
        other = _runnable(model, call, (mine.way,), training=not model.training)
    except Exception as error:  # noqa: BLE001 - whatever the exporter raises is the reason
        return replace(found, fixed=_first_line(error))
    training, inference = (mine, other) if model.training else (other, mine)
    both = merged(training.graph, inference.graph)
    if isinstance(both, Apart):
        why = f"{both.first} in training, {both.second} in inference"
        return replace(found, fixed=why)
    back = {theirs: node for node, theirs in both.pairs.items()}
    lined = found.lined
    if not model.training:
        lined = {node: back[theirs] for node, theirs in lined.items()}
    guards = tuple(dict.fromkeys((*training.guards, *inference.guards)))
    runnable = replace(training, guards=guards, notes=mine.notes)
    return replace(found, source=replace(source, runnable=runnable, merged=both), lined=lined)


def _with_types(model: nn.Module, call: Call, found: Captured, *, training: bool) -> Captured:
    """What follows the type and the device of the model, as it shows elsewhere."""
    kinds = {p.dtype for p in model.parameters() if p.is_floating_point()}
    dtype = next(iter(kinds)) if len(kinds) == 1 else None
    if dtype not in OTHER:
        return found.noted(f"{TYPE} and device as now: its parameters are of {len(kinds)} types")
    reason = ""
    for other in (OTHER[dtype], dtype):
        runnable = found.source.runnable
        follows = _elsewhere(model, call, runnable, (dtype, other), training=training)
        if isinstance(follows, Elsewhere):
            told = replace(found, source=replace(found.source, elsewhere=follows))
            return told if follows.typed else told.noted(f"{TYPE} {dtype}: {reason}")
        reason = reason or follows
    return found.noted(f"{TYPE} {dtype}, on the device that it is on: {reason}")


def _elsewhere(
    model: nn.Module,
    call: Call,
    runnable: Runnable,
    dtypes: tuple[torch.dtype, torch.dtype],
    *,
    training: bool,
) -> Elsewhere | str:
    """Constants that are others in another type and on another device; or why they do not tell."""
    try:
        there, moved = elsewhere(model, call, *dtypes)
        other = _runnable(there, moved, (runnable.way,), training=training)
        both = merged(runnable.graph, other.graph, casts=True)
    except Exception as error:  # noqa: BLE001 - whatever the exporter raises is the reason
        return _first_line(error)
    if isinstance(both, Apart):
        return f"{both.first} here, {both.second} elsewhere"
    read = {node.name for node in runnable.graph.nodes if node.users}
    known = runnable.parameters.items()
    place = next(p for p, n in known if p in read and _is_of(model, n, dtypes[0]))
    found = Elsewhere(both.found, *dtypes, place)
    return unexplained(found) or found


def _is_of(model: nn.Module, name: str, dtype: torch.dtype) -> bool:
    return model.get_parameter(name).dtype is dtype


def _lined(
    model: nn.Module, analysis: Analysis, call: Call, ways: Sequence[str]
) -> tuple[Runnable, Lined]:
    """The graph in the model's mode, open in its sizes if the one analysed can be told in it."""
    found: Apart | None = None
    while ways:
        mine = _runnable(model, call, ways, training=model.training)
        lined = lockstep(analysis.captured.graph, mine.graph)
        if not isinstance(lined, Apart):
            return mine, lined
        found, ways = lined, ways[ways.index(mine.way) + 1 :]
    assert found is not None
    raise LoweringError(
        "the graph that was analysed cannot be told in the one that is to be run",
        found=f"{found.first} here, {found.second} there",
        hint='lowering="eager"',
    )


def _runnable(model: nn.Module, call: Call, ways: Sequence[str], *, training: bool) -> Runnable:
    with as_it_was(model), unwritten():
        model.train(training)
        return runnable(model, *call, ways=ways)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

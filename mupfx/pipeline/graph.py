"""The second lowering: a model as one graph, in which every multiplier of the plan is a node.

The graph takes over the model's parameters. What it computes is compared with the model before any
multiplier is put in, and nothing is changed before all that can be refused was refused.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import log2
from typing import Any

import torch
from torch import fx, nn

from mupfx.core.analysis import Analysis
from mupfx.core.conversion import REWRITTEN
from mupfx.core.plan import SitePlan
from mupfx.core.power import ONE
from mupfx.core.program import CAPTURED
from mupfx.core.runnable import Runnable
from mupfx.core.structure import Site
from mupfx.core.vocabulary import SiteKind
from mupfx.errors import LoweringError
from mupfx.passes.capture import as_it_was, on_device, unwrapped
from mupfx.passes.fold import prepare
from mupfx.passes.frontends.elsewhere import elsewhere
from mupfx.passes.frontends.runnable import SIZES, runnable
from mupfx.passes.frontends.untouched import unwritten
from mupfx.passes.gauge import absorb
from mupfx.passes.initialize import documented_laws
from mupfx.passes.multipliers import made_of, module_with_output
from mupfx.passes.rewrite.build import Source, assemble, multiplied
from mupfx.passes.rewrite.differences import merged
from mupfx.passes.rewrite.lockstep import Apart, lockstep, operands
from mupfx.passes.rewrite.module import Rewritten
from mupfx.passes.rewrite.multiply import Insertion, Multiplier
from mupfx.passes.rewrite.types import OTHER, Elsewhere, unexplained
from mupfx.passes.sites import find_branch_sites
from mupfx.pipeline.folding import fold_operand
from mupfx.pipeline.graph_check import check, holds
from mupfx.pipeline.planning import Planned
from mupfx.pipeline.regauging import lower_into
from mupfx.tables.optimizers import FAMILIES

Call = tuple[tuple[Any, ...], Mapping[str, Any]]
TYPE = "the graph holds for a model of type"
ENDS = (SiteKind.TIED_READOUT, SiteKind.READOUT, SiteKind.EMBEDDING)
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


def lower_to_graph(
    model: nn.Module, analyzed: tuple[Analysis, Planned], call: Call, gauge: str, *, exact: bool
) -> Rewritten:
    """The model as a graph with its multipliers, trained from now on in the model's place.

    Raises:
        LoweringError: The model is no such graph, or not the same one for other inputs.
    """
    analysis, planned = analyzed
    require_graph(model, analysis, planned)
    call = on_device(model, *call)
    found, module = _assembled(model, analysis, call)
    notes = check(model, module, call, both=not found.fixed)
    places = _Places(analysis, found, module)
    if exact:
        planned = _split(planned, places)
    module.documented = documented_laws(model)
    made = multiplied(module, list(_insertions(planned, places)))
    plan = replace(
        planned.plan,
        sites={
            name: replace(site, target=made.get(name, site.target))
            for name, site in planned.plan.sites.items()
        },
        notes=(*planned.plan.notes, *found.notes, *notes),
    )
    lower_into(module, replace(planned, plan=plan), gauge, exact=exact)
    model.__dict__[REWRITTEN] = True
    return module


def _assembled(model: nn.Module, analysis: Analysis, call: Call) -> tuple[Captured, Rewritten]:
    """The model as a graph, open in its sizes where that gives what the model gives."""
    found = _captured(model, analysis, call, dynamic=True)
    module = _made(model, found)
    wrong = holds(model, module, call, found.source.runnable)
    if wrong:
        found = _captured(model, analysis, call, dynamic=False)
        module = _made(model, found)
        runnable = replace(found.source.runnable, notes=(f"{SIZES}: {wrong}",))
        found = replace(found, source=replace(found.source, runnable=runnable))
    return found, module


def _made(model: nn.Module, captured: Captured) -> Rewritten:
    module = assemble(model, captured.source)
    module.fixed = captured.fixed
    _require_names(model, module)
    return module


def require_graph(model: nn.Module, analysis: Analysis, planned: Planned) -> None:
    """Refuse what is no graph for more than one example.

    Raises:
        LoweringError: It was captured in another way, is wrapped, or carries a copy of its start.
    """
    inner, _ = unwrapped(model)
    if inner is not model:
        raise LoweringError(
            f"a {type(model).__name__} is a wrapper, and a graph is made of what it wraps",
            hint="convert the inner model, and wrap what comes back",
        )
    frontend = analysis.captured.frontend
    if frontend != "export":
        reasons = "; ".join(analysis.captured.refused.values())
        raise LoweringError(
            "this model is a graph for one example only",
            found=f"captured by {frontend}, because export said: {reasons}",
            expected="Python that does not ask for the values of tensors",
            hint='lowering="eager" leaves the Python as it is',
        )
    initial = [s.name for s in planned.plan.sites.values() if s.kind is SiteKind.INITIAL]
    if initial:
        raise LoweringError(
            f"{planned.plan.parametrization} adds a frozen copy of the model, which no graph has",
            where=initial[0],
            hint='lowering="eager"',
        )


def _captured(model: nn.Module, analysis: Analysis, call: Call, *, dynamic: bool) -> Captured:
    """Graphs in both modes, lined up with the one that was analysed."""
    mine, lined = _lined(model, analysis, call, dynamic=dynamic)
    opened = SIZES not in str(mine.notes)
    found = _both(model, call, Captured(Source(mine, None, analysis.captured.tied), lined))
    training = model.training if found.fixed else True
    return _with_types(model, call, found, training=training, dynamic=opened)


def _both(model: nn.Module, call: Call, found: Captured) -> Captured:
    """The graph that follows the mode, where graphs in both modes differ in constants alone."""
    source = found.source
    mine = source.runnable
    opened = SIZES not in str(mine.notes)
    try:
        other = _runnable(model, call, training=not model.training, dynamic=opened)
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


def _with_types(
    model: nn.Module, call: Call, found: Captured, *, training: bool, dynamic: bool
) -> Captured:
    """What follows the type and the device of the model, as it shows elsewhere."""
    kinds = {p.dtype for p in model.parameters() if p.is_floating_point()}
    dtype = next(iter(kinds)) if len(kinds) == 1 else None
    if dtype not in OTHER:
        return found.noted(f"{TYPE} and device as now: its parameters are of {len(kinds)} types")
    reason = ""
    for other in (OTHER[dtype], dtype):
        follows = _elsewhere(
            model, call, found.source.runnable, (dtype, other), (training, dynamic)
        )
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
    how: tuple[bool, bool],
) -> Elsewhere | str:
    """Constants that are others in another type and on another device; or why they do not tell."""
    training, dynamic = how
    try:
        there, moved = elsewhere(model, call, *dtypes)
        other = _runnable(there, moved, training=training, dynamic=dynamic)
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
    model: nn.Module, analysis: Analysis, call: Call, *, dynamic: bool
) -> tuple[Runnable, Lined]:
    """The graph in the model's mode, open in its sizes if the one analysed can be told in it."""
    found: Apart | None = None
    for opened in (True, False) if dynamic else (False,):
        mine = _runnable(model, call, training=model.training, dynamic=opened)
        lined = lockstep(analysis.captured.graph, mine.graph)
        if not isinstance(lined, Apart):
            return mine, lined
        found = lined
    assert found is not None
    raise LoweringError(
        "the graph that was analysed cannot be told in the one that is to be run",
        found=f"{found.first} here, {found.second} there",
        hint='lowering="eager"',
    )


def _runnable(model: nn.Module, call: Call, *, training: bool, dynamic: bool) -> Runnable:
    with as_it_was(model), unwritten():
        model.train(training)
        return runnable(model, *call, dynamic=dynamic)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _require_names(model: nn.Module, module: nn.Module) -> None:
    """Refuse a model that saves more, or under other names, than its modules hold.

    Raises:
        LoweringError: Its state has other keys.
    """
    mine, theirs = module.state_dict().keys(), model.state_dict().keys()
    if list(mine) != list(theirs):
        odd = sorted(set(mine) ^ set(theirs))
        raise LoweringError(
            "this model saves its state in a way of its own, which no graph has",
            where=odd[0] if odd else None,
            hint='lowering="eager"',
        )


def _insertions(planned: Planned, places: "_Places") -> Iterator[Insertion]:
    """A node for every site with a multiplier."""
    for plan in planned.plan.sites.values():
        if plan.lowering == "graph":
            yield Insertion(_multiplier(plan), tuple(places.uses(plan)))


def _split(planned: Planned, places: "_Places") -> Planned:
    """Where a multiplier could be folded, as a power of two; the rest is folded.

    Effective weights are then, bit for bit, those of the eager lowering, which folds all of it.
    """
    sites, rows = dict(planned.plan.sites), dict(planned.plan.parameters)
    for name, plan in planned.plan.sites.items():
        folded = places.folded(plan)
        whole = 2.0 ** round(log2(plan.multiplier))
        rest = plan.multiplier / whole
        if not folded or rest == 1.0:
            continue
        sites[name] = replace(plan, multiplier=whole, power=ONE)
        sites[f"{name}:rest"] = replace(
            plan, name=f"{name}:rest", multiplier=rest, lowering="fold", target=folded, baked=()
        )
        for carrier in folded:
            rows[carrier] = absorb(rows[carrier], rest, plan.power, FAMILIES)
    return replace(planned, plan=replace(planned.plan, sites=sites, parameters=rows))


def _multiplier(plan: SitePlan) -> Multiplier:
    power = "" if plan.power == ONE else str(plan.power)
    return Multiplier(plan.name, plan.multiplier, power, plan.source)


class _Places:
    """Where in the graph a site of the analysis is."""

    def __init__(self, analysis: Analysis, captured: Captured, module: Rewritten) -> None:
        branches = find_branch_sites(analysis.program, analysis.streams, twins=analysis.twins)
        self.sites = (*analysis.sites, *analysis.ends, *branches)
        self.tied = {name for name, role in analysis.roles.items() if role.tied_readout}
        self.names = analysis.program.tied
        self.prepared = prepare(analysis.program)
        self.lined = captured.lined
        self.module = module

    def uses(self, plan: SitePlan) -> Iterator[tuple[fx.Node | None, fx.Node]]:
        """Nodes, and what of that which they read is multiplied."""
        for site in self._of_plan(plan):
            yield from self._of_site(site)

    def folded(self, plan: SitePlan) -> tuple[str, ...]:
        """Parameters that the eager lowering folds a site's multiplier into."""
        if plan.lowering != "graph" or plan.kind is SiteKind.TIED_READOUT:
            return ()
        for site in self._of_plan(plan):
            for operand in site.operands:
                found = fold_operand(self.prepared, site, operand, self.tied)
                if found.refusal is None:
                    return found.parameters
        return ()

    def _of_plan(self, plan: SitePlan) -> list[Site]:
        return [s for s in self.sites if s.name == plan.name and s.kind is plan.kind]

    def _of_site(self, site: Site) -> Iterator[tuple[fx.Node | None, fx.Node]]:
        if site.kind is SiteKind.EMBEDDING and site.parameter in self.tied:
            yield from self._of_parameter(site.parameter)
            return
        node = self.prepared.nodes[site.node]
        for operand in site.operands:
            if fold_operand(self.prepared, site, operand, self.tied).refusal is None:
                yield self._read(node, operand)
                return
        hooked = None if site.kind in ENDS else self._hooked(site)
        yield (None, hooked) if hooked is not None else self._read(node, site.operands[0])

    def _read(self, node: fx.Node, operand: str) -> tuple[fx.Node, fx.Node]:
        """The node of the graph, and what it reads in the operand's place."""
        place = next(i for i, n in enumerate(operands(node)) if n.name == operand)
        reader = self.lined[node.meta[CAPTURED]]
        return reader, operands(reader)[place]

    def _hooked(self, site: Site) -> fx.Node | None:
        """What holds just the values that a hook of the eager lowering multiplies.

        They are multiplied before anything else is done with them, so that both round alike.
        """
        nodes, program = self.prepared.nodes, self.prepared.program
        for operand in site.operands:
            whole = None
            for name, (start, stop, period) in made_of(program, operand):
                found = self.lined.get(nodes[name].meta.get(CAPTURED, nodes[name]))
                if start == 0 and stop == period and found is not None:
                    whole = found
                if module_with_output(program, nodes[name]) is not None:
                    return whole
        return None

    def _of_parameter(self, name: str) -> Iterator[tuple[None, fx.Node]]:
        """All uses: a tied readout gives back what its weight takes as an embedding."""
        names = (name, *self.names.get(name, ()))
        for node in self.module.graph.nodes:
            if node.op == "get_attr" and node.target in names:
                yield None, node

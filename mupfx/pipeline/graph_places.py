"""Where in a graph multipliers go: on the very values that the eager lowering multiplies."""

from collections.abc import Iterator
from dataclasses import replace
from math import log2

from torch import fx

from mupfx.core.analysis import Analysis
from mupfx.core.plan import SitePlan
from mupfx.core.power import ONE
from mupfx.core.program import CAPTURED
from mupfx.core.structure import Site
from mupfx.core.vocabulary import SiteKind
from mupfx.passes.fold import prepare
from mupfx.passes.gauge import absorb
from mupfx.passes.multipliers import made_of, module_with_output
from mupfx.passes.rewrite.lockstep import operands
from mupfx.passes.rewrite.module import Rewritten
from mupfx.passes.rewrite.multiply import Insertion, Multiplier
from mupfx.passes.sites import find_branch_sites
from mupfx.pipeline.folding import fold_operand
from mupfx.pipeline.graph_capture import Captured
from mupfx.pipeline.planning import Planned
from mupfx.tables.optimizers import FAMILIES

ENDS = (SiteKind.TIED_READOUT, SiteKind.READOUT, SiteKind.EMBEDDING)


def insertions(planned: Planned, places: "Places") -> Iterator[Insertion]:
    """A node for every site with a multiplier."""
    for plan in planned.plan.sites.values():
        if plan.lowering == "graph":
            yield Insertion(_multiplier(plan), tuple(places.uses(plan)))


def split(planned: Planned, places: "Places") -> Planned:
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


class Places:
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

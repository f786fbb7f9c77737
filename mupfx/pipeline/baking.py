"""Where multipliers that stay outside the weights would go if they were multiplied into them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from mupfx.core.plan import Baked, SitePlan
from mupfx.core.structure import Site
from mupfx.core.vocabulary import SiteKind
from mupfx.passes.bake import Part, bake, bake_use
from mupfx.passes.fold import Folded, Prepared, fold
from mupfx.passes.multipliers import made_of
from mupfx.pipeline.folding import fold_operand
from mupfx.pipeline.stored import OUTSIDE

NO_OPERAND = "no value that this is made of, and nothing else, is made by parameters"


def with_baked(
    graph: Prepared,
    plans: Mapping[str, SitePlan],
    sites: Mapping[str, Site],
    tied: Collection[str],
) -> dict[str, SitePlan]:
    """Every site that is applied outside the weights, with what would carry it inside.

    Where a weight is read more than once, by a module that is called again, all that read it may be
    multiplied together: they are then given the same entries, which are to be multiplied once.
    """
    outside = {name: plan for name, plan in plans.items() if plan.lowering in OUTSIDE}
    alone = {name: _baked(graph, plan, [sites[name]], tied) for name, plan in outside.items()}
    found = {**plans, **alone}
    for name, plan in alone.items():
        alike = (
            [n for n, other in alone.items() if _unbaked_too(plan, other)] if plan.unbaked else []
        )
        if len(alike) > 1:
            first = [name, *(n for n in alike if n != name)]
            found[name] = _baked(graph, outside[name], [sites[n] for n in first], tied)
    return found


def _unbaked_too(plan: SitePlan, other: SitePlan) -> bool:
    same = plan.kind is other.kind and plan.multiplier == other.multiplier
    return bool(other.unbaked) and same and plan.target == other.target


def _baked(
    graph: Prepared, plan: SitePlan, sites: Sequence[Site], tied: Collection[str]
) -> SitePlan:
    """The plan of the first site, with what would carry the multiplier of all."""
    if plan.kind is SiteKind.TIED_READOUT:
        return _of_readout(graph, plan, sites)
    attempts = [fold_operand(graph, sites[0], operand, tied) for operand in sites[0].operands]
    whole = next((a for a in attempts if a.refusal is None), None)
    if whole is not None:
        return replace(plan, baked=_all_of(whole))
    reasons: list[str] = []
    for nodes, part in _candidates(graph, sites):
        found = bake(graph.program, nodes, part)
        if not isinstance(found, str):
            return replace(plan, baked=found)
        reasons.append(found)
    return replace(plan, unbaked=reasons[-1] if reasons else NO_OPERAND)


def _of_readout(graph: Prepared, plan: SitePlan, sites: Sequence[Site]) -> SitePlan:
    parameter = sites[0].parameter or ""
    found = bake_use(graph.program, [s.node for s in sites if s.parameter == parameter], parameter)
    before = fold(graph, sites[0].node, sites[0].operands[0])
    carried = _all_of(before) if before.refusal is None and len(sites) == 1 else ()
    if isinstance(found, str):
        return replace(plan, baked=carried, unbaked="" if carried else found)
    return replace(plan, baked=found, baked_before=carried)


def _all_of(folded: Folded) -> tuple[Baked, ...]:
    return tuple(Baked(name) for name in folded.parameters)


def _candidates(graph: Prepared, alike: Sequence[Site]) -> Iterator[tuple[list[str], Part]]:
    """Values whose part to multiply: one for each site, of the same part."""
    for found in zip(*(_made_of(graph, site) for site in alike), strict=False):
        parts = {part for _, part in found}
        if len(parts) == 1:
            yield [node for node, _ in found], Part(*parts.pop())


def _made_of(graph: Prepared, site: Site) -> Iterator[tuple[str, tuple[int, int, int]]]:
    for operand in site.operands:
        yield from made_of(graph.program, operand)

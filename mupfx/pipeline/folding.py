"""Which parameters can carry the multiplier of every site, alone or together with others."""

from collections.abc import Collection, Iterator, Sequence

from mupfx.core.program import module_of
from mupfx.core.structure import Site
from mupfx.core.vocabulary import SiteKind
from mupfx.passes.decide import Decision
from mupfx.passes.fold import Folded, Prepared, fold, fold_together


def fold_operand(graph: Prepared, site: Site, operand: str, tied: Collection[str]) -> Folded:
    """An embedding that a readout is tied to carries its multiplier: the readout gives it back."""
    if site.kind is SiteKind.EMBEDDING and site.parameter is not None and site.parameter in tied:
        return Folded((site.parameter,), None, operand)
    return fold(graph, site.node, operand)


def fold_sites(
    graph: Prepared, decisions: Sequence[Decision], tied: Collection[str]
) -> list[list[Folded]]:
    """What came of every operand of every site; one that has no multiplier is not tried.

    A weight of a module that is called again is read by every call: sites that ask for the same are
    tried together where none can be folded alone.
    """
    found = [
        [fold_operand(graph, d.site, o, tied) for o in d.site.operands] if d.value != 1.0 else []
        for d in decisions
    ]
    refused = [i for i, tries in enumerate(found) if tries and all(t.refusal for t in tries)]
    for group in _alike(graph, decisions, refused):
        for folded in _together(graph, [decisions[i].site for i in group]):
            found = [[folded] if i in group else tries for i, tries in enumerate(found)]
    return found


def _alike(
    graph: Prepared, decisions: Sequence[Decision], refused: Sequence[int]
) -> list[list[int]]:
    groups: dict[object, list[int]] = {}
    for i in refused:
        site = decisions[i].site
        path = module_of(graph.nodes[site.node])
        groups.setdefault((site.kind, decisions[i].value, path.partition("@")[0]), []).append(i)
    return [group for group in groups.values() if len(group) > 1]


def _together(graph: Prepared, sites: Sequence[Site]) -> Iterator[Folded]:
    for operands in zip(*(site.operands for site in sites), strict=False):
        uses = [(site.node, operand) for site, operand in zip(sites, operands, strict=True)]
        found = fold_together(graph, uses)
        if found.refusal is None:
            yield found
            return

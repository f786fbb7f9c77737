"""What belongs at every site of one model, by the table, beside what the code has there."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isclose, log

from mupfx.core.analysis import Analysis
from mupfx.core.base import Ratios
from mupfx.core.parametrization import Parametrization
from mupfx.core.power import ONE
from mupfx.core.structure import Site
from mupfx.core.vocabulary import SiteKind
from mupfx.errors import BaseError
from mupfx.passes.decide import Decision, decide, decide_branches
from mupfx.passes.scalars import Expected
from mupfx.passes.sites import find_branch_sites


@dataclass(frozen=True, slots=True)
class Wanted:
    """One site with its multipliers over those of the base."""

    site: Site
    expected: float | None
    """None where no rule says."""
    found: float
    """What the constants that are counted to it come to."""
    hook: float = 1.0
    """What a hook multiplies it by, which the graph does not show."""

    @property
    def unknown(self) -> str:
        """What stands for its fault: branches that are written alike are wrong alike."""
        if self.site.kind is not SiteKind.BRANCH:
            return self.site.name
        return f"{self.site.kind}:{self.found:.6g} for {self.expected}"

    def as_expected(self) -> Expected:
        """As the walk over the graph takes it."""
        branch = self.site.kind is SiteKind.BRANCH
        operand = self.site.operands[0] if branch else None
        rest = (self.expected or 1.0) / self.hook
        return Expected(self.unknown, self.site.node, log(rest), operand)


def wanted_sites(analysis: Analysis, table: Parametrization, axis: str) -> tuple[Wanted, ...]:
    """Every site that constants may belong to."""
    found = [_wanted(site, analysis, table) for site in analysis.sites]
    found += _branches(analysis, table) if axis == "depth" else _scaled_branches(analysis)
    return tuple(found)


def _scaled_branches(analysis: Analysis) -> Iterator[Wanted]:
    """Branches with a constant that differs from the base's, whose depth is the same."""
    for site in find_branch_sites(analysis.program, analysis.streams, twins=analysis.twins):
        if not isclose(_in_force(site), 1.0, rel_tol=1e-6):
            yield Wanted(site, 1.0, _in_force(site))


def _wanted(site: Site, analysis: Analysis, table: Parametrization) -> Wanted:
    ratios = analysis.ratios or Ratios({})
    have = _in_force(site)
    power = table.attention if site.kind is SiteKind.ATTENTION else table.tied_readout
    if power == ONE:
        return Wanted(site, None, have)
    if ratios.of_axis(site.classes) == 1:
        return Wanted(site, 1.0, have)
    try:
        (decision,) = decide([site], analysis.axes, ratios, table)
    except BaseError:
        return Wanted(site, None, have)
    return Wanted(site, _lacking(decision, have), have)


def _branches(analysis: Analysis, table: Parametrization) -> Iterator[Wanted]:
    sites = find_branch_sites(analysis.program, analysis.streams, twins=analysis.twins)
    if table.depth is None:
        yield from (Wanted(site, None, _in_force(site)) for site in sites)
        return
    ratios = analysis.ratios or Ratios({})
    try:
        decisions = decide_branches(sites, analysis.streams, ratios, table.depth)
    except BaseError:
        yield from (Wanted(site, None, _in_force(site)) for site in sites)
        return
    for decision in decisions:
        have = _in_force(decision.site)
        yield Wanted(decision.site, _lacking(decision, have), have)


def _lacking(decision: Decision, have: float) -> float:
    return abs(have * decision.value)


def _in_force(site: Site) -> float:
    """What is there over what is there at the base."""
    return abs(site.scale / site.base_scale) if site.base_scale else 1.0

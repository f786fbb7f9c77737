"""The initial function of a mean-field net in a plan, and on a model."""

from torch import nn

from mupfx.core.analysis import Analysis
from mupfx.core.base import Ratios
from mupfx.core.parametrization import Parametrization
from mupfx.core.plan import Plan, SitePlan
from mupfx.core.power import ONE
from mupfx.core.structure import Site
from mupfx.core.vocabulary import SiteKind
from mupfx.errors import LoweringError
from mupfx.passes.initial import attach_initial, find_initial_sites
from mupfx.passes.multipliers import module_with_output

COPY = (
    "a frozen copy of the start is kept in buffers of the readout and runs with the model: twice "
    "the memory for weights, one more forward pass; the unconverted class has no place for it"
)


def plan_initial(analysis: Analysis, parametrization: Parametrization) -> dict[str, SitePlan]:
    """What the start is multiplied by at every last readout: nothing where no width grew.

    Raises:
        ParametrizationError: The model has no such readout, or batch norms.
        LoweringError: A readout is no module of its own.
    """
    if parametrization.initial == ONE:
        return {}
    sites = find_initial_sites(analysis.program, analysis.axes, analysis.roles)
    return {site.name: _planned(analysis, parametrization, site) for site in sites}


def _planned(analysis: Analysis, parametrization: Parametrization, site: Site) -> SitePlan:
    ratio = (analysis.ratios or Ratios({})).of_axis(site.classes)
    biases = (n for n, r in analysis.roles.items() if r.companion == site.parameter)
    grown = ratio != 1
    return SitePlan(
        name=site.name,
        kind=site.kind,
        multiplier=parametrization.initial.value({"fan_in": ratio}),
        power=parametrization.initial if grown else ONE,
        lowering="hook" if grown else "none",
        target=(_module(analysis, site), *biases) if grown else (),
        source=parametrization.source,
        evidence=f"what {site.parameter} made of the start, frozen, at {site.where}",
    )


def _module(analysis: Analysis, site: Site) -> str:
    node = next(n for n in analysis.program.graph.nodes if n.name == site.node)
    found = module_with_output(analysis.program, node)
    if found is None:
        raise LoweringError(
            "the initial function has nowhere to be added: this readout is no module",
            where=site.where,
            found=f"{site.parameter} used in the code of a larger module",
            hint="compute the output in a module of its own, such as nn.Linear",
        )
    return found


def initial_notes(sites: dict[str, SitePlan]) -> list[str]:
    """What a user should know about the frozen copy."""
    kept = any(s.kind is SiteKind.INITIAL and s.lowering == "hook" for s in sites.values())
    return [COPY] if kept else []


def keep_initial(model: nn.Module, plan: Plan) -> None:
    """Put the initial function on a model that has its starting values."""
    sites = [s for s in plan.sites.values() if s.kind is SiteKind.INITIAL and s.lowering == "hook"]
    weights = {site.target[0]: site.multiplier - 1 for site in sites}
    attach_initial(model, weights, [name for site in sites for name in site.target[1:]])

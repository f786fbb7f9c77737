"""Where every site's multiplier goes: into parameters, or into a hook."""

from collections.abc import Mapping, Sequence

from mupfx.core.analysis import Analysis
from mupfx.core.base import Ratios
from mupfx.core.hyperparameters import Hyperparameters
from mupfx.core.parametrization import Parametrization
from mupfx.core.plan import ParameterPlan, SitePlan, shared_by
from mupfx.core.program import Program
from mupfx.core.structure import Site
from mupfx.core.vocabulary import SiteKind
from mupfx.errors import LoweringError
from mupfx.passes.decide import Decision, decide, decide_branches, decide_embeddings
from mupfx.passes.fold import Folded, Prepared, prepare
from mupfx.passes.gauge import absorb
from mupfx.passes.multipliers import HookPlan, plan_input_hook, plan_output_hook
from mupfx.passes.sites import find_branch_sites
from mupfx.pipeline.baking import with_baked
from mupfx.pipeline.choosing import chosen, ends_of, zeroed
from mupfx.pipeline.folding import fold_sites
from mupfx.tables.optimizers import FAMILIES


def place_sites(
    analysis: Analysis,
    parameters: Mapping[str, ParameterPlan],
    parametrization: Parametrization,
    choices: Hyperparameters,
    *,
    outside: str,
) -> tuple[dict[str, ParameterPlan], dict[str, SitePlan], dict[str, HookPlan]]:
    """Fold every multiplier into parameters, or plan a hook for it.

    Args:
        analysis: The model.
        parameters: Their plans so far.
        parametrization: The table of rules.
        choices: Multipliers that the user chose.
        outside: Which multipliers may stay outside the weights: ``"none"``, ``"hook"`` those that
            cannot be folded, or ``"graph"`` all of them, as nodes.

    Raises:
        LoweringError: A multiplier can go nowhere, or the user chose one for nothing.
    """
    sites: dict[str, SitePlan] = {}
    hooks: dict[str, HookPlan] = {}
    placed: dict[str, Site] = {}
    found = dict(parameters)
    graph = prepare(analysis.program)
    tied = {name for name, role in analysis.roles.items() if role.tied_readout}
    ends = ends_of(analysis)
    decisions = _decisions(analysis, ends, parametrization, choices)
    decisions = tuple(chosen(analysis, decisions, ends, choices))
    absorbed: set[object] = set()
    for decision, attempts in zip(decisions, fold_sites(graph, decisions, tied), strict=True):
        if outside == "graph":
            site, hook = _explicit(decision), None
        else:
            site, hook = _place(graph, decision, attempts, allow_hooks=outside == "hook")
        sites[site.name], placed[site.name] = site, decision.site
        if hook is not None:
            hooks[site.name] = hook
        if site.lowering == "fold" and shared_by(site) not in absorbed:
            absorbed.add(shared_by(site))
            for name in site.target:
                found[name] = absorb(found[name], decision.value, decision.power, FAMILIES)
    sites = with_baked(graph, sites, placed, tied)
    return zeroed(analysis, graph, found, choices), sites, hooks


def _decisions(
    analysis: Analysis,
    ends: Sequence[Site],
    parametrization: Parametrization,
    choices: Hyperparameters,
) -> tuple[Decision, ...]:
    ratios = analysis.ratios or Ratios({})
    found = decide(analysis.sites, analysis.axes, ratios, parametrization, choices.logits)
    embeddings = [site for site in ends if site.kind is SiteKind.EMBEDDING]
    found += decide_embeddings(embeddings, analysis.axes, ratios, parametrization)
    if parametrization.depth is None:
        return found
    branches = find_branch_sites(analysis.program, analysis.streams, twins=analysis.twins)
    return found + decide_branches(branches, analysis.streams, ratios, parametrization.depth)


def _place(
    graph: Prepared, decision: Decision, attempts: list[Folded], *, allow_hooks: bool
) -> tuple[SitePlan, HookPlan | None]:
    site = decision.site
    if decision.value == 1.0:
        return _site_plan(decision, "none", ()), None
    folded = next((a for a in attempts if a.refusal is None), None)
    tied = site.kind is SiteKind.TIED_READOUT and allow_hooks
    if folded is not None and not tied:
        return _site_plan(decision, "fold", folded.parameters), None
    hook = _hook(graph.program, decision) if allow_hooks else None
    if hook is not None:
        return _site_plan(decision, "hook", (str(hook),)), hook
    if folded is not None:
        return _site_plan(decision, "fold", folded.parameters), None
    raise _nowhere(decision, attempts, hooks=allow_hooks)


def _explicit(decision: Decision) -> SitePlan:
    return _site_plan(decision, "none" if decision.value == 1.0 else "graph", ())


def _hook(program: Program, decision: Decision) -> HookPlan | None:
    site, value = decision.site, decision.value
    if site.kind is SiteKind.TIED_READOUT:
        return plan_input_hook(program, site.node, site.operands[0], value)
    if site.kind is SiteKind.READOUT:
        return None
    if site.kind is SiteKind.EMBEDDING:
        return plan_output_hook(program, site.node, value)
    plans = (plan_output_hook(program, operand, value) for operand in site.operands)
    return next((plan for plan in plans if plan is not None), None)


def _nowhere(decision: Decision, attempts: list[Folded], *, hooks: bool) -> LoweringError:
    reasons = "; ".join(f"{a.at}: {a.refusal}" for a in attempts)
    return LoweringError(
        f"the multiplier {decision.value:g} of {decision.site.name} can go nowhere",
        where=decision.site.where,
        found=reasons,
        hint=_way_out(decision.site, hooks=hooks),
    )


def _way_out(site: Site, *, hooks: bool) -> str:
    if not hooks:
        return "hooks=True allows a hook at a module's boundary"
    if site.kind is SiteKind.ATTENTION:
        return (
            "the head size grew: let the number of heads grow instead (num_heads = width / size), "
            "or compute the query in a module of its own, which a hook can scale"
        )
    if site.kind is SiteKind.BRANCH:
        return "end the branch in a linear layer, or in a module of its own, which a hook can scale"
    return "compute the operand in a module of its own, so that a hook can scale it"


def _site_plan(decision: Decision, lowering: str, target: tuple[str, ...]) -> SitePlan:
    return SitePlan(
        name=decision.site.name,
        kind=decision.site.kind,
        multiplier=decision.value,
        power=decision.power,
        lowering=lowering,
        target=target,
        source=decision.source,
        evidence=f"{decision.evidence}, at {decision.site.where}",
        choice=decision.choice,
    )

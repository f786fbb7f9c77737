"""From an analysis to a plan: numbers per parameter, multipliers per site, init laws."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from torch import Tensor, nn

from mupfx.core.analysis import Analysis
from mupfx.core.axes import ParameterRole
from mupfx.core.base import Ratios
from mupfx.core.init_law import Fans
from mupfx.core.parametrization import Parametrization
from mupfx.core.plan import ParameterPlan, Plan, SitePlan
from mupfx.core.vocabulary import Role, SiteKind, Status
from mupfx.errors import AnalysisError, LoweringError
from mupfx.passes.assign import assign
from mupfx.passes.decide import Decision, decide
from mupfx.passes.fold import Folded, fold
from mupfx.passes.gauge import absorb
from mupfx.passes.initialize import Hints, documented_laws, fans_of, plan_init
from mupfx.passes.multipliers import HookPlan, plan_input_hook, plan_output_hook
from mupfx.pipeline.bases import Given
from mupfx.tables.optimizers import FAMILIES

Parameters = dict[str, ParameterPlan]


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and what lowering needs beside it."""

    plan: Plan
    hooks: Mapping[str, HookPlan]
    """By site name."""
    fans: Mapping[str, Fans]
    request: "Request"
    on_meta: bool


@dataclass(frozen=True, slots=True)
class Request:
    """What a user asked ``convert`` for."""

    parametrization: Parametrization
    base: Given
    strict: bool
    hooks: bool
    init: Mapping[str, str]


def make_plan(model: nn.Module, analysis: Analysis, request: Request) -> Planned:
    """Every number of a conversion; nothing is changed yet.

    Raises:
        AnalysisError: In strict mode, where a parameter's role is not settled.
        InitError: In strict mode, where a law of initialisation is ambiguous.
        LoweringError: A multiplier can go nowhere.
    """
    if request.strict:
        require_settled(analysis)
    ratios = analysis.ratios or Ratios({})
    roles = {**analysis.roles, **_unreached(analysis)}
    parameters = assign(
        roles, ratios, request.parametrization, FAMILIES, _branches(analysis, ratios)
    )
    parameters = {n: _with_evidence(analysis, p, roles[n]) for n, p in parameters.items()}
    fans = _fans(analysis, roles, ratios)
    values = dict(model.named_parameters())
    on_meta = any(p.is_meta for p in values.values())
    named = {} if on_meta else request.init
    hints = Hints(named, _base_values(analysis, request.base), documented_laws(model))
    reached = {name: p for name, p in parameters.items() if name in analysis.roles}
    parameters |= plan_init(values, reached, fans, hints, strict=request.strict)
    parameters, sites, hooks = _place_sites(analysis, ratios, parameters, request)
    plan = Plan(
        parametrization=request.parametrization.name,
        base=_describe(analysis, ratios, request.base),
        parameters=parameters,
        sites=sites,
        notes=(*analysis.findings, *_notes(hooks, on_meta=on_meta)),
        aliases={o: name for name, others in analysis.program.tied.items() for o in others},
    )
    return Planned(plan, hooks, fans, request, on_meta)


def require_settled(analysis: Analysis) -> None:
    """Refuse to plan on guesses.

    Raises:
        AnalysisError: A parameter was never reached, an op is unknown, or a role is ambiguous.
    """
    if analysis.unreached:
        raise AnalysisError(
            "the example inputs never reach some parameters",
            where=_some(analysis.unreached),
            hint="pass an example that uses them, or strict=False to leave them as they are",
        )
    if analysis.axes.unknown_ops:
        node, op = next(iter(analysis.axes.unknown_ops.items()))
        raise AnalysisError(
            "an op has no axis rule and cannot be probed",
            where=f"{node}: {op}",
            hint="strict=False treats its result's axes as new",
        )
    unknown = [n for n, r in analysis.roles.items() if r.status is Status.UNKNOWN]
    if unknown:
        role = analysis.roles[unknown[0]]
        raise AnalysisError(
            "a parameter is used in roles that ask for different numbers",
            where=unknown[0],
            found=", ".join(f"{r} at {u.where or u.node}" for r, u in role.uses),
            hint="give each use a parameter of its own",
        )


def _with_evidence(
    analysis: Analysis, parameter: ParameterPlan, role: ParameterRole
) -> ParameterPlan:
    """Before the role, a sentence for every factor of the parameter's axes."""
    names = dict.fromkeys(c for axis in role.axes for c in axis)
    classes = [analysis.axes.classes[name] for name in names]
    sentences = [f"{c.label} {c.size} is {c.kind} ({c.status}): {c.evidence}" for c in classes]
    return replace(parameter, evidence=(*sentences, *parameter.evidence))


def _some(names: tuple[str, ...], limit: int = 4) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _unreached(analysis: Analysis) -> dict[str, ParameterRole]:
    """Parameters outside the graph: no axis is known, so no factor changes."""
    return {
        name: ParameterRole(
            name=name,
            shape=analysis.program.shapes[name],
            axes=tuple(() for _ in analysis.program.shapes[name]),
            role=Role.SCALAR,
            fan_in=(),
            fan_out=(),
            status=Status.UNKNOWN,
            uses=(),
            tied_to=(),
            why="never reached by the example: left as it is",
        )
        for name in analysis.unreached
    }


def _branches(analysis: Analysis, ratios: Ratios) -> dict[str, tuple[str, Fraction]]:
    streams = {b.name: b.stream for b in analysis.streams.branches}
    return {
        name: (branch, ratios.depth.get(streams[branch], Fraction(1)))
        for name, branch in analysis.streams.parameters
    }


def _fans(
    analysis: Analysis, roles: Mapping[str, ParameterRole], ratios: Ratios
) -> dict[str, Fans]:
    shapes: Any = {
        name: tuple(
            Fraction(size) / ratios.of_axis(axis)
            for size, axis in zip(role.shape, role.axes, strict=True)
        )
        for name, role in roles.items()
    }
    shapes |= analysis.axes.base_shapes
    classes = {
        name: (c.size, c.size / ratios.classes.get(name, Fraction(1)))
        for name, c in analysis.axes.classes.items()
    }
    return {name: fans_of(role, roles, shapes, classes) for name, role in roles.items()}


def _base_values(analysis: Analysis, base: Given) -> dict[str, Tensor]:
    """The base model's values by this model's names, matched by the graph."""
    if base.model is None:
        return {}
    values = dict(base.model.named_parameters(remove_duplicate=False))
    places = {n.name: t for n, t in analysis.twins.items() if n.op == "placeholder"}
    return {
        name: values[theirs]
        for place, name in analysis.program.parameters.items()
        if place in places and (theirs := str(places[place].meta.get(PARAMETER, ""))) in values
    }


PARAMETER = "parameter"
"""Key of a placeholder's ``meta`` under which capture notes the parameter's name."""


def _place_sites(
    analysis: Analysis, ratios: Ratios, parameters: Parameters, request: Request
) -> tuple[Parameters, dict[str, SitePlan], dict[str, HookPlan]]:
    sites: dict[str, SitePlan] = {}
    hooks: dict[str, HookPlan] = {}
    found = dict(parameters)
    for decision in decide(analysis.sites, analysis.axes, ratios, request.parametrization):
        site, hook = _place(analysis, decision, request)
        sites[site.name] = site
        if hook is not None:
            hooks[site.name] = hook
        for name in site.target if site.lowering == "fold" else ():
            found[name] = absorb(found[name], decision.value, decision.power, FAMILIES)
    return found, sites, hooks


def _place(
    analysis: Analysis, decision: Decision, request: Request
) -> tuple[SitePlan, HookPlan | None]:
    site = decision.site
    if decision.value == 1.0:
        return _site_plan(decision, "none", ()), None
    attempts = [fold(analysis.program, site.node, operand) for operand in site.operands]
    folded = next((a for a in attempts if a.refusal is None), None)
    tied = site.kind is SiteKind.TIED_READOUT and request.hooks
    if folded is not None and not tied:
        return _site_plan(decision, "fold", folded.parameters), None
    hook = _hook(analysis, decision) if request.hooks else None
    if hook is not None:
        return _site_plan(decision, "hook", (str(hook),)), hook
    if folded is not None:
        return _site_plan(decision, "fold", folded.parameters), None
    raise _nowhere(decision, attempts, hooks=request.hooks)


def _hook(analysis: Analysis, decision: Decision) -> HookPlan | None:
    site, value = decision.site, decision.value
    if site.kind is SiteKind.TIED_READOUT:
        return plan_input_hook(analysis.program, site.node, site.operands[0], value)
    plans = (plan_output_hook(analysis.program, operand, value) for operand in site.operands)
    return next((plan for plan in plans if plan is not None), None)


def _nowhere(decision: Decision, attempts: list[Folded], *, hooks: bool) -> LoweringError:
    reasons = "; ".join(f"{a.at}: {a.refusal}" for a in attempts)
    return LoweringError(
        f"the multiplier {decision.value:g} of {decision.site.name} can go nowhere",
        where=decision.site.where,
        found=reasons,
        hint="hooks=True allows a hook at a module's boundary"
        if not hooks
        else "compute the operand in a module of its own, so that a hook can scale it",
    )


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
    )


def _describe(analysis: Analysis, ratios: Ratios, base: Given) -> dict[str, Any]:
    stored = {c for dims in analysis.axes.parameters.values() for dim in dims for c in dim}
    grown = {
        name: {"label": analysis.axes.classes[name].label, "ratio": str(ratio)}
        for name, ratio in ratios.classes.items()
        if ratio != 1 and name in stored
    }
    depths = {name: str(ratio) for name, ratio in ratios.depth.items() if ratio != 1}
    return {"form": base.form, "width": base.width, "classes": grown, "depth": depths}


def _notes(hooks: Mapping[str, HookPlan], *, on_meta: bool) -> list[str]:
    notes = [
        f"{name} is applied by a hook ({hook}); weights alone, loaded elsewhere, lack it"
        for name, hook in hooks.items()
    ]
    if on_meta:
        notes.append("no values yet: initialise the model, then call mupfx.rescale_(model)")
    return notes


def with_init(plan: Plan, parameters: Parameters) -> Plan:
    """The plan once the laws that were pending are known."""
    return replace(plan, parameters=parameters)

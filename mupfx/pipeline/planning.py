"""From an analysis to a plan: numbers per parameter, multipliers per site, init laws."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from torch import Tensor, nn

from mupfx.core.analysis import Analysis
from mupfx.core.axes import ParameterRole
from mupfx.core.base import Ratios
from mupfx.core.drawn import Drawn
from mupfx.core.hyperparameters import NO_CHOICES, Hyperparameters
from mupfx.core.init_law import Fans
from mupfx.core.parametrization import Parametrization
from mupfx.core.plan import ParameterPlan, Plan
from mupfx.core.vocabulary import Role, Status
from mupfx.passes.assign import assign
from mupfx.passes.initialize import Captured, Hints, documented_laws, fans_of, plan_init
from mupfx.passes.matrices import matrices
from mupfx.passes.multipliers import HookPlan
from mupfx.pipeline.bases import Given
from mupfx.pipeline.deepening import branches_of, require_depth
from mupfx.pipeline.initial import initial_notes, plan_initial
from mupfx.pipeline.keeping import kept
from mupfx.pipeline.placing import place_sites
from mupfx.pipeline.plain import require_critical, table_for
from mupfx.pipeline.settled import require_settled
from mupfx.tables.optimizers import FAMILIES


@dataclass(frozen=True, slots=True)
class Request:
    """What a user asked ``convert`` for."""

    parametrization: Parametrization
    base: Given
    strict: bool
    hooks: bool
    init: Mapping[str, str]
    choices: Hyperparameters = NO_CHOICES
    keep: bool = False
    """Values are those of a trained model, and stay."""
    lowering: str = "eager"
    """``"graph"`` leaves every multiplier of a site outside the weights, for a node of its own."""
    drawn: Mapping[str, Drawn] = field(default_factory=dict)
    """Of a factory's model: the laws that it asked for."""
    values: Mapping[str, Tensor] = field(default_factory=dict)
    """Of a model without values: those that are known all the same."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and what lowering needs beside it."""

    plan: Plan
    hooks: Mapping[str, HookPlan]
    """By site name."""
    fans: Mapping[str, Fans]
    request: Request
    on_meta: bool


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
    request = replace(request, parametrization=table_for(analysis, request.parametrization))
    notes = require_depth(analysis, ratios, request.parametrization.depth)
    parameters = assign(
        roles,
        ratios,
        request.parametrization,
        FAMILIES,
        branches_of(analysis, ratios, request.parametrization),
    )
    parameters = {n: _with_evidence(analysis, p, roles[n]) for n, p in parameters.items()}
    fans = _fans(analysis, roles, ratios)
    if not request.keep:
        parameters = _with_init(model, analysis, request, parameters, fans)
        require_critical(analysis, request.parametrization, parameters)
    parameters, sites, hooks = place_sites(
        analysis,
        parameters,
        request.parametrization,
        request.choices,
        outside=_outside(request),
    )
    sites |= plan_initial(analysis, request.parametrization)
    if request.keep:
        parameters, sites, hooks = kept(model, parameters, sites, hooks)
    plan = Plan(
        parametrization=request.parametrization.name,
        base=_describe(analysis, ratios, request.base),
        parameters=parameters,
        sites=sites,
        notes=(
            *analysis.findings,
            *request.parametrization.cautions,
            *notes,
            *_notes(hooks, on_meta=_on_meta(model)),
            *initial_notes(sites),
            *([f"hyperparameters: {request.choices}"] if request.choices != NO_CHOICES else []),
        ),
        aliases={o: name for name, others in analysis.program.tied.items() for o in others},
    )
    return Planned(plan, hooks, fans, request, _on_meta(model))


def _outside(request: Request) -> str:
    if request.lowering == "graph":
        return "graph"
    return "hook" if request.hooks else "none"


def _with_init(
    model: nn.Module,
    analysis: Analysis,
    request: Request,
    parameters: dict[str, ParameterPlan],
    fans: Mapping[str, Fans],
) -> dict[str, ParameterPlan]:
    """How starting values relate to the base's: by the law that each was drawn from.

    Raises:
        InitError: In strict mode, where a law of initialisation is ambiguous.
    """
    if request.parametrization.own_init:
        return {name: _as_drawn(p) for name, p in parameters.items()}
    named = {} if _on_meta(model) and not request.drawn else request.init
    theirs = _base_values(analysis, request.base)
    by_depth = request.parametrization.depth is not None
    level = {name for name, p in parameters.items() if by_depth or p.depth_ratio == 1}
    hints = Hints(  # laws may depend on depth as well
        named,
        {name: value for name, value in theirs.items() if parameters[name].depth_ratio == 1},
        documented_laws(model),
        _captured(analysis, request, level),
        by_depth=by_depth,
    )
    reached = {name: p for name, p in parameters.items() if name in analysis.roles}
    values = {**dict(model.named_parameters()), **request.values}
    return parameters | plan_init(values, reached, fans, hints, strict=request.strict)


def _on_meta(model: nn.Module) -> bool:
    return any(p.is_meta for p in model.parameters())


def _as_drawn(parameter: ParameterPlan) -> ParameterPlan:
    """Whatever law it was: on meta as well, nothing is to be rescaled later."""
    why = "init: as the model draws it"
    init = replace(parameter.init, law="as drawn", factor=1.0)
    return replace(parameter, init=init, evidence=(*parameter.evidence, why))


def _with_evidence(
    analysis: Analysis, parameter: ParameterPlan, role: ParameterRole
) -> ParameterPlan:
    """Before the role, a sentence for every factor of its axes; its parts, if they are apart."""
    names = dict.fromkeys(c for axis in role.axes for c in axis)
    classes = [analysis.axes.classes[name] for name in names]
    sentences = [f"{c.label} {c.size} is {c.kind} ({c.status}): {c.evidence}" for c in classes]
    parts = matrices(parameter.parts, role, analysis.axes, analysis.sites)
    return replace(parameter, evidence=(*sentences, *parameter.evidence), parts=parts)


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
    names = _base_names(analysis)
    return {name: values[theirs] for name, theirs in names.items() if theirs in values}


def _base_names(analysis: Analysis) -> dict[str, str]:
    """What the base calls each parameter, as far as the graphs are lined up."""
    places = {n.name: t for n, t in analysis.twins.items() if n.op == "placeholder"}
    return {
        name: str(places[place].meta.get("parameter", ""))
        for place, name in analysis.program.parameters.items()
        if place in places
    }


def _captured(analysis: Analysis, request: Request, level: Collection[str]) -> dict[str, Captured]:
    """The laws that were asked for here, with those of the base where depth is no matter."""
    names = _base_names(analysis) or {name: name for name in request.drawn}
    return {
        name: Captured(law, request.base.drawn.get(names.get(name, "")) if name in level else None)
        for name, law in request.drawn.items()
    }


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

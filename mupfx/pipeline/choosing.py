"""A user's multipliers and zero inits on the sites and parameters of one model.

``output_multiplier=2`` doubles what every last readout makes: a site of its own that is folded into
weight and bias, or twice the multiplier of a tied readout. ``zero_query`` zeroes whatever carries a
query.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from mupfx.core.analysis import Analysis
from mupfx.core.axes import ParameterRole
from mupfx.core.hyperparameters import Hyperparameters
from mupfx.core.plan import InitPlan, ParameterPlan
from mupfx.core.power import ONE
from mupfx.core.program import module_of
from mupfx.core.structure import Site
from mupfx.core.vocabulary import Role, SiteKind
from mupfx.errors import LoweringError
from mupfx.passes.decide import Decision
from mupfx.passes.fold import Prepared, fold
from mupfx.passes.multipliers import ScaleOutput, plan_output_hook

Part = tuple[int, int, int, int]
"""Dimension, start, stop and period of entries."""

SOURCE = "chosen by the user, and the same at every size"
_ZEROS = InitPlan(law="zeros", std=0.0, base_std=0.0, factor=0.0, power=ONE)
_TIED, _PRODUCT, _ATTENTION = SiteKind.TIED_READOUT, SiteKind.PRODUCT, SiteKind.ATTENTION


def chosen(
    analysis: Analysis,
    decisions: Sequence[Decision],
    ends: Sequence[Site],
    choices: Hyperparameters,
) -> tuple[Decision, ...]:
    """Multiply every decision by what the user chose for it, and add those there are besides.

    Raises:
        LoweringError: A multiplier was chosen for something that the model lacks.
    """
    values = {
        SiteKind.READOUT: choices.output_multiplier,
        SiteKind.EMBEDDING: choices.embedding_multiplier,
    }
    known = {d.site.name for d in decisions}
    looked_up = {d.site.parameter: d.value for d in decisions if d.site.kind is SiteKind.EMBEDDING}
    found = [_multiplied(d, choices, looked_up) for d in decisions]
    found += [
        _decided(site, values[site.kind])
        for site in ends
        if values[site.kind] != 1 and site.name not in known
    ]
    kinds = {d.site.kind for d in found} | {site.kind for site in ends}
    _require(choices.output_multiplier, kinds & {SiteKind.READOUT, _TIED, _PRODUCT}, "output")
    _require(choices.embedding_multiplier, kinds & {SiteKind.EMBEDDING}, "embedding")
    _require(choices.attention_multiplier, kinds & {_ATTENTION}, "attention")
    return tuple(found)


def _multiplied(
    decision: Decision, choices: Hyperparameters, looked_up: Mapping[str | None, float]
) -> Decision:
    """A tied readout gives back what its weight took in as an embedding."""
    site = decision.site
    value = {
        _ATTENTION: choices.attention_multiplier,
        _TIED: choices.output_multiplier / choices.embedding_multiplier,
        _PRODUCT: choices.output_multiplier,
        SiteKind.EMBEDDING: choices.embedding_multiplier,
    }.get(site.kind, 1.0)
    if site.kind is _TIED and site.parameter in looked_up:
        undone = looked_up[site.parameter]
        said = f"{decision.evidence}; / {undone:g}, which its weight carries as an embedding"
        decision = replace(decision, value=decision.value / undone, evidence=said)
    if value == 1:
        return decision
    return replace(
        decision,
        value=decision.value * value,
        choice=value,
        evidence=f"{decision.evidence}; x {value:g}, {SOURCE}",
    )


def _decided(site: Site, value: float) -> Decision:
    evidence = f"what {site.parameter} makes, x {value:g}"
    return Decision(site, value, ONE, SOURCE, evidence, choice=value)


def ends_of(analysis: Analysis) -> tuple[Site, ...]:
    """Readouts and embeddings of a model; a table that is looked up twice is one."""
    ends = analysis.ends
    tables = {(s.parameter, s.scale): s for s in ends if s.kind is SiteKind.EMBEDDING}
    return (*(s for s in ends if s.kind is not SiteKind.EMBEDDING), *tables.values())


def _require(value: float, found: object, name: str) -> None:
    if value != 1 and not found:
        raise LoweringError(
            f"{name}_multiplier = {value:g} has nothing to multiply",
            found=f"no {name} in this model",
            hint=f"leave {name}_multiplier out",
        )


def zeroed(
    analysis: Analysis,
    graph: Prepared,
    parameters: Mapping[str, ParameterPlan],
    choices: Hyperparameters,
) -> dict[str, ParameterPlan]:
    """Start at zero what the user chose to; everything else about it stays.

    Raises:
        LoweringError: It shares its weight with something else, or is not there.
    """
    found = dict(parameters)
    wanted: list[tuple[str, Part | None]] = []
    if choices.zero_readout:
        wanted += [(name, None) for name in _last_weights(analysis, graph)]
    if choices.zero_query:
        wanted += _queries(analysis, graph)
    for name, part in wanted:
        row = found[name]
        init = replace(_ZEROS, power=row.init.power)
        if part is not None:
            init = replace(row.init, zeros=tuple(dict.fromkeys((*row.init.zeros, part))))
        words = "" if part is None else f" in entries {part[1]}:{part[2]} of every {part[3]}"
        why = f"zero at the start{words}, {SOURCE}"
        found[name] = replace(row, init=init, evidence=(*row.evidence, why))
    return found


def _last_weights(analysis: Analysis, graph: Prepared) -> Iterator[str]:
    roles = analysis.roles
    tied = next((name for name, role in roles.items() if role.tied_readout), None)
    if tied is not None:
        raise LoweringError(
            "the readout cannot start at zero: it is tied to an embedding",
            where=tied,
            hint="untie them, or leave zero_readout out",
        )
    ends = ends_of(analysis)
    sites = [s for s in ends if s.kind is SiteKind.READOUT and _is_weight(roles, s)]
    if not sites:
        raise LoweringError("zero_readout finds no readout", hint="leave zero_readout out")
    for site in sites:
        yield from _carriers(graph, site, "zero_readout")


def _is_weight(roles: Mapping[str, ParameterRole], site: Site) -> bool:
    return roles[site.parameter or ""].role is not Role.SCALAR


def _queries(analysis: Analysis, graph: Prepared) -> Iterator[tuple[str, Part | None]]:
    sites = [site for site in analysis.sites if site.kind is _ATTENTION]
    if not sites:
        raise LoweringError("zero_query finds no attention", hint="leave zero_query out")
    for site in sites:
        fused = tuple(_fused(analysis, graph, site))
        yield from fused or ((name, None) for name in _carriers(graph, site, "zero_query"))


def _fused(analysis: Analysis, graph: Prepared, site: Site) -> Iterator[tuple[str, Part]]:
    """Parts of parameters that make queries, where these come with keys out of one layer."""
    if fold(graph, site.node, site.operands[0]).refusal is None:
        return
    plan = plan_output_hook(graph.program, site.operands[0], 0.0)
    if plan is None or not isinstance(plan.hook, ScaleOutput):
        return
    hook = plan.hook
    for name, role in analysis.roles.items():
        uses = [use for _, use in role.uses if module_of(graph.nodes[use.node]) == plan.module]
        if not (len(role.uses) == len(uses) == 1 and len(uses[0].fan_out) == 1):
            continue
        (dim,) = uses[0].fan_out
        if role.shape[dim] % hook.period == 0:
            yield name, (dim, hook.start, hook.stop, hook.period)


def _carriers(graph: Prepared, site: Site, wish: str) -> tuple[str, ...]:
    found = fold(graph, site.node, site.operands[0])
    if found.refusal is not None:
        raise LoweringError(
            f"{wish}: what is to start at zero has no weight of its own",
            where=site.where or site.node,
            found=f"{found.at}: {found.refusal}",
            hint=f"give it a layer of its own, or leave {wish} out",
        )
    return found.parameters

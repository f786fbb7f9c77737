"""From the graph to the number, for one parameter: evidence, ratios, factors, rule and paper."""

from typing import Any

from mupfx.core.plan import InitPlan, OptimizerFactors, ParameterPlan, Plan, SitePlan
from mupfx.core.power import Power
from mupfx.errors import PlanError, did_you_mean
from mupfx.render.document import Column, Document, Lines, Row, Table
from mupfx.render.plan import number, std_factor

_LIKELY = 3
"""How many similar names an error suggests."""


def explain_document(plan: Plan, name: str) -> Document:
    """The chain behind every number of one parameter.

    Raises:
        PlanError: The plan has no such parameter.
    """
    parameter = plan.parameters[planned_name(plan, name)]
    sizes = " x ".join(map(str, parameter.shape)) or "scalar"
    sites = sites_of(plan, parameter.name)
    also = f" and {', '.join(parameter.tied_to)}" if parameter.tied_to else ""
    return (
        Lines(f"{parameter.name}{also}  [{sizes}]  {parameter.role}", _chain(parameter, plan)),
        _ratio_table(parameter),
        _factor_table(parameter),
        *(_site_lines(site) for site in sites),
    )


def explain_dict(plan: Plan, name: str) -> dict[str, Any]:
    """The same as data: the parameter's and its sites' part of ``plan.json``."""
    planned = planned_name(plan, name)
    whole = plan.to_dict()
    sites = {site.name: whole["sites"][site.name] for site in sites_of(plan, planned)}
    return {
        "schema": whole["schema"],
        "parametrization": plan.parametrization,
        "base": whole["base"],
        "parameter": planned,
        **whole["parameters"][planned],
        "sites": sites,
    }


def planned_name(plan: Plan, name: str) -> str:
    """The name a parameter is planned under, for itself or a tied alias.

    Raises:
        PlanError: The plan has no such parameter.
    """
    planned = plan.aliases.get(name, name)
    if planned in plan.parameters:
        return planned
    hint = did_you_mean(name, [*plan.parameters, *plan.aliases], _LIKELY)
    raise PlanError(f"the plan has no parameter `{name}`", hint=hint)


def sites_of(plan: Plan, name: str) -> tuple[SitePlan, ...]:
    """Sites whose multiplier went into a parameter, or into a hook of a module that holds it."""
    names = (name, *plan.parameters[name].tied_to)
    homes = {*names, *(each.rpartition(".")[0] for each in names)}
    return tuple(
        site
        for site in plan.sites.values()
        if any(target.partition(":")[0] in homes for target in site.target)
    )


def _chain(parameter: ParameterPlan, plan: Plan) -> tuple[str, ...]:
    """The evidence, a numbered sentence a link, ending in the rule's source."""
    links = [link for link in parameter.evidence if link]
    if not any(parameter.source in link for link in links):
        links.append(f"{plan.parametrization}, {parameter.role}: {parameter.source}")
    return tuple(f"{at}. {link}" for at, link in enumerate(links, 1))


def _ratio_table(parameter: ParameterPlan) -> Table:
    ratios = (
        ("fan-in", parameter.fan_in_ratio),
        ("fan-out", parameter.fan_out_ratio),
        ("depth", parameter.depth_ratio),
    )
    rows = tuple((name, str(ratio)) for name, ratio in ratios)
    return Table("size here over size at the base", _RATIO_COLUMNS, rows)


def _factor_table(parameter: ParameterPlan) -> Table:
    init = parameter.init
    rows: list[Row] = [
        ("init std", number(std_factor(parameter)), str(init.power), _law(init)),
        ("starting values", number(init.factor), "", "what the values drawn are multiplied by"),
        ("multiplier", number(parameter.multiplier), "", "of the forward pass"),
    ]
    rows += _family_rows(parameter)
    return Table("factors on your own values", _FACTOR_COLUMNS, tuple(rows))


def _law(init: InitPlan) -> str:
    if init.law is None:
        return "no values yet"
    if init.std is None:
        return init.law
    return f"{init.law}: {number(init.base_std)} at the base, {number(init.std)} here"


def _family_rows(parameter: ParameterPlan) -> list[Row]:
    """Families whose numbers are the same share a row."""
    shared: dict[tuple[str, float | None, str], list[str]] = {}
    for family, factors in parameter.optimizers.items():
        for title, value, power in _numbers(factors):
            shared.setdefault((title, value, _power(power)), []).append(family)
    order = {"lr": 0, "weight decay": 1, "eps": 2}
    return [
        (title, number(value), power, _note(families, value))
        for (title, value, power), families in sorted(
            shared.items(), key=lambda row: order.get(row[0][0], 3)
        )
    ]


def _numbers(factors: OptimizerFactors) -> tuple[tuple[str, float | None, Power | None], ...]:
    return (
        ("lr", factors.lr, factors.lr_power),
        ("weight decay", factors.weight_decay, factors.weight_decay_power),
        ("eps", factors.eps, factors.eps_power),
        *((name, value, power) for name, (value, power) in factors.others.items()),
    )


def _note(families: list[str], value: float | None) -> str:
    return ", ".join(families) + (": no rule" if value is None else "")


def _power(power: Power | None) -> str:
    return "-" if power is None else str(power)


def _site_lines(site: SitePlan) -> Lines:
    where = f"{site.lowering}: {', '.join(site.target)}"
    power = str(site.power) if site.choice == 1 else f"{number(site.choice)} * {site.power}"
    return Lines(
        f"{site.kind} site {site.name}",
        (site.evidence, f"x {number(site.multiplier)} = {power}, {where}", site.source),
    )


_RATIO_COLUMNS = (Column("along"), Column("ratio", right=True))
_FACTOR_COLUMNS = (
    Column("number"),
    Column("factor", right=True),
    Column("is"),
    Column("note", wraps=True),
)

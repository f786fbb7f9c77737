"""The plan as a table: role, ratios, and the factor on every number, one row a parameter."""

from mupfx.core.plan import ParameterPlan, Plan, SitePlan
from mupfx.render.collapse import INDEX, NUMBER, collapse
from mupfx.render.document import Column, Document, Lines, Row, Table

_NONE = "-"
_FAMILIES = ("sgd", "adam", "adamw")
"""Families with a learning-rate column; the plan itself holds them all."""
_DECAY = "adamw"
"""The family whose weight decay is shown."""


def plan_document(plan: Plan, *, every_layer: bool = False) -> Document:
    """What ``mupfx convert`` prints."""
    tables = (plan_table(plan), site_table(plan, every_site=every_layer))
    shown = (table if every_layer else collapse(table) for table in tables if table.rows)
    notes = (Lines("notes", plan.notes),) if plan.notes else ()
    return (*shown, *notes)


def plan_table(plan: Plan) -> Table:
    """One row a parameter; every factor is relative to the value at the base."""
    parameters = plan.parameters.values()
    rates = _rate_columns(plan)
    columns = (*_SIZES, *(Column(f"{title} lr", right=True) for title in rates), *_REST)
    rows = tuple(_row(parameter, tuple(rates.values())) for parameter in parameters)
    return Table(f"plan: {plan.parametrization}, relative to the base", columns, rows)


def site_table(plan: Plan, *, every_site: bool = False) -> Table:
    """One row a multiplier that belongs to no single weight; those of 1 where all are wanted."""
    sites = (site for site in plan.sites.values() if every_site or site.lowering != "none")
    return Table("multipliers", _SITE_COLUMNS, tuple(_site_row(site) for site in sites))


def number(value: float | None) -> str:
    """A factor in at most four digits.

    >>> number(0.25), number(1.0), number(2**-0.5), number(None)
    ('0.25', '1', '0.7071', '-')
    """
    return _NONE if value is None else f"{value:.4g}"


def std_factor(parameter: ParameterPlan) -> float:
    """The init std here over that at the base."""
    init = parameter.init
    if init.factor == 0:
        return 0.0
    if init.std and init.base_std:
        return init.std / init.base_std
    return init.power.value(
        {
            "fan_in": parameter.fan_in_ratio,
            "fan_out": parameter.fan_out_ratio,
            "depth": parameter.depth_ratio,
        }
    )


def _rate_columns(plan: Plan) -> dict[str, str]:
    """Titles and families; families whose rates are the same everywhere share a column."""
    columns: dict[tuple[str, ...], list[str]] = {}
    for family in _FAMILIES:
        rates = tuple(_rate(parameter, family) for parameter in plan.parameters.values())
        columns.setdefault(rates, []).append(family)
    titles = {"adam, adamw": "adam(w)"}
    joined = {", ".join(families): families[0] for families in columns.values()}
    return {titles.get(title, title): family for title, family in joined.items()}


def _row(parameter: ParameterPlan, families: tuple[str, ...]) -> Row:
    decay = parameter.optimizers.get(_DECAY)
    return (
        parameter.name,
        str(parameter.role),
        str(parameter.fan_in_ratio),
        str(parameter.fan_out_ratio),
        str(parameter.depth_ratio),
        number(std_factor(parameter)),
        number(parameter.init.factor),
        *(_rate(parameter, family) for family in families),
        number(decay.weight_decay if decay else None),
        number(parameter.multiplier),
    )


def _rate(parameter: ParameterPlan, family: str) -> str:
    factors = parameter.optimizers.get(family)
    return number(factors.lr if factors else None)


def _site_row(site: SitePlan) -> Row:
    targets = ", ".join(site.target) or _NONE
    return (site.name, str(site.kind), number(site.multiplier), site.lowering, targets, site.source)


_SIZES = (
    Column("parameter", varies=INDEX),
    Column("role"),
    Column("in", right=True),
    Column("out", right=True),
    Column("depth", right=True),
    Column("std", right=True),
    Column("rescale", right=True),
)
_REST = (Column("adamw wd", right=True), Column("mult", right=True))
_SITE_COLUMNS = (
    Column("site", varies=NUMBER),
    Column("kind"),
    Column("multiplier", right=True),
    Column("lowering"),
    Column("into", varies=INDEX),
    Column("source", wraps=True),
)

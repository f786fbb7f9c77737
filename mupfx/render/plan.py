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
    tables = tuple(table for table in (plan_table(plan), site_table(plan)) if table.rows)
    shown = tables if every_layer else tuple(collapse(table) for table in tables)
    notes = (Lines("notes", plan.notes),) if plan.notes else ()
    return (*shown, *notes)


def plan_table(plan: Plan) -> Table:
    """One row a parameter; every factor is relative to the value at the base."""
    parameters = plan.parameters.values()
    rates = _rate_columns(plan)
    columns = (*_SIZES, *(Column(f"lr {title}", right=True) for title in rates), *_REST)
    rows = tuple(_row(parameter, tuple(rates.values())) for parameter in parameters)
    return Table(f"plan: {plan.parametrization}", columns, rows)


def site_table(plan: Plan) -> Table:
    """One row a multiplier that belongs to no single weight."""
    rows = tuple(_site_row(site) for site in plan.sites.values())
    return Table("multipliers", _SITE_COLUMNS, rows)


def number(value: float | None) -> str:
    """A factor in at most six digits.

    >>> number(0.25), number(1.0), number(2**-0.5), number(None)
    ('0.25', '1', '0.707107', '-')
    """
    return _NONE if value is None else f"{value:.6g}"


def std_factor(parameter: ParameterPlan) -> float:
    """The init std here over that at the base."""
    init = parameter.init
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
    return {", ".join(families): families[0] for families in columns.values()}


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
    Column("fan-in", right=True),
    Column("fan-out", right=True),
    Column("depth", right=True),
    Column("init std", right=True),
    Column("rescale", right=True),
)
_REST = (Column("wd adamw", right=True), Column("multiplier", right=True))
_SITE_COLUMNS = (
    Column("site", varies=NUMBER),
    Column("kind"),
    Column("multiplier", right=True),
    Column("lowering"),
    Column("into", varies=INDEX),
    Column("source", wraps=True),
)

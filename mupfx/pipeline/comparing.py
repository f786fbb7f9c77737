"""The numbers that several parametrizations give one model, before any of them is put on it."""

from collections.abc import Sequence
from fractions import Fraction

from mupfx.core.analysis import Analysis
from mupfx.core.base import Ratios
from mupfx.core.comparison import Cell, Comparison
from mupfx.core.parametrization import Parametrization
from mupfx.core.plan import ParameterPlan
from mupfx.errors import ParametrizationError
from mupfx.passes.assign import assign
from mupfx.passes.decide import decide
from mupfx.passes.depth import require_depth_rules
from mupfx.pipeline.deepening import branches_of
from mupfx.tables.optimizers import FAMILIES

_SHOWN = {name: FAMILIES[name] for name in ("sgd", "adam")}


def compare(analysis: Analysis, tables: Sequence[Parametrization]) -> tuple[Comparison, ...]:
    """Give every table its numbers for every parameter and every site, in the canonical gauge.

    Raises:
        ParametrizationError: A table has no rule for a role of this model.
    """
    return tuple(_compared(analysis, table) for table in tables)


def _compared(analysis: Analysis, table: Parametrization) -> Comparison:
    ratios = analysis.ratios or Ratios({})
    branches = branches_of(analysis, ratios)
    rows = assign(analysis.roles, ratios, table, _SHOWN, branches)
    depth = max((depth for _, depth in branches.values()), default=Fraction(1))
    sites = decide(analysis.sites, analysis.axes, ratios, table)
    found = {str(d.site.kind): d.value for d in sites if d.value != 1}
    if table.depth is not None and depth != 1:
        found["branch"] = table.depth.branch.value({"depth": depth})
    cells = {name: _cell(row, table) for name, row in rows.items()}
    return Comparison(table.name, cells, found, _refused(analysis, ratios, table))


def _refused(analysis: Analysis, ratios: Ratios, table: Parametrization) -> str | None:
    if table.depth is None:
        return None
    program, streams = analysis.program, analysis.streams
    try:
        require_depth_rules(program, analysis.axes, streams, ratios.depth)
    except ParametrizationError as error:
        return error.what
    return None


def _cell(row: ParameterPlan, table: Parametrization) -> Cell:
    return Cell(
        role=row.role,
        inside=row.branch is not None,
        std=None if table.own_init else row.init.power.value(row.symbols),
        lr_adam=row.optimizers["adam"].lr,
        lr_sgd=row.optimizers["sgd"].lr,
    )

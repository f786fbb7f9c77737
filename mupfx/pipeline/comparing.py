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
from mupfx.pipeline.plain import table_for
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
    try:
        fitting = _fitting(analysis, ratios, table)
    except ParametrizationError as error:
        return Comparison(table.name, {}, {}, refused=error.what)
    branches = branches_of(analysis, ratios, fitting)
    rows = assign(analysis.roles, ratios, fitting, _SHOWN, branches)
    sites = decide(analysis.sites, analysis.axes, ratios, fitting)
    found = {str(d.site.kind): d.value for d in sites if d.value != 1}
    deeper = max((row.depth_ratio for row in rows.values() if row.branch), default=Fraction(1))
    if fitting.depth is not None and deeper != 1:
        found["branch"] = fitting.depth.branch.value({"depth": deeper})
    cells = {name: _cell(row, fitting) for name, row in rows.items()}
    return Comparison(table.name, cells, found)


def _fitting(analysis: Analysis, ratios: Ratios, table: Parametrization) -> Parametrization:
    """The table as it is for this model.

    Raises:
        ParametrizationError: It is not for a model like this.
    """
    found = table_for(analysis, table)
    if found.depth is not None:
        program, streams = analysis.program, analysis.streams
        require_depth_rules(program, analysis.axes, streams, ratios.depth)
    return found


def _cell(row: ParameterPlan, table: Parametrization) -> Cell:
    return Cell(
        role=row.role,
        inside=row.branch is not None,
        std=None if table.own_init else row.init.power.value(row.symbols),
        lr_adam=row.optimizers["adam"].lr,
        lr_sgd=row.optimizers["sgd"].lr,
    )

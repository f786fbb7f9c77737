"""Analyses of several sizes, each with the smallest model as its base, and what they expect."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from mupfx.core.analysis import Analysis
from mupfx.core.base import Ratios
from mupfx.core.parametrization import Parametrization
from mupfx.core.plan import ParameterPlan
from mupfx.core.report import Size
from mupfx.core.setup import Setup
from mupfx.passes.assign import assign
from mupfx.passes.multipliers import unhooked
from mupfx.passes.preflight import preflight
from mupfx.passes.ratios import in_the_limit
from mupfx.passes.scalars import Scales, find_scales
from mupfx.pipeline.analysis import Options, run_analysis
from mupfx.pipeline.bases import Given
from mupfx.pipeline.checking.hooked import multipliers, over
from mupfx.pipeline.checking.sites import Wanted, wanted_sites
from mupfx.pipeline.deepening import branches_of
from mupfx.pipeline.pairing import Captures
from mupfx.pipeline.plain import table_for


@dataclass(frozen=True, slots=True)
class Analysed:
    """One size beside the smallest."""

    size: Size
    ratio: float
    analysis: Analysis
    rows: Mapping[str, ParameterPlan]
    """What the table gives every parameter."""
    wide: Mapping[str, ParameterPlan]
    """The same where finite parts of concatenations do not count: ``width + 3`` as ``width``."""
    sites: tuple[Wanted, ...]
    scales: Scales
    base_names: Mapping[str, str]
    """What the smallest calls each parameter."""


def analyse(  # noqa: PLR0913, PLR0917 - two setups, and how they are looked at
    base: Setup,
    setup: Setup,
    axis: str,
    table: Parametrization,
    options: Options,
    captures: Captures,
) -> Analysed:
    """Analyse one size with the smallest as its base, which is captured once for all.

    Raises:
        MupfxError: Whatever analysis refuses.
    """
    preflight(setup.model)
    layers = table.plain is not None
    with unhooked(setup.model, base.model):
        analysis = run_analysis(
            setup.model,
            setup.args,
            setup.kwargs,
            Given(model=base.model),
            replace(options, infer_depth=True, layers=layers),
            captures,
        )
    fitting = table_for(analysis, table)
    ratios = analysis.ratios or Ratios({})
    rows = _rows(analysis, ratios, fitting)
    limits = in_the_limit(analysis.axes, ratios)
    wide = rows if limits == ratios else _rows(analysis, limits, fitting)
    mine, theirs = multipliers(setup.model), multipliers(base.model)
    sites = tuple(
        replace(wanted, hook=over(mine, theirs, wanted.site.name))
        for wanted in wanted_sites(analysis, fitting, axis)
    )
    scales = find_scales(analysis.program, analysis.twins, [w.as_expected() for w in sites])
    ratio = setup.size.along(axis) / base.size.along(axis)
    names = dict(_names(analysis, base))
    return Analysed(setup.size, ratio, analysis, rows, wide, sites, scales, names)


def _rows(
    analysis: Analysis, ratios: Ratios, table: Parametrization
) -> Mapping[str, ParameterPlan]:
    return assign(analysis.roles, ratios, table, {}, branches_of(analysis, ratios, table))


def _names(analysis: Analysis, base: Setup) -> Iterator[tuple[str, str]]:
    """By the graph where it is lined up, else by name."""
    theirs = dict(base.model.named_parameters())
    twins = {n.name: t for n, t in analysis.twins.items() if n.op == "placeholder"}
    for place, name in analysis.program.parameters.items():
        found = str(twins[place].meta.get("parameter", "")) if place in twins else name
        if found in theirs:
            yield name, found

"""Richness over widths, and Yaida's gamma as a model's own parametrization predicts it."""

from collections.abc import Iterator, Sequence

from mupfx.core.observed import Row
from mupfx.core.setup import Setup
from mupfx.core.statistics import log_slope
from mupfx.core.vocabulary import Role
from mupfx.errors import ParametrizationError
from mupfx.observables.graph import ModelGraph
from mupfx.pipeline.lowering import conversions
from mupfx.tables.parametrizations import parametrization


def richness(rows: Sequence[Row]) -> Iterator[Row]:
    """Karkada's r, one a seed: the length of the features' change grows as ``width^r``.

    Features have ``width`` entries, so that it is 1/2 more than the exponent of an entry's change.
    """
    moved = [r for r in rows if r.quantity == "feature_update" and r.width is not None]
    last = max((r.step for r in moved), default=0)
    for depth, seed in dict.fromkeys((r.depth, r.seed) for r in moved):
        mine = [r for r in moved if (r.depth, r.seed, r.step) == (depth, seed, last)]
        curve = {r.width: r.value for r in mine if r.width is not None and r.value > 0}
        if len(curve) > 1:
            value = 0.5 + log_slope(tuple(curve), tuple(curve.values()))
            yield Row(None, depth, seed, last, "", "", "", "richness", value)


def predicted_gamma(graph: ModelGraph, setup: Setup, step: int) -> Iterator[Row]:
    """``layers^l / width^w`` of the table that a model was converted with.

    Widths are relative to the base. Its readout's std is ``fan_in^(w/2 - 1) depth^((1 - l)/2)``.
    """
    found = dict(conversions(setup.model))
    if not found or not graph.readout:
        return
    plan = next(iter(found.values())).plan
    try:
        table = parametrization(plan.parametrization)
    except ParametrizationError:
        return
    rule, row = table.rules.get(Role.OUTPUT), plan.parameters.get(graph.readout[0])
    if rule is None or row is None:
        return
    powers = dict(rule.init_std.exponents)
    width = 2 + 2 * float(powers.get("fan_in", 0))
    depth = 1 - 2 * float(powers.get("depth", 0))
    value = graph.depth**depth / float(row.fan_in_ratio) ** width
    size = setup.size
    yield Row(size.width, size.depth, setup.seed, step, "", "", "", "gamma_predicted", value)

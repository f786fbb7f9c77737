"""Depth in a plan: which parameters sit in branches, how much deeper they are, what stands against.

A parameter of the inner transformer in a branch of a U-Net is in branches of two streams; its depth
ratio is the product of theirs.
"""

import warnings
from collections.abc import Mapping
from fractions import Fraction
from math import prod

from mupfx.core.analysis import Analysis
from mupfx.core.base import Ratios
from mupfx.core.parametrization import DepthRule, Parametrization
from mupfx.core.power import ONE as NOTHING
from mupfx.errors import MupfxWarning
from mupfx.passes.depth import depth_notes, require_depth_rules
from mupfx.pipeline.depths import LAYERS

ONE = Fraction(1)


def branches_of(
    analysis: Analysis, ratios: Ratios, table: Parametrization
) -> dict[str, tuple[str | None, Fraction]]:
    """By parameter, its smallest branch and the depth ratio of all streams that it adds to.

    In a plain net all are as deep; beside the branches, where the table has a rule for that, too.
    """
    streams = _streams_around(analysis)
    whole = ratios.depth.get(LAYERS)
    if table.depth is not None and table.depth.around != NOTHING:
        whole = next(iter(ratios.depth.values()), None)
    around: dict[str, tuple[str | None, Fraction]] = {}
    if whole is not None:
        around = dict.fromkeys(analysis.roles, (None, whole))
    return around | {
        name: (branch, prod((ratios.depth.get(s, ONE) for s in streams[name]), start=ONE))
        for name, branch in analysis.streams.parameters
    }


def _streams_around(analysis: Analysis) -> Mapping[str, set[str]]:
    by_node: dict[str, set[str]] = {}
    for branch in analysis.streams.branches:
        for node in branch.nodes:
            by_node.setdefault(node, set()).add(branch.stream)
    found: dict[str, set[str]] = {}
    for use in analysis.axes.uses:
        found.setdefault(use.parameter, set()).update(by_node.get(use.node, ()))
    return found


def require_depth(analysis: Analysis, ratios: Ratios, rule: DepthRule | None) -> tuple[str, ...]:
    """Refuse a depth rule where it does not hold; else what to know about it, also as warnings.

    Raises:
        ParametrizationError: The rule was not derived for a stream like this.
    """
    if rule is None:
        return ()
    program, streams = analysis.program, analysis.streams
    require_depth_rules(program, analysis.axes, streams, ratios.depth)
    notes = tuple(depth_notes(program, analysis.axes, streams, ratios.depth, rule))
    for note in notes:
        warnings.warn(note, MupfxWarning, stacklevel=5)
    return notes

"""Tables of which one model alone does not show what they are: told, so that they are ``assumed``.

A table that is looked up and read out may be as wide as the stream by chance: at another width some
models project it both ways, where layers have a width of their own. One that is added whole has a
row for every place: a vector each, or a look-up of all rows in order, which is the same but where
embeddings have a rate of their own::

    logits = stream @ table.T            table [vocabulary, width]
    stream = stream + table              table [places, width]
"""

from collections.abc import Iterator
from dataclasses import replace
from math import prod

from torch import fx

from mupfx.core.axes import Axes, Use
from mupfx.core.ops import packet
from mupfx.core.program import Program
from mupfx.core.vocabulary import Kind
from mupfx.tables.linear_ops import JOINS, SUMS

TIED = "looked up and read out: where the stream is wider, a model may project it both ways"
WHOLE = "added whole, a row for every place: a vector each, or a look-up of all rows in order"


def doubt_tables(program: Program, axes: Axes) -> Axes:
    """The same axes, with a sentence for every such table that has none yet."""
    nodes = {node.name: node for node in program.graph.nodes}
    return replace(axes, doubts=dict(_doubts(axes, nodes)) | dict(axes.doubts))


def _doubts(axes: Axes, nodes: dict[str, fx.Node]) -> Iterator[tuple[str, str]]:
    uses: dict[str, list[Use]] = {}
    readers: dict[str, set[str]] = {}
    for use in axes.uses:
        uses.setdefault(use.parameter, []).append(use)
        for c in (c for d in use.fan_in for c in axes.parameters[use.parameter][d]):
            readers.setdefault(c, set()).add(use.parameter)
    for name, found in uses.items():
        both = any(u.index and not u.fan_in for u in found) and any(u.fan_in for u in found)
        grown = {c for axis in axes.parameters[name] for c in axis if _grows(axes, (c,))}
        if both and any(readers.get(c, set()) - {name} for c in grown):
            yield name, TIED
        elif _has_rows(axes, name) and _is_added(found, nodes):
            yield name, WHOLE


def _is_added(uses: list[Use], nodes: dict[str, fx.Node]) -> bool:
    """Whether a parameter is nowhere contracted or looked up, and somewhere added or put beside."""
    if any(use.fan_in or use.index for use in uses):
        return False
    return any(packet(nodes[use.node]) in SUMS | JOINS for use in uses)


def _has_rows(axes: Axes, name: str) -> bool:
    """Whether a parameter has one dimension of width, and places beside it."""
    sizes = [(_grows(axes, axis), axes.size_of(axis)) for axis in axes.parameters[name]]
    rows = prod(size for grows, size in sizes if not grows)
    return sum(grows for grows, _ in sizes) == 1 and rows > 1


def _grows(axes: Axes, axis: tuple[str, ...]) -> bool:
    return any(axes.classes[c].kind is Kind.WIDTH for c in axis)

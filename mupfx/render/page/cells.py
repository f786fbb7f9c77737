"""What the picture of a model shows of its graph: where parameters are used, adds, attention.

All other nodes are left out, and edges lead through them. ``Cell("linear_2", Kind.WEIGHTS,
("mlp.0.weight", "mlp.0.bias"), None)`` is one multiplication with its bias.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from torch import fx

from mupfx.core.analysis import Analysis
from mupfx.core.structure import Site
from mupfx.core.vocabulary import SiteKind


class Kind(StrEnum):
    """What a cell is."""

    WEIGHTS = "weights"
    SITE = "site"
    ADD = "add"
    """A residual add."""
    START = "start"
    """A sum that a residual stream begins with."""
    INPUT = "input"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Cell:
    """One node that is shown."""

    node: str
    kind: Kind
    parameters: tuple[str, ...] = ()
    site: Site | None = None
    branch: str | None = None
    """The innermost residual branch that it is in."""


Edge = tuple[str, str]

_SHOWN_SITES = (SiteKind.ATTENTION, SiteKind.PRODUCT)


def cells(analysis: Analysis) -> tuple[tuple[Cell, ...], tuple[Edge, ...]]:
    """Cells in the order of the forward pass, and the edges between them by node name."""
    found = _found(analysis)
    edges = _edges(analysis.program.graph, found, set(analysis.program.inputs))
    used = {name for edge in edges for name in edge}
    inside = _branches(analysis)
    shown = [
        Cell(name, *found[name], branch=inside.get(name))
        for name in (node.name for node in analysis.program.graph.nodes)
        if name in found and (name in used or found[name][0] is Kind.WEIGHTS)
    ]
    return tuple(shown), tuple(edges)


_Found = tuple[Kind, tuple[str, ...], Site | None]


def _found(analysis: Analysis) -> dict[str, _Found]:
    found: dict[str, _Found] = {}
    for name in analysis.program.inputs:
        found[name] = (Kind.INPUT, (), None)
    for branch in analysis.streams.branches:
        found.setdefault(branch.start, (Kind.START, (), None))
        found[branch.end] = (Kind.ADD, (), None)
    for site in analysis.sites:
        if site.kind in _SHOWN_SITES:
            found[site.node] = (Kind.SITE, (), site)
    for node, names in _uses(analysis).items():
        found[node] = (Kind.WEIGHTS, names, None)
    for node in analysis.program.graph.nodes:
        if node.op == "output":
            found[node.name] = (Kind.OUTPUT, (), None)
    return found


def _uses(analysis: Analysis) -> dict[str, tuple[str, ...]]:
    """The parameters that each node uses."""
    found: dict[str, dict[str, None]] = {}
    for role in analysis.roles.values():
        for _, use in role.uses:
            found.setdefault(use.node, {})[role.name] = None
    return {node: tuple(names) for node, names in found.items()}


def _edges(graph: fx.Graph, found: Mapping[str, _Found], inputs: set[str]) -> dict[Edge, None]:
    """From each cell to those that it reaches through no other.

    What an input feeds beside the cells before, such as every attention by its mask, is left out.
    """
    reached: dict[fx.Node, dict[str, None]] = {}
    edges: dict[Edge, None] = {}
    for node in graph.nodes:
        sources = {name: None for each in node.all_input_nodes for name in reached[each]}
        computed = [name for name in sources if name not in inputs]
        if node.name not in found or (found[node.name][0] is Kind.START and len(computed) < 2):
            reached[node] = sources
            continue
        reached[node] = {node.name: None}
        edges |= dict.fromkeys((name, node.name) for name in computed or sources)
    return edges


def _branches(analysis: Analysis) -> dict[str, str]:
    """The innermost branch of every node in one."""
    by_size = sorted(analysis.streams.branches, key=lambda branch: -len(branch.nodes))
    return {node: branch.name for branch in by_size for node in branch.nodes}

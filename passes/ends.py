"""Ends: where a model's width begins and ends, as sites for multipliers that a user chose.

A last readout, after which nothing is contracted, and its bias: ``readout:head.weight``. A table
that is looked up along an axis of a residual stream, or along width where there is none, with the
constants that the code multiplies it by: ``embedding:wte.weight``, ``sqrt(width)``.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod

from torch import fx

from mupfx.core.axes import Axes, ParameterRole, Use
from mupfx.core.ops import constant_factor, packet
from mupfx.core.program import Program, source_line
from mupfx.core.reach import behind, is_last
from mupfx.core.structure import Site, Streams
from mupfx.core.vocabulary import Role, SiteKind
from mupfx.tables.linear_ops import KEEPING


@dataclass(frozen=True, slots=True)
class _Graph:
    program: Program
    nodes: Mapping[str, fx.Node]
    layers: frozenset[str]
    """Nodes that contract a parameter."""
    twins: Mapping[fx.Node, fx.Node]


def find_ends(
    program: Program,
    axes: Axes,
    roles: Mapping[str, ParameterRole],
    streams: Streams,
    twins: Mapping[fx.Node, fx.Node] | None = None,
) -> tuple[Site, ...]:
    """Every last readout and every embedding, once for each value of weights that they read.

    Of a tied readout only the bias: its weight has a multiplier of its own.
    """
    nodes = {node.name: node for node in program.graph.nodes}
    layers = frozenset(use.node for use in axes.uses if use.fan_in)
    graph = _Graph(program, nodes, layers, twins or {})
    found: dict[tuple[str, str], Site] = {}
    for kind, use in (*_readouts(roles, graph), *_embeddings(roles, axes, streams)):
        for operand in _made_of(graph, use):
            found.setdefault((use.node, operand), _site(kind, use, operand, graph, axes))
    return tuple(found.values())


def _site(kind: SiteKind, use: Use, operand: str, graph: _Graph, axes: Axes) -> Site:
    node = graph.nodes[use.node]
    scaled = list(_scaled(node)) if kind is SiteKind.EMBEDDING else []
    theirs = [graph.twins.get(n) for n in scaled]
    return Site(
        name=f"{kind}:{use.parameter}",
        kind=kind,
        node=node.name,
        operands=(operand,),
        classes=tuple(c for d in use.fan_out for c in axes.parameters[use.parameter][d]),
        scale=_product(scaled),
        base_scale=_product(n for n in theirs if n is not None) if node in graph.twins else None,
        where=source_line(scaled[0] if scaled else node),
        parameter=use.parameter,
        constants=tuple(n.name for n in scaled),
    )


def _scaled(node: fx.Node) -> Iterator[fx.Node]:
    """Where a value is multiplied by a constant, before anything else is done with it."""
    current = node
    while len(current.users) == 1:
        current = next(iter(current.users))
        if constant_factor(current) is not None:
            yield current
        elif packet(current) not in KEEPING:
            return


def _product(nodes: Iterable[fx.Node]) -> float:
    return prod(constant_factor(node) or 1.0 for node in nodes)


def _readouts(roles: Mapping[str, ParameterRole], graph: _Graph) -> Iterator[tuple[SiteKind, Use]]:
    """Last uses as an output weight, and of what is added beside such a weight."""
    last = {
        name
        for name, role in roles.items()
        for kind, use in role.uses
        if kind is Role.OUTPUT and is_last(graph.nodes[use.node], graph.layers)
    }
    for name, role in roles.items():
        bias = role.role is Role.SCALAR and role.companion in last
        weight = name in last and not role.tied_readout
        for kind, use in role.uses:
            if bias or (weight and kind is Role.OUTPUT):
                yield SiteKind.READOUT, use


def _embeddings(
    roles: Mapping[str, ParameterRole], axes: Axes, streams: Streams
) -> Iterator[tuple[SiteKind, Use]]:
    into = {stream.factor_class for stream in streams.streams}
    for name, role in roles.items():
        for kind, use in role.uses:
            made = {c for d in use.fan_out for c in axes.parameters[name][d]}
            if kind is Role.INPUT and use.index and not use.fan_in and (not into or made & into):
                yield SiteKind.EMBEDDING, use


def _made_of(graph: _Graph, use: Use) -> Iterator[str]:
    """The values that a node reads and that a parameter, but no input, has a part in."""
    program = graph.program
    for read in graph.nodes[use.node].all_input_nodes:
        sources = {n for n in behind([read]) if n.op == "placeholder"}
        own = {program.parameters.get(n.name) for n in sources}
        known = {*program.parameters, *program.buffers}
        if use.parameter in own and all(n.name in known for n in sources):
            yield read.name

"""Sites: places where a multiplier may be needed that belongs to no single weight.

Attention logits (with the scale in force, however the model writes it), the output use of an
embedding tied to the readout, and an inner product of two width activations that is the output.
"""

from collections.abc import Iterator, Mapping
from math import prod, sqrt

from torch import fx

from mupfx.core.axes import Axes, Contraction, ParameterRole
from mupfx.core.ops import constant_factor, data_inputs, is_pick, packet
from mupfx.core.program import Program, source_line
from mupfx.core.structure import Site
from mupfx.core.vocabulary import Kind, Role, SiteKind
from mupfx.tables.linear_ops import FUSED_ATTENTION, KEEPING, MASKING, PARTIAL, SOFTMAX, SUMS

Twins = Mapping[fx.Node, fx.Node]


def find_sites(
    program: Program,
    axes: Axes,
    roles: Mapping[str, ParameterRole],
    *,
    twins: Twins | None = None,
) -> tuple[Site, ...]:
    """Every site, in the order of the graph."""
    nodes = {node.name: node for node in program.graph.nodes}
    sites = [
        site
        for match in axes.contractions
        if (site := _of_product(match, nodes, axes, twins or {})) is not None
    ]
    for role in roles.values():
        sites += _of_tie(role, program, nodes, axes, twins or {})
    order = {name: i for i, name in enumerate(nodes)}
    return tuple(sorted(sites, key=lambda s: order[s.node]))


def _of_product(
    match: Contraction, nodes: Mapping[str, fx.Node], axes: Axes, twins: Twins
) -> Site | None:
    node = nodes[match.node]
    classes = [axes.classes[c] for c in match.contracted]
    if packet(node) in FUSED_ATTENTION:
        return _site(match, node, SiteKind.ATTENTION, nodes, twins, downstream=[])
    way = _to_softmax(node)
    if way is not None:
        return _site(match, node, SiteKind.ATTENTION, nodes, twins, downstream=way)
    if any(c.kind is Kind.WIDTH for c in classes) and _is_last(node, axes):
        return _site(match, node, SiteKind.PRODUCT, nodes, twins, downstream=[])
    return None


def _site(  # noqa: PLR0913 - one call per kind of product
    match: Contraction,
    node: fx.Node,
    kind: SiteKind,
    nodes: Mapping[str, fx.Node],
    twins: Twins,
    *,
    downstream: list[fx.Node],
) -> Site:
    left, right = nodes[match.left], nodes[match.right]
    chain = [*downstream, *_upstream(left), *_upstream(right)]
    fused = packet(node) in FUSED_ATTENTION
    mine = prod(f for n in chain if (f := constant_factor(n)) is not None)
    theirs = prod(f for n in chain if n in twins and (f := constant_factor(twins[n])) is not None)
    twin = twins.get(node)
    return Site(
        name=f"{kind}:{node.name}",
        kind=kind,
        node=node.name,
        operands=(match.left, match.right),
        classes=match.contracted,
        scale=mine * (_fused_scale(node) if fused else 1.0),
        base_scale=None if twin is None else theirs * (_fused_scale(twin) if fused else 1.0),
        where=source_line(node),
    )


def _fused_scale(node: fx.Node) -> float:
    given = node.kwargs.get("scale")
    if isinstance(given, int | float):
        return float(given)
    query = node.args[0]
    assert isinstance(query, fx.Node)
    size: int = query.meta["val"].shape[-1]
    return 1 / sqrt(size)


def _upstream(node: fx.Node) -> Iterator[fx.Node]:
    """A value and what it merely passes on or scales."""
    current: fx.Node | None = node
    while current is not None:
        yield current
        passes = packet(current) in KEEPING | PARTIAL or is_pick(current)
        if not passes and constant_factor(current) is None:
            return
        current = next(iter(data_inputs(current)), None)


def _to_softmax(node: fx.Node) -> list[fx.Node] | None:
    """The way from a product to the softmax that reads it; None where none does."""
    way: list[fx.Node] = []
    current = node
    while True:
        if packet(current) in SOFTMAX:
            return way
        if current is not node:
            way.append(current)
        readers = [n for n in current.users if _passes(n)]
        if len(readers) != 1 or (current is node and len(node.users) > 1 and len(readers) != 1):
            return None
        current = readers[0]


def _passes(node: fx.Node) -> bool:
    return packet(node) in KEEPING | SOFTMAX | SUMS | MASKING or constant_factor(node) is not None


def _is_last(node: fx.Node, axes: Axes) -> bool:
    """Whether no parameter is contracted after this node: what it makes is the output."""
    layers = {use.node for use in axes.uses if use.fan_in}
    seen = {node}
    queue = [node]
    while queue:
        for user in queue.pop().users:
            if user.name in layers:
                return False
            if user not in seen:
                seen.add(user)
                queue.append(user)
    return any(n.op == "output" for n in seen)


def _of_tie(
    role: ParameterRole,
    program: Program,
    nodes: Mapping[str, fx.Node],
    axes: Axes,
    twins: Twins,
) -> Iterator[Site]:
    if not role.tied_readout:
        return
    for kind, use in role.uses:
        if kind is not Role.OUTPUT:
            continue
        node = nodes[use.node]
        operand = next(n for n in data_inputs(node) if not _is_view_of_parameter(program, n))
        chain = list(_upstream(operand))
        theirs = [factor for n in chain if n in twins and (factor := constant_factor(twins[n]))]
        yield Site(
            name=f"{SiteKind.TIED_READOUT}:{use.node}",
            kind=SiteKind.TIED_READOUT,
            node=use.node,
            operands=(operand.name,),
            classes=tuple(c for d in use.fan_in for c in axes.parameters[role.name][d]),
            scale=prod(factor for n in chain if (factor := constant_factor(n)) is not None),
            base_scale=prod(theirs) if node in twins else None,
            where=use.where,
            parameter=role.name,
        )


def _is_view_of_parameter(program: Program, node: fx.Node) -> bool:
    while node.op != "placeholder" and packet(node) in KEEPING:
        node = node.all_input_nodes[0]
    return node.name in program.parameters

"""Sites: places where a multiplier may be needed that belongs to no single weight.

Attention logits (with the scale in force, however the model writes it), the output use of an
embedding tied to the readout, and an inner product of two width activations that is the output.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isclose, prod, sqrt

from torch import fx

from mupfx.core.axes import Axes, Contraction, ParameterRole
from mupfx.core.ops import constant_factor, data_inputs, is_pick, learned, packet
from mupfx.core.program import Program, shape_of, source_line
from mupfx.core.reach import is_last
from mupfx.core.structure import Branch, Site, Streams
from mupfx.core.vocabulary import Kind, Role, SiteKind
from mupfx.tables.linear_ops import (
    FUSED_ATTENTION,
    JOINS,
    KEEPING,
    MASKING,
    PARTIAL,
    SATURATING,
    SCALING,
    SOFTMAX,
    SUMS,
)

Twins = Mapping[fx.Node, fx.Node]

LENGTHS = (
    "aten.linalg_vector_norm", "aten.linalg_norm", "aten.norm", "aten.frobenius_norm", "aten.sum",
)  # fmt: skip
MEANS = ("aten.mean", "aten.var", "aten.var_mean")
MOST_NODES_OF_A_NORM = 12


@dataclass(frozen=True, slots=True)
class _Graph:
    nodes: Mapping[str, fx.Node]
    twins: Twins
    learned: frozenset[fx.Node]
    """Nodes that depend on parameters."""
    layers: frozenset[str]
    """Nodes that contract one."""


def find_sites(
    program: Program,
    axes: Axes,
    roles: Mapping[str, ParameterRole],
    *,
    twins: Twins | None = None,
) -> tuple[Site, ...]:
    """Every site, in the order of the graph."""
    nodes = {node.name: node for node in program.graph.nodes}
    layers = frozenset(use.node for use in axes.uses if use.fan_in)
    graph = _Graph(nodes, twins or {}, learned(program.graph, program.parameters), layers)
    sites = [
        site for match in axes.contractions if (site := _of_product(match, graph, axes)) is not None
    ]
    for role in roles.values():
        sites += _of_tie(role, program, graph, axes)
    order = {name: i for i, name in enumerate(nodes)}
    return tuple(sorted(sites, key=lambda s: order[s.node]))


def find_branch_sites(
    program: Program, streams: Streams, *, twins: Twins | None = None
) -> tuple[Site, ...]:
    """What every residual branch adds to its stream, with the constants on its way there."""
    nodes = {node.name: node for node in program.graph.nodes}
    behind = learned(program.graph, program.parameters)
    graph = _Graph(nodes, twins or {}, behind, frozenset())
    return tuple(_of_branch(branch, graph) for branch in streams.branches)


def _of_branch(branch: Branch, graph: _Graph) -> Site:
    add, result = graph.nodes[branch.end], graph.nodes[branch.result]
    twin, first = graph.twins.get(add), add.args[0] is result
    return Site(
        name=f"{SiteKind.BRANCH}:{branch.name}",
        kind=SiteKind.BRANCH,
        node=add.name,
        operands=(result.name,),
        classes=(),
        scale=_added(add, first=first) * _scale(graph, result, at_base=False),
        base_scale=None
        if twin is None
        else _added(twin, first=first) * _scale(graph, result, at_base=True),
        where=source_line(add),
        stream=branch.stream,
        constants=_constants(graph, [result], []),
    )


def _added(add: fx.Node, *, first: bool) -> float:
    """What the add itself multiplies an operand by: its first by one."""
    return 1.0 if first else _alpha(add) or 1.0


def _of_product(match: Contraction, graph: _Graph, axes: Axes) -> Site | None:
    node = graph.nodes[match.node]
    if packet(node) in FUSED_ATTENTION:
        return _site(match, graph, SiteKind.ATTENTION, [])
    way = _to_softmax(node)
    if way is not None:
        return _site(match, graph, SiteKind.ATTENTION, way)
    width = any(axes.classes[c].kind is Kind.WIDTH for c in match.contracted)
    if not (width and is_last(node, graph.layers)):
        return None
    return _site(match, graph, SiteKind.PRODUCT, _after(node))


def _site(match: Contraction, graph: _Graph, kind: SiteKind, downstream: list[fx.Node]) -> Site:
    node, twin = graph.nodes[match.node], graph.twins.get(graph.nodes[match.node])
    operands = [graph.nodes[match.left], graph.nodes[match.right]]
    own, base_own = _own_scale(node) or 1.0, _own_scale(twin) or 1.0
    return Site(
        name=f"{kind}:{node.name}",
        kind=kind,
        node=node.name,
        operands=(match.left, match.right),
        classes=match.contracted,
        scale=own * _in_force(graph, operands, downstream, at_base=False),
        base_scale=None
        if twin is None
        else base_own * _in_force(graph, operands, downstream, at_base=True),
        where=source_line(node),
        unit_operands=sum(_has_unit_length(n) for n in operands),
        constants=_constants(graph, operands, downstream),
    )


def _in_force(
    graph: _Graph, operands: list[fx.Node], downstream: list[fx.Node], *, at_base: bool
) -> float:
    """Product of the constants before a site and after it."""
    after = [constant_factor(graph.twins.get(n, n) if at_base else n) or 1.0 for n in downstream]
    return prod(after) * prod(_scale(graph, n, at_base=at_base) for n in operands)


def _constants(
    graph: _Graph, operands: list[fx.Node], downstream: list[fx.Node]
) -> tuple[str, ...]:
    """Nodes whose constants are counted by the site."""
    queue, seen = list(operands), set(downstream)
    while queue:
        node = queue.pop()
        seen.add(node)
        if packet(node) not in SUMS or node in operands:
            queue += [n for n in _linear_inputs(graph, node) if n not in seen]
    return tuple(sorted(n.name for n in seen if constant_factor(n) is not None))


def _after(node: fx.Node) -> list[fx.Node]:
    """What a value merely passes on to, or is scaled to, on its way out."""
    way: list[fx.Node] = []
    readers = list(node.users)
    while len(readers) == 1:
        reader = readers[0]
        if packet(reader) not in KEEPING | PARTIAL and constant_factor(reader) is None:
            break
        way.append(reader)
        readers = list(reader.users)
    return way


def _own_scale(node: fx.Node | None) -> float | None:
    """The scale that the op itself applies; None where it has none."""
    if node is None or packet(node) not in FUSED_ATTENTION:
        return None if node is None else _alpha(node)
    given = node.kwargs.get("scale")
    if isinstance(given, int | float):
        return float(given)
    query = node.args[0]
    assert isinstance(query, fx.Node)
    size: int = query.meta["val"].shape[-1]
    return 1 / sqrt(size)


def _alpha(node: fx.Node) -> float | None:
    """What ``baddbmm`` multiplies its product by."""
    given = node.kwargs.get("alpha")
    return float(given) if isinstance(given, int | float) else None


def _scale(graph: _Graph, node: fx.Node, *, at_base: bool, in_sum: bool = False) -> float:
    """Product of the constants that a value was multiplied by since it was learned.

    Through one sum where all terms have it: a rotary embedding of ``q * c``.
    """
    factor = constant_factor(graph.twins.get(node, node) if at_base else node) or 1.0
    adds = packet(node) in SUMS
    sources = [] if adds and in_sum else _linear_inputs(graph, node)
    found = [_scale(graph, n, at_base=at_base, in_sum=in_sum or adds) for n in sources]
    common = found and all(isclose(f, found[0], rel_tol=1e-9) for f in found)
    return factor * (found[0] if common else 1.0)


def _linear_inputs(graph: _Graph, node: fx.Node) -> list[fx.Node]:
    """The inputs that a node is linear in together; none where it is not."""
    op = packet(node)
    behind = [n for n in data_inputs(node) if n in graph.learned and n.op != "placeholder"]
    if op in KEEPING | PARTIAL or is_pick(node) or constant_factor(node) is not None:
        return behind[:1]
    if op in SUMS | JOINS:
        return behind
    return behind if op in SCALING and len(behind) == 1 and behind[0] is node.args[0] else []


def _has_unit_length(node: fx.Node) -> bool:
    """Whether a value was divided by its own length, so that its entries fall with its axis."""
    current = node
    while (before := _before_scaling(current)) is not None:
        current = before
    if str(packet(current)).removesuffix("_") != "aten.div" or len(current.args) < 2:
        return False
    value, divisor = current.args[:2]
    return isinstance(divisor, fx.Node) and _is_length_of(divisor, value)


def _before_scaling(node: fx.Node) -> fx.Node | None:
    """What a value was before it was passed on, or multiplied by one number, learned or not."""
    if packet(node) in KEEPING or constant_factor(node) is not None:
        return data_inputs(node)[0]
    operands = [n for n in node.args[:2] if isinstance(n, fx.Node)]
    if not str(packet(node)).startswith("aten.mul") or len(operands) < len(node.args[:2]):
        return None
    vectors = [n for n in operands if prod(shape_of(n) or ()) != 1]
    return vectors[0] if len(vectors) == 1 else None


def _is_length_of(node: fx.Node, value: object) -> bool:
    """Whether a node is computed from ``value`` through a sum of squares and no mean."""
    seen, queue, summed = {node}, [node], False
    while queue:
        current = queue.pop()
        op = str(packet(current))
        if op in MEANS:
            return False
        summed = summed or op in LENGTHS
        queue += [n for n in current.all_input_nodes if n is not value and n not in seen]
        seen |= set(current.all_input_nodes)
        if len(seen) > MOST_NODES_OF_A_NORM:
            return False
    return summed and value in seen


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
    op = packet(node)
    return (
        op in KEEPING | SOFTMAX | SUMS | MASKING | SATURATING or constant_factor(node) is not None
    )


def _of_tie(role: ParameterRole, program: Program, graph: _Graph, axes: Axes) -> Iterator[Site]:
    if not role.tied_readout:
        return
    for kind, use in role.uses:
        if kind is not Role.OUTPUT:
            continue
        node = graph.nodes[use.node]
        operand = next(n for n in data_inputs(node) if not _is_view_of_parameter(program, n))
        after = _after(node)
        yield Site(
            name=f"{SiteKind.TIED_READOUT}:{use.node}",
            kind=SiteKind.TIED_READOUT,
            node=use.node,
            operands=(operand.name,),
            classes=tuple(c for d in use.fan_in for c in axes.parameters[role.name][d]),
            scale=_in_force(graph, [operand], after, at_base=False),
            base_scale=_in_force(graph, [operand], after, at_base=True)
            if node in graph.twins
            else None,
            where=use.where,
            parameter=role.name,
            constants=_constants(graph, [operand], after),
        )


def _is_view_of_parameter(program: Program, node: fx.Node) -> bool:
    while node.op != "placeholder" and packet(node) in KEEPING:
        node = node.all_input_nodes[0]
    return node.name in program.parameters

"""Fold: push a multiplier back through linear ops until parameters can carry it.

The value a site reads is multiplied, by a positive number, by scaling everything it is linearly
made of. Walking back from the operand, a node is scaled only if all that read it are scaled too::

    q = rotary(view(linear(x, W, b)))     ->  W and b carry the multiplier
    q = split(fused(x))[0]                ->  refused: keys and values read the same weight
    y = norm(x) * gain                    ->  the gain carries it
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush

from torch import fx

from mupfx.core.ops import constant_factor, data_inputs, holds_floats, is_pick, learned, packet
from mupfx.core.program import Program
from mupfx.tables.linear_ops import (
    DIFFERENCES,
    HOMOGENEOUS,
    JOINS,
    KEEPING,
    NORMS,
    PARTIAL,
    POOLING,
    SCALING,
    SUMS,
)

CONTRACTIONS = (
    "aten.linear", "aten.mm", "aten.bmm", "aten.matmul", "aten.addmm", "aten.baddbmm",
    "aten.einsum", "aten.conv1d", "aten.conv2d", "aten.conv3d", "aten.conv_transpose1d",
    "aten.conv_transpose2d", "aten.conv_transpose3d", "aten.embedding", "aten._grouped_mm",
)  # fmt: skip
BIASED = ("aten.linear", "aten.addmm", "aten.baddbmm")


@dataclass(frozen=True, slots=True)
class Folded:
    """Where a multiplier can go, or why it cannot."""

    parameters: tuple[str, ...]
    refusal: str | None
    at: str
    """The node that refused, or the operand."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A program with what folding asks of it; one serves every site."""

    program: Program
    nodes: Mapping[str, fx.Node]
    order: Mapping[fx.Node, int]
    weights: frozenset[fx.Node]
    """Nodes that depend on parameters and constants alone."""
    learned: frozenset[fx.Node]
    """Nodes that depend on parameters, activations included."""


def fold(program: Program | Prepared, node: str, operand: str) -> Folded:
    """Parameters that can carry a factor on ``operand`` as ``node`` reads it.

    For many sites of one program, ``prepare`` it once.
    """
    graph = program if isinstance(program, Prepared) else prepare(program)
    program, nodes = graph.program, graph.nodes
    scaled: set[fx.Node] = {nodes[node]}
    heap = [(-graph.order[nodes[operand]], nodes[operand])]
    carriers: list[str] = []
    while heap:
        _, current = heappop(heap)
        if current in scaled:
            continue
        refusal = _also_read(current, scaled, nodes[node])
        if refusal is not None:
            return Folded((), refusal, current.name)
        scaled.add(current)
        name = program.parameters.get(current.name)
        if name is not None:
            carriers.append(name)
            continue
        sources = _scaled_inputs(graph, current)
        if sources is None:
            return Folded((), f"{current.target} is not linear in one tensor", current.name)
        for source in sources:
            heappush(heap, (-graph.order[source], source))
    shared = [name for name in carriers if _placeholders(program, name) > 1]
    if shared:
        return Folded((), f"{shared[0]} is used elsewhere under another name", operand)
    return Folded(tuple(dict.fromkeys(carriers)), None, operand)


def _also_read(node: fx.Node, scaled: Container[fx.Node], reader: fx.Node) -> str | None:
    """Who else than ``reader``, once, and what is scaled on the way reads a value."""
    outside = [user.name for user in node.users if user not in scaled]
    if outside:
        return f"{outside[0]} reads it too"
    read: list[fx.Node] = []
    fx.map_arg((reader.args, reader.kwargs), read.append)
    return f"{reader.name} reads it more than once" if read.count(node) > 1 else None


def _placeholders(program: Program, name: str) -> int:
    return sum(
        1
        for node in program.graph.nodes
        if program.parameters.get(node.name) == name and node.users
    )


def prepare(program: Program) -> Prepared:
    """Sort the nodes of a program by what they depend on."""
    weights: set[fx.Node] = set()
    active: set[fx.Node] = set()  # depends on inputs
    order: dict[fx.Node, int] = {}
    for i, node in enumerate(program.graph.nodes):
        order[node] = i
        if node.op == "placeholder":
            _place(program, node, weights, active)
        elif any(n in active for n in node.all_input_nodes) or _looks_up(node, weights):
            active.add(node)
        elif any(n in weights for n in node.all_input_nodes):
            weights.add(node)
    behind = learned(program.graph, program.parameters)
    nodes = {node.name: node for node in order}
    return Prepared(program, nodes, order, frozenset(weights), behind)


def _place(program: Program, node: fx.Node, weights: set[fx.Node], active: set[fx.Node]) -> None:
    if node.name in program.parameters:
        weights.add(node)
    elif node.name not in program.buffers:
        active.add(node)


def _looks_up(node: fx.Node, weights: set[fx.Node]) -> bool:
    return str(packet(node)) == "aten.embedding" and node.args[0] in weights


def _scaled_inputs(graph: Prepared, node: fx.Node) -> Iterable[fx.Node] | None:
    """Inputs that must be scaled for the result to be; None where there is no such choice."""
    op = packet(node)
    passes = op in KEEPING | PARTIAL | POOLING | HOMOGENEOUS
    if passes or is_pick(node) or constant_factor(node) is not None:
        return data_inputs(node)[:1]
    if op in JOINS | SUMS | DIFFERENCES:
        sources = data_inputs(node)
        whole = len(sources) == (len(node.all_input_nodes) if op in JOINS else 2)
        return sources if whole else None
    if op in SCALING:
        return _factor(graph, node)
    if op in NORMS:
        affine = [n for n in node.all_input_nodes if n in graph.weights]
        return affine or None
    return _weight(graph, node)


def _factor(graph: Prepared, node: fx.Node) -> list[fx.Node] | None:
    """One factor of a product: the parameter, else the only one that depends on parameters."""
    sources = [n for n in node.all_input_nodes if holds_floats(n)]
    if len(sources) < 2:  # a square
        return None
    weights = [n for n in sources if n in graph.weights]
    if str(packet(node)).startswith("aten.div"):
        sources, weights = sources[:1], weights[:1] if weights[:1] == sources[:1] else []
    if weights:
        return weights[:1]
    behind = [n for n in sources if n in graph.learned]
    return behind if len(behind) == 1 else None


def _weight(graph: Prepared, node: fx.Node) -> list[fx.Node] | None:
    """The weight of a contraction, with its bias."""
    op = str(packet(node))
    if op not in CONTRACTIONS:
        return None
    weights = [n for n in node.all_input_nodes if n in graph.weights]
    biased = op in BIASED or op.startswith("aten.conv")
    alone = len(weights) == len(node.all_input_nodes) - 1 if biased else len(weights) == 1
    return weights if weights and alone else None

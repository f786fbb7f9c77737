"""Fold: push a multiplier back through linear ops until parameters can carry it.

The value a site reads is multiplied, by a positive number, by scaling everything it is linearly
made of. Walking back from the operand, a node is scaled only if all that read it are scaled too::

    q = rotary(view(linear(x, W, b)))     ->  W and b carry the multiplier
    q = split(fused(x))[0]                ->  refused: keys and values read the same weight
    y = norm(x) * gain                    ->  the gain carries it
    y = (W * f(x)) @ V                    ->  V, or else W, or else what f is made of
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf

from torch import fx

from mupfx.core.ops import constant_factor, data_inputs, holds_floats, is_pick, learned, packet
from mupfx.core.program import Program
from mupfx.tables.linear_ops import (
    BILINEAR,
    DIFFERENCES,
    FUSED_ATTENTION,
    GATHERING,
    HOMOGENEOUS,
    JOINS,
    KEEPING,
    MASKING,
    NORMS,
    PARTIAL,
    POOLING,
    SCALING,
    SCATTERING,
    SUMS,
    ZEROS,
)

MOST_ATTEMPTS = 64
"""Of ways to share a multiplier among the factors of products."""
SAME = (0, inf, -inf)
"""Numbers that a positive factor leaves alone."""
Use = tuple[str, str]
"""A node, and one of its operands."""


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
    return fold_together(program, [(node, operand)])


def fold_together(program: Program | Prepared, uses: Sequence[Use]) -> Folded:
    """Parameters that can carry one factor on all of several operands.

    Of a module that is called again every call reads the same weight, and none alone can carry it.
    """
    graph = program if isinstance(program, Prepared) else prepare(program)
    attempt = _Attempt(graph, uses, ())
    first = found = attempt.run()
    for _ in range(MOST_ATTEMPTS):
        path = _next(attempt.taken, attempt.ways)
        if found.refusal is None or path is None:
            break
        attempt = _Attempt(graph, uses, path)
        found = attempt.run()
    return first if found.refusal is not None else found


def _next(taken: Sequence[int], ways: Sequence[int]) -> list[int] | None:
    """The choices of the next attempt: the last that has another way takes it."""
    for i in reversed(range(len(taken))):
        if taken[i] + 1 < ways[i]:
            return [*taken[:i], taken[i] + 1]
    return None


@dataclass(slots=True)
class _Attempt:
    """One walk back; where there are several ways on, it takes those that it was given."""

    graph: Prepared
    uses: Sequence[Use]
    path: Sequence[int]
    taken: list[int] = field(default_factory=list)
    ways: list[int] = field(default_factory=list)
    """How many there were wherever one was taken."""
    scaled: dict[fx.Node, frozenset[fx.Node]] = field(default_factory=dict)
    """What is scaled, with the inputs that it is scaled through: those, and no others, are."""
    carriers: list[fx.Node] = field(default_factory=list)

    def run(self) -> Folded:
        """Until parameters are reached everywhere, or something refuses."""
        order, nodes = self.graph.order, self.graph.nodes
        heap = [(-order[nodes[operand]], nodes[operand]) for _, operand in self.uses]
        heap.sort(key=lambda entry: entry[0])
        while heap:
            _, current = heappop(heap)
            if current in self.scaled or packet(current) in ZEROS:
                continue
            refusal = self._also_read(current)
            sources = None if refusal else self._behind(current)
            if sources is None:
                refusal = refusal or f"{current.target} is not linear in one tensor"
                return Folded((), refusal, current.name)
            self.scaled[current] = frozenset(sources)
            for source in sources:
                heappush(heap, (-order[source], source))
        return self._found()

    def _behind(self, node: fx.Node) -> Sequence[fx.Node] | None:
        if node.name in self.graph.program.parameters:
            self.carriers.append(node)
            return ()
        ways = [way for way in _ways(self.graph, node) if all(map(self._is_learned, way))]
        if not ways:
            return None
        if len(ways) == 1:
            return ways[0]
        i = self.path[len(self.taken)] if len(self.taken) < len(self.path) else 0
        self.taken.append(i)
        self.ways.append(len(ways))
        return ways[i]

    def _is_learned(self, node: fx.Node) -> bool:
        return node in self.graph.learned or packet(node) in ZEROS

    def _also_read(self, node: fx.Node) -> str | None:
        """Who reads a value beside what is scaled and, once each, the sites it is an operand of."""
        outside = self._outside(node)
        if outside:
            return f"{outside[0]} reads it too"
        for name in (reader for reader, operand in self.uses if operand == node.name):
            reader = self.graph.nodes[name]
            read: list[fx.Node] = []
            fx.map_arg((reader.args, reader.kwargs), read.append)
            if read.count(node) > 1:
                return f"{name} reads it more than once"
        return None

    def _outside(self, node: fx.Node) -> list[str]:
        """Readers that are not scaled through it."""
        sites = [reader for reader, operand in self.uses if operand == node.name]
        inside = (user for user in node.users if node in self.scaled.get(user, ()))
        known = {*sites, *(user.name for user in inside)}
        return [user.name for user in node.users if user.name not in known]

    def _found(self) -> Folded:
        program, at = self.graph.program, self.uses[0][1]
        names = [program.parameters[node.name] for node in self.carriers]
        for node in program.graph.nodes:
            name = program.parameters.get(node.name)
            if name in names and self._outside(node):
                return Folded((), f"{name} is used elsewhere under another name", at)
        return Folded(tuple(dict.fromkeys(names)), None, at)


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


def _ways(graph: Prepared, node: fx.Node) -> Iterator[Sequence[fx.Node]]:
    """Inputs that must be scaled together for the result to be; each way to choose them."""
    op = packet(node)
    passes = op in KEEPING | PARTIAL | POOLING | HOMOGENEOUS | GATHERING
    if passes or is_pick(node) or constant_factor(node) is not None:
        yield from [] if _fills(node) else [data_inputs(node)[:1]]
    elif op in JOINS:
        sources = data_inputs(node)
        if len(sources) == len(node.all_input_nodes):
            yield sources
    elif op in SUMS | DIFFERENCES | MASKING | SCATTERING.keys():
        yield from _sum(node)
    elif op in NORMS:
        affine = [n for n in node.all_input_nodes if n in graph.weights]
        yield from [affine] if affine else []
    elif op in FUSED_ATTENTION:
        yield [n for n in node.args[2:3] if isinstance(n, fx.Node)]
    else:
        yield from _products(graph, node)


def _fills(node: fx.Node) -> bool:
    """Whether a pad puts a number beside the values that is another one when multiplied."""
    values = [a for a in (*node.args[2:], node.kwargs.get("value")) if isinstance(a, int | float)]
    return str(packet(node)) in ("aten.pad", "aten.constant_pad_nd") and any(
        value not in SAME for value in values
    )


def _sum(node: fx.Node) -> Iterator[Sequence[fx.Node]]:
    """All terms, but for zeros."""
    terms = [node.args[i] for i in _terms(node) if i < len(node.args)]
    nodes = [term for term in terms if isinstance(term, fx.Node)]
    if nodes and all(isinstance(term, fx.Node) or term in SAME for term in terms):
        yield nodes


def _terms(node: fx.Node) -> tuple[int, int]:
    op = packet(node)
    if op in SUMS | DIFFERENCES:
        return 0, 1
    if op in MASKING:
        return (0, 2) if "masked_fill" in str(op) else (1, 2)
    return next(places for name, places in SCATTERING.items() if name is op)


def _products(graph: Prepared, node: fx.Node) -> Iterator[Sequence[fx.Node]]:
    """One factor, parameters first, and what is added to the product."""
    op = packet(node)
    added: list[fx.Node] = []
    if op in SCALING:
        factors = [n for n in node.args[:2] if isinstance(n, fx.Node)]
        factors = factors[:1] if "div" in str(op) or "true_divide" in str(op) else factors
    elif op in BILINEAR:
        places, rest = BILINEAR[op]
        factors = [n for i in places for n in _operands(node, i)]
        added = [n for i in rest for n in _operands(node, i)]
    else:
        return
    if len(set(factors)) < len(factors):  # a square
        return
    known = [n for n in factors if n in graph.learned and holds_floats(n)]
    for factor in sorted(known, key=lambda n: n not in graph.weights):
        yield [factor, *added]


def _operands(node: fx.Node, place: int) -> list[fx.Node]:
    found = node.args[place] if place < len(node.args) else None
    every = found if isinstance(found, list | tuple) else [found]
    return [n for n in every if isinstance(n, fx.Node)]

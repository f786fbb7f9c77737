"""Residual streams: adds that bring a branch back to what it started from.

An add is residual when one operand, followed back through ops that only pass a value on, reaches a
value that the other operand was computed from, with at least one weight layer on the way. A
projection shortcut is one affine layer followed back as well; of ``(x + attention) + mlp`` both
branches start at ``x`` and are one block. Concatenations and sums without weights are no branches.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from torch import fx

from mupfx.core.axes import Axes
from mupfx.core.ops import constant_factor, data_inputs, is_pick, is_pointwise, packet
from mupfx.core.program import Program, shape_of
from mupfx.core.structure import Branch, Stream, Streams
from mupfx.core.vocabulary import Kind
from mupfx.tables.linear_ops import KEEPING, NORMS, POOLING, SUMS


@dataclass(frozen=True, slots=True)
class Residual:
    """One residual add."""

    add: fx.Node
    skip: fx.Node
    """The operand that carries the stream."""
    start: fx.Node
    nodes: frozenset[fx.Node]
    """The branch: from the start, not included, to the other operand."""


@dataclass(frozen=True, slots=True)
class Walk:
    """The graph with what a walk needs to ask quickly."""

    order: Mapping[fx.Node, int]
    layers: frozenset[str]
    """Nodes that contract a parameter."""
    constants: frozenset[fx.Node]
    """Placeholders of parameters and buffers."""

    def data(self, node: fx.Node) -> list[fx.Node]:
        """Operands that are activations, as far as placeholders tell."""
        return [n for n in data_inputs(node) if n not in self.constants]


def find_streams(program: Program, axes: Axes) -> Streams:
    """Streams, their branches, and which parameters sit in one."""
    nodes = list(program.graph.nodes)
    walk = Walk(
        order={node: i for i, node in enumerate(nodes)},
        layers=frozenset(use.node for use in axes.uses if use.fan_in),
        constants=frozenset(
            n for n in nodes if n.name in program.parameters or n.name in program.buffers
        ),
    )
    residuals: dict[fx.Node, Residual] = {}
    for node in nodes:
        found = _residual(walk, residuals, node)
        if found is not None:
            residuals[node] = found
    return _freeze(axes, walk, residuals)


def _residual(walk: Walk, residuals: Mapping[fx.Node, Residual], node: fx.Node) -> Residual | None:
    if packet(node) not in SUMS:
        return None
    operands = [n for n in node.args[:2] if isinstance(n, fx.Node)]
    if len(operands) < 2 or operands[0] is operands[1] or not _alike(operands, node):
        return None
    for projected in (False, True):
        for skip, other in (operands, operands[::-1]):
            chain = _chain(walk, residuals, skip, projected=projected)
            found = _branch(walk, chain, other)
            if found is not None and (not projected or _bends(found[1])):
                return Residual(node, skip, *found)
    return None


def _alike(operands: Sequence[fx.Node], node: fx.Node) -> bool:
    shapes = {shape_of(n) for n in operands} | {shape_of(node)}
    return len(shapes) == 1 and len(shape_of(node) or ()) > 1


def _chain(
    walk: Walk, residuals: Mapping[fx.Node, Residual], node: fx.Node, *, projected: bool
) -> Iterator[fx.Node]:
    """A value and what it merely passes on, newest first."""
    current: fx.Node | None = node
    while current is not None:
        yield current
        if current in residuals:
            current = residuals[current].skip
        elif (
            _op(current) in KEEPING
            or constant_factor(current) is not None
            or (projected and (current.name in walk.layers or _op(current) in NORMS | POOLING))
        ):
            current = next(iter(walk.data(current)), None)
        else:
            return


def _op(node: fx.Node) -> object:
    """The op of a node; of the first result of several, the op that gave it."""
    first = is_pick(node) and node.args[1] == 0
    return packet(node.all_input_nodes[0]) if first else packet(node)


def _branch(
    walk: Walk, chain: Iterator[fx.Node], end: fx.Node
) -> tuple[fx.Node, frozenset[fx.Node]] | None:
    """The first of ``chain`` that ``end`` was computed from through a weight layer, and the way."""
    seen = {end}
    heap = [(-walk.order[end], end)]
    for start in chain:
        while heap and -heap[0][0] > walk.order[start]:
            _, node = heappop(heap)
            for source in walk.data(node):
                if source not in seen:
                    seen.add(source)
                    heappush(heap, (-walk.order[source], source))
        if start in seen:
            inside = _with_sides(walk, start, _downstream(walk, start, seen))
            has_layer = any(n.name in walk.layers for n in inside)
            return (start, inside) if has_layer and end in inside else None
    return None


def _downstream(walk: Walk, start: fx.Node, seen: set[fx.Node]) -> frozenset[fx.Node]:
    inside = {start}
    for node in sorted(
        (n for n in seen if walk.order[n] > walk.order[start]), key=walk.order.__getitem__
    ):
        if any(source in inside for source in node.all_input_nodes):
            inside.add(node)
    return frozenset(inside - {start})


def _with_sides(walk: Walk, start: fx.Node, inside: frozenset[fx.Node]) -> frozenset[fx.Node]:
    """The branch with the layers that only it reads, such as keys of another sequence."""
    found = set(inside)
    for node in sorted(inside, key=walk.order.__getitem__, reverse=True):
        queue = [n for n in walk.data(node) if n is not start]
        while queue:
            side = queue.pop()
            if side in found or not all(user in found for user in side.users):
                continue
            found.add(side)
            if side.name not in walk.layers:
                queue += [n for n in walk.data(side) if n is not start]
    return frozenset(found)


def _bends(inside: frozenset[fx.Node]) -> bool:
    """Whether a branch has a nonlinearity: else two projections of one value are merely summed."""
    return any(
        is_pointwise(n)
        and packet(n) not in KEEPING | SUMS
        and constant_factor(n) is None
        and len(data_inputs(n)) == 1
        for n in inside
    )


def _freeze(axes: Axes, walk: Walk, residuals: Mapping[fx.Node, Residual]) -> Streams:
    stream_of: dict[fx.Node, str] = {}
    members: dict[str, list[Residual]] = {}
    for add, residual in residuals.items():
        previous = _previous(walk, residuals, residual.start)
        if previous is None:  # a parallel branch: the sum with the other one
            previous = _previous(walk, residuals, residual.skip)
        name = stream_of[previous] if previous is not None else f"s{len(members)}"
        stream_of[add] = name
        members.setdefault(name, []).append(residual)
    numbers = {add: f"b{i}" for i, add in enumerate(residuals)}
    blocks = {name: _blocks(mine) for name, mine in members.items()}
    branches = tuple(
        _freeze_branch(walk, r, numbers[add], stream_of[add], blocks[stream_of[add]][r.start])
        for add, r in residuals.items()
    )
    streams = tuple(_stream(axes, name, rs, branches) for name, rs in members.items())
    return Streams(streams, branches, _parameters(axes, branches))


def _blocks(members: Sequence[Residual]) -> dict[fx.Node, int]:
    """Branches that start at one value are one block."""
    return {start: i for i, start in enumerate(dict.fromkeys(r.start for r in members))}


def _freeze_branch(walk: Walk, residual: Residual, name: str, stream: str, block: int) -> Branch:
    return Branch(
        name=name,
        stream=stream,
        block=block,
        start=residual.start.name,
        end=residual.add.name,
        nodes=frozenset(n.name for n in residual.nodes),
        layers=_sequence(walk, residual.nodes),
        result=_other(residual).name,
    )


def _other(residual: Residual) -> fx.Node:
    """The operand of the add that is the branch's."""
    operands = [n for n in residual.add.args[:2] if isinstance(n, fx.Node)]
    return next(n for n in operands if n is not residual.skip)


def _sequence(walk: Walk, nodes: frozenset[fx.Node]) -> int:
    """Most weight layers in a row."""
    longest: dict[fx.Node, int] = {}
    for node in sorted(nodes, key=walk.order.__getitem__):
        before = max((longest.get(n, 0) for n in node.all_input_nodes), default=0)
        longest[node] = before + (node.name in walk.layers)
    return max(longest.values(), default=0)


def _previous(walk: Walk, residuals: Mapping[fx.Node, Residual], node: fx.Node) -> fx.Node | None:
    """The residual add that a value comes from through ops of one activation."""
    current: fx.Node | None = node
    while current is not None and current not in residuals:
        sources = walk.data(current)
        unary = len(sources) == 1 and current.name not in walk.layers
        current = sources[0] if unary and not is_pick(current) else None
    return current


def _stream(
    axes: Axes, name: str, members: Sequence[Residual], branches: Sequence[Branch]
) -> Stream:
    mine = [b for b in branches if b.stream == name]
    return Stream(
        name=name,
        factor_class=_stream_class(axes, members[0].add.name),
        depth=len({b.block for b in mine}),
        block_depth=max(b.layers for b in mine),
    )


def _stream_class(axes: Axes, node: str) -> str:
    """The width factor of the stream's values; the last factor where none is width."""
    inside = [c for dim in axes.nodes[node] for c in dim]
    width = [c for c in inside if axes.classes[c].kind is Kind.WIDTH]
    stored = {c for dims in axes.parameters.values() for dim in dims for c in dim}
    return next(iter(width or [c for c in reversed(inside) if c in stored] or inside[-1:]), "")


def _parameters(axes: Axes, branches: Sequence[Branch]) -> tuple[tuple[str, str], ...]:
    """Every parameter with the smallest branch it is used in."""
    found: dict[str, Branch] = {}
    home: dict[str, Branch] = {}
    for branch in sorted(branches, key=lambda b: -len(b.nodes)):
        home |= dict.fromkeys(branch.nodes, branch)
    for use in axes.uses:
        if use.node in home:
            found[use.parameter] = home[use.node]
    return tuple((name, branch.name) for name, branch in found.items())

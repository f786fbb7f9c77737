"""What stands in the way of a depth rule, and what a user should know before trusting one.

The rules are for a stream that is passed on as it is, ``x + depth^-alpha f(x)``, with weights of
its own in every block. A norm on the stream itself (``norm(x + f(x))``) is none of that, nor is one
weight that serves several blocks.
"""

from collections.abc import Container, Iterator, Mapping
from fractions import Fraction

from torch import fx

from mupfx.core.axes import Axes
from mupfx.core.ops import constant_factor, data_inputs, is_pick, is_pointwise, learned, packet
from mupfx.core.parametrization import DepthRule
from mupfx.core.program import Program, source_line
from mupfx.core.structure import Branch, Streams
from mupfx.errors import ParametrizationError
from mupfx.tables.linear_ops import KEEPING, NORMS, SUMS


def require_depth_rules(
    program: Program, axes: Axes, streams: Streams, depths: Mapping[str, Fraction]
) -> None:
    """Refuse a depth rule where it was not derived; streams as deep as at the base pass.

    Raises:
        ParametrizationError: A stream is normed or scaled, nested, or its weights are shared.
    """
    ways = _ways(program, axes, streams, depths)
    for stream in {branch.stream for branch in ways}:
        bad = [n for b, way in ways.items() if b.stream == stream for n in way if _changes(n)]
        if len(bad) > 1:  # one alone is no matter of depth: the start of a stage
            raise _no_identity(bad[0])
    _require_flat(list(ways))
    _require_own_weights(axes, list(ways))


def _ways(
    program: Program, axes: Axes, streams: Streams, depths: Mapping[str, Fraction]
) -> dict[Branch, tuple[fx.Node, ...]]:
    """For every branch of a stream that grew, the ops on the stream since the add before."""
    nodes = {node.name: node for node in program.graph.nodes}
    ends = {nodes[b.end] for b in streams.branches}
    layers = {use.node for use in axes.uses if use.fan_in}
    known = {*program.parameters, *program.buffers}
    grown = [b for b in streams.branches if depths.get(b.stream, 1) != 1]
    return {b: _between(nodes[b.start], ends, layers, known) for b in grown}


def _between(
    start: fx.Node, ends: Container[fx.Node], layers: Container[str], known: Container[str]
) -> tuple[fx.Node, ...]:
    """Back to an add; nothing where something else begins the stream."""
    way: list[fx.Node] = []
    current = start
    while current not in ends:
        sources = [n for n in data_inputs(current) if n.name not in known]
        if len(sources) != 1 or current.name in layers:
            return ()
        way.append(current)
        current = sources[0]
    return tuple(way)


def _changes(node: fx.Node) -> bool:
    """Whether an op on the stream norms it, or multiplies it by another number than one."""
    source = node.all_input_nodes[0] if is_pick(node) else node
    return packet(source) in NORMS or constant_factor(node) not in (None, 1)


def _no_identity(node: fx.Node) -> ParametrizationError:
    factor = constant_factor(node)
    if factor is None:
        return ParametrizationError(
            "depth rules are not known for a stream that is normed after every block (post-norm)",
            where=source_line(node) or node.name,
            expected="x + f(norm(x)): the stream itself passed on as it is",
            found="norm(x + f(x)): each block's gain multiplies all that came before",
            hint="build the model with pre-norm, or grow its width alone",
        )
    return ParametrizationError(
        f"depth rules are not known for a stream multiplied by {factor:.4g} after every block",
        where=source_line(node) or node.name,
        expected="x + f(x): the stream itself passed on as it is",
        hint="multiply the branch alone, or grow the model's width alone",
    )


def _require_flat(grown: list[Branch]) -> None:
    """Branches of one stream inside one another would be divided by its depth twice."""
    for outer in grown:
        for inner in grown:
            if inner is not outer and inner.stream == outer.stream and inner.end in outer.nodes:
                raise ParametrizationError(
                    "depth rules are not known for a residual branch inside another of its stream",
                    where=f"{inner.end} in the branch that ends in {outer.end}",
                    hint="grow the model's width alone, or name the depth of each stream",
                )


def _require_own_weights(axes: Axes, grown: list[Branch]) -> None:
    blocks: dict[tuple[str, str], set[int]] = {}
    homes = [(use.parameter, b) for b in grown for use in axes.uses if use.node in b.nodes]
    for name, branch in homes:
        blocks.setdefault((name, branch.stream), set()).add(branch.block)
    shared = next((key for key, where in blocks.items() if len(where) > 1), None)
    if shared is not None:
        raise ParametrizationError(
            "depth rules are for blocks with weights of their own",
            where=shared[0],
            found=f"one weight in {len(blocks[shared])} blocks: their updates add up",
            hint="grow the model's width alone",
        )


def depth_notes(
    program: Program,
    axes: Axes,
    streams: Streams,
    depths: Mapping[str, Fraction],
    rule: DepthRule,
) -> Iterator[str]:
    """What a user of a depth rule should know about this model, a sentence each."""
    nodes = {node.name: node for node in program.graph.nodes}
    ways = _ways(program, axes, streams, depths)
    grown = list(ways)
    bent = [n for way in ways.values() for n in way if _bends(n)]
    if bent:
        yield (
            f"{bent[0].target} stands on the residual stream itself, between blocks: the depth "
            "rules were derived for a stream that is passed on as it is"
        )
    deep = [s for s in streams.streams if depths.get(s.name, 1) != 1 and s.block_depth > 1]
    if deep and rule.alpha < 1:
        yield (
            f"blocks of {deep[0].block_depth} weight layers with alpha {rule.alpha}: within a "
            "block, updates act on each other by a part that falls with depth, so that the best "
            "learning rate moves with it (Tensor Programs VI, arXiv:2310.02244, block depth 1 "
            "only); alpha 1 ('completep') keeps that part"
        )
    beside = dict.fromkeys(_beside(program, nodes, grown))
    if beside and rule.alpha < 1:
        yield (
            f"several blocks read a value from beside the stream ({next(iter(beside))}): what its "
            "weights ask for at alpha below 1 is not known, and they are left without a factor"
        )


def _bends(node: fx.Node) -> bool:
    """Whether an op is a nonlinearity of one value."""
    return (
        is_pointwise(node) and packet(node) not in KEEPING | SUMS and constant_factor(node) is None
    )


def _beside(program: Program, nodes: Mapping[str, fx.Node], grown: list[Branch]) -> Iterator[str]:
    """Learned values outside all branches that more than one block reads."""
    readers: dict[str, set[tuple[str, int]]] = {}
    inside = {name for b in grown for name in b.nodes}
    passed = {nodes[b.start] for b in grown}
    values = learned(program.graph, program.parameters)
    for branch in grown:
        for name in branch.nodes:
            for source in nodes[name].all_input_nodes:
                known = source in passed or source.name in inside
                if source in values and source.op != "placeholder" and not known:
                    readers.setdefault(source.name, set()).add((branch.stream, branch.block))
    for name, blocks in readers.items():
        if len(blocks) > 1:
            yield source_line(nodes[name]) or name

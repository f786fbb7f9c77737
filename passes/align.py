"""Line up the base's graph with the model's: by the ops, never by names.

Two instances of one architecture make the same ops in the same order. With another depth one graph
has whole repetitions more, in as many places as there are stacks of layers; a repeated node then
has the same twin as the one a period before::

    model   embed  L L L L  norm  D D D D  head
    base    embed  L L      norm  D D      head
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from torch import fx

from mupfx.core.axes import Axes, Use
from mupfx.core.ops import is_pick, packet
from mupfx.core.program import Program, shape_of, source_line
from mupfx.errors import BaseError
from mupfx.tables.linear_ops import JOINS, KEEPING, PARTIAL

Twins = dict[fx.Node, fx.Node]
Shapes = dict[str, list[int]]

MOST_STACKS = 24
"""Stacks of layers whose depth may differ."""
KEPT = 8
"""Ways of lining up that are followed at a time, by either measure."""


def align(program: Program, base: Program) -> Twins:
    """The base's node for every node that holds a tensor.

    Raises:
        BaseError: The graphs are not of one architecture.
    """
    mine, theirs = _ops(program), _ops(base)
    places = {node: i for ops in (mine, theirs) for i, node in enumerate(ops)}
    sides = _Sides(mine, theirs, [_key(n) for n in mine], [_key(n) for n in theirs], places)
    found = _whole(sides)
    if found is None:
        raise _other_architecture(program, base)
    twins = _pair(mine, theirs, found.twins)
    _check_ranks(twins)
    return twins


def apart(program: Program, base: Program, twins: Twins) -> int:
    """How many ops are there on one side alone: with no twin, or with one that others have too."""
    paired = {twin for node, twin in twins.items() if node.op not in ("placeholder", "output")}
    return len(_ops(program)) + len(_ops(base)) - 2 * len(paired)


def least_apart(program: Program, base: Program) -> int:
    """The fewest ops that one side must have alone."""
    return abs(len(_ops(program)) - len(_ops(base)))


@dataclass(frozen=True, slots=True)
class _Aligned:
    """The first ops of both graphs, lined up."""

    twins: list[int]
    """The base's position for each."""
    at: int
    """How many of the base's are passed."""
    run: int = 0
    """How many of the last are side by side on both."""


@dataclass(frozen=True, slots=True)
class _Sides:
    mine: Sequence[fx.Node]
    theirs: Sequence[fx.Node]
    my_keys: Sequence[str]
    their_keys: Sequence[str]
    places: Mapping[fx.Node, int]
    """Which op of its graph a node is."""

    def ended(self, found: _Aligned) -> bool:
        """Whether nothing is left on either side."""
        return len(found.twins) == len(self.mine) and found.at == len(self.theirs)

    def fits(self, found: _Aligned) -> bool:
        """Whether what is there once on both sides is given the same ops."""
        often = Counter(found.twins)
        once = [
            (node, at) for node, at in zip(self.mine, found.twins, strict=True) if often[at] < 2
        ]
        return all(
            a.op == "placeholder" or b.op == "placeholder" or _key(a) == _key(b)
            for node, at in once
            for a, b in zip(node.all_input_nodes, self.theirs[at].all_input_nodes, strict=True)
        )

    def pairs(self, found: _Aligned) -> int:
        """In how many ways a size differs from its twin."""
        return _size_pairs(_pair(self.mine, self.theirs, found.twins))


def _pair(mine: Sequence[fx.Node], theirs: Sequence[fx.Node], positions: Sequence[int]) -> Twins:
    twins: Twins = {}
    for node, position in zip(mine, positions, strict=False):
        twin = theirs[position]
        twins[node] = twin
        for source, other in zip(node.all_input_nodes, twin.all_input_nodes, strict=True):
            twins.setdefault(source, other)
    return twins


def _size_pairs(twins: Twins) -> int:
    """In how many ways a size differs from its twin: the fewest, where the layers line up."""
    shapes = ((shape_of(node) or (), shape_of(twin) or ()) for node, twin in twins.items())
    pairs = {pair for mine, theirs in shapes for pair in zip(mine, theirs, strict=False)}
    return sum(mine != theirs for mine, theirs in pairs)


def shapes_by_uses(program: Program, axes: Axes, base: Program, theirs: Axes) -> Shapes | None:
    """Base shapes of parameters where the graphs differ only in how values are passed on.

    Dropout, checkpoints or masks may be there in one and not in the other; what computes must be
    the same ops in the same order. None where it is not.
    """
    if _computing(program) != _computing(base):
        return None
    mine, other = list(axes.uses), list(theirs.uses)
    if [_use_key(u) for u in mine] != [_use_key(u) for u in other]:
        return None
    return {a.parameter: list(base.shapes[b.parameter]) for a, b in zip(mine, other, strict=True)}


def _use_key(use: Use) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    return use.op, use.fan_in, use.fan_out


def _computing(program: Program) -> list[str]:
    """Ops that change values, on the way from a parameter."""
    behind: set[fx.Node] = set()
    found = []
    for node in program.graph.nodes:
        if node.name in program.parameters or any(n in behind for n in node.all_input_nodes):
            behind.add(node)
            passes = is_pick(node) or packet(node) in KEEPING | PARTIAL
            if node.op == "call_function" and not passes and not _joins_nothing(node):
                found.append(str(packet(node)).removesuffix("_"))
    return found


def _joins_nothing(node: fx.Node) -> bool:
    """Whether a concatenation has one part only that is not empty, as an empty cache makes it."""
    sizes = [prod(shape_of(n) or ()) for n in node.all_input_nodes]
    return packet(node) in JOINS and sum(size > 0 for size in sizes) == 1


def _ops(program: Program) -> list[fx.Node]:
    return [n for n in program.graph.nodes if n.op not in ("placeholder", "output")]


def _key(node: fx.Node) -> str:
    target = "get_attr" if node.op == "get_attr" else str(node.target)
    return f"{target}/{len(node.all_input_nodes)}"


def _whole(sides: _Sides) -> _Aligned | None:
    """Both graphs to their ends, with the fewest stacks of another depth and the fewest sizes.

    A difference may look like several repetitions until a later one decides: the likeliest are
    kept, by how few pairs of sizes they make and by how far they reach.
    """
    states = [_on(sides, _Aligned([], 0))]
    for _ in range(MOST_STACKS + 1):
        ended = [state for state in states if sides.ended(state) and sides.fits(state)]
        if ended:
            return min(ended, key=sides.pairs)
        longer = [state for found in states for state in _longer(sides, found)]
        by_pairs = sorted(longer, key=lambda s: (sides.pairs(s), -len(s.twins) - s.at))
        by_reach = sorted(longer, key=lambda s: -len(s.twins) - s.at)
        states = [*by_pairs[:KEPT], *by_reach[:KEPT]]
    return None


def _longer(sides: _Sides, found: _Aligned) -> list[_Aligned]:
    """All that goes on past the next difference, where whole repetitions make it.

    A block may begin and end with the same op, so that several places are possible.
    """
    best = []
    for extra in _shifts(sides, len(found.twins), found.at):
        places = [_on(sides, place) for place in _repetitions(sides, found, extra)]
        best += [min(places, key=sides.pairs)] if places else []
    return best


def _on(sides: _Sides, found: _Aligned) -> _Aligned:
    """As far as both go on alike."""
    run = _common(sides.my_keys, sides.their_keys, len(found.twins), found.at)
    return _Aligned([*found.twins, *range(found.at, found.at + run)], found.at + run, run)


def _shifts(sides: _Sides, i: int, j: int) -> list[int]:
    """How many ops more the model may have at a difference; fewer: negative."""
    mine, theirs = sides.my_keys, sides.their_keys
    rest = len(mine) - i, len(theirs) - j
    more = [c for c in range(1, rest[0] + 1) if mine[i + c : i + c + 1] == theirs[j : j + 1]]
    less = [-c for c in range(1, rest[1] + 1) if theirs[j + c : j + c + 1] == mine[i : i + 1]]
    return more + less


def _repetitions(sides: _Sides, found: _Aligned, extra: int) -> Iterator[_Aligned]:
    """Every place before a difference where one side has ``extra`` ops more that repeat."""
    keys = sides.my_keys if extra > 0 else sides.their_keys
    end, at = len(found.twins), found.at
    for back in range(found.run + 1):
        i, j = end - back, at - back
        if back and sides.my_keys[i + max(extra, 0)] != sides.their_keys[j + max(-extra, 0)]:
            return
        start, ops = (i, sides.mine) if extra > 0 else (j, sides.theirs)
        period = _period(keys, start, abs(extra))
        if period and not _follows(sides.places, ops[start - period : start + abs(extra)], period):
            period = None
        if period is not None and extra > 0:
            twins = found.twins[:i]
            for _ in range(extra):
                twins.append(twins[-period])
            yield _Aligned(twins, j)
        elif period is not None:
            yield _Aligned(found.twins[:i], j - extra)


def _period(ops: Sequence[str], start: int, count: int) -> int | None:
    """The shortest stretch before ``start`` that the ``count`` ops after it repeat."""
    inserted = range(start, start + count)
    for period in (p for p in range(1, min(start, count) + 1) if count % p == 0):
        if all(ops[i] == ops[i - period] for i in inserted):
            return period
    return None


def _follows(places: Mapping[fx.Node, int], ops: Sequence[fx.Node], period: int) -> bool:
    """Whether repeated ops are given what is as new as what those a period before were given.

    A shortcut that is projected beside a block repeats its last ops, and begins where it begins.
    """
    pairs = (
        pair
        for before, after in zip(ops, ops[period:], strict=False)
        for pair in zip(before.all_input_nodes, after.all_input_nodes, strict=True)
    )
    known = ((places[a], places[b]) for a, b in pairs if a in places and b in places)
    return all(before <= after for before, after in known)


def _common(mine: Sequence[str], theirs: Sequence[str], i: int = 0, j: int = 0) -> int:
    """How many ops from there on are alike."""
    most = min(len(mine) - i, len(theirs) - j)
    return next((n for n in range(most) if mine[i + n] != theirs[j + n]), most)


def _check_ranks(twins: Twins) -> None:
    for node, twin in twins.items():
        mine, theirs = shape_of(node), shape_of(twin)
        if (mine is None) != (theirs is None) or len(mine or ()) != len(theirs or ()):
            raise BaseError(
                "the base is of another architecture",
                where=node.name,
                expected=f"a tensor with {len(mine or ())} axes, as in the model",
                found=f"shape {list(theirs or ())}",
                hint="give the same model at another width",
            )


def _other_architecture(program: Program, base: Program) -> BaseError:
    mine, theirs = _ops(program), _ops(base)
    at = _common([_key(n) for n in mine], [_key(n) for n in theirs])
    return BaseError(
        "the base is of another architecture",
        where=f"op {at + 1} of {len(mine)} here, of {len(theirs)} in the base",
        expected=_shown(mine, at),
        found=_shown(theirs, at),
        hint="give the same model at another width (or an int: the residual width at the base)",
    )


def _shown(ops: Sequence[fx.Node], at: int) -> str:
    """An op and the line of the model that asks for it."""
    if at >= len(ops):
        return "the end of the graph"
    line = source_line(ops[at])
    return str(ops[at].target) + (f", {line}" if line else "")

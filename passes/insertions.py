"""Line up two graphs of which one has ops more, because sizes decide whether they are there.

A shortcut is projected where its width is not the block's, an embedding where it is narrower than
the stream, and a block adds its input where it can. Without those ops the graphs are one::

    model   embed  project_in  block  project_out  head
    base    embed              block               head

An op more stands for what it is given. One op in the place of another is never that, and nothing
that bends is: an activation replaced, left out or moved makes another architecture.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import fx

from mupfx.core.ops import constant_factor, is_pick, packet
from mupfx.core.program import Program, shape_of, source_line
from mupfx.tables.linear_ops import KEEPING, NORMS, POOLING, SUMS

aten = torch.ops.aten

Twins = dict[fx.Node, fx.Node]
Stands = dict[fx.Node, frozenset[fx.Node]]
"""An op more, and the nodes of its own graph that it stands for."""

PROJECTIONS = frozenset(
    {
        aten.linear, aten.mm, aten.addmm, aten.matmul, aten.conv1d, aten.conv2d, aten.conv3d,
        aten.convolution, aten._convolution, aten.conv_transpose1d, aten.conv_transpose2d,
        aten.conv_transpose3d,
    }
)  # fmt: skip
"""Linear ops with a weight."""
KEPT = 8
"""Ways of lining up that are followed at a time."""
MOST_PLACES = 64
"""Places at which a graph may have ops more."""
MOST_OPS = 16
"""Ops more at one place."""
BACK = 6
"""How far before a difference the ops more may begin: the next may look like them."""


@dataclass(frozen=True, slots=True)
class Inserted:
    """The twins of all that both graphs have, and what only one has."""

    twins: Twins
    here: tuple[fx.Node, ...]
    there: tuple[fx.Node, ...]

    def told(self) -> tuple[str, ...]:
        """A sentence for every op that only one has and that does something."""
        sides = (("here", self.here), ("in the base", self.there))
        said = [
            f"{node.target} is only {where}, at {source_line(node)}"
            for where, nodes in sides
            for node in nodes
            if node.users and packet(node) not in KEEPING
        ]
        return tuple(dict.fromkeys(said))


def align_inserted(program: Program, base: Program) -> Inserted | None:
    """Twins where the graphs are one but for ops that sizes decide about; None where they are not.

    Such an op projects to another size, or adds what has one size in one graph only; or it lies
    beside one that does, on another way to the same place, and is linear without parameters.
    Factors in the code and ops that only pass values on may be anywhere.
    """
    sides = _Side(_ops(program), _active(program)), _Side(_ops(base), _active(base))
    states = [_run(_State(*sides))]
    for _ in range(MOST_PLACES):
        ended = [state for state in states if state.ended()]
        if ended:
            sound = [state for state in ended if _is_explained(state)]
            best = min(sound, key=lambda s: (s.more(), s.sizes()), default=None)
            return best.found() if best is not None else None
        longer = {s.signature(): s for state in states for s in _longer(state)}
        states = sorted(longer.values(), key=_State.loss)[:KEPT]
    return None


@dataclass(frozen=True, slots=True)
class _Side:
    ops: Sequence[fx.Node]
    active: frozenset[fx.Node]
    """What depends on an input."""

    def operands(self, node: fx.Node) -> list[fx.Node]:
        """Operands that are activations; of an op that has none, all."""
        found = [n for n in node.all_input_nodes if n in self.active]
        return found or list(node.all_input_nodes)


def _ops(program: Program) -> list[fx.Node]:
    return [n for n in program.graph.nodes if n.op != "placeholder"]


def _active(program: Program) -> frozenset[fx.Node]:
    found: set[fx.Node] = set()
    for node in program.graph.nodes:
        if node.name in program.inputs or any(n in found for n in node.all_input_nodes):
            found.add(node)
    return frozenset(found)


class _State:
    """The first ops of both graphs, lined up."""

    __slots__ = ("at", "back", "here", "mine", "moves", "their_at", "theirs", "there", "twins")

    def __init__(self, mine: _Side, theirs: _Side) -> None:
        self.mine, self.theirs = mine, theirs
        self.at, self.their_at = 0, 0
        self.twins: Twins = {}
        self.back: Twins = {}
        self.here: Stands = {}
        self.there: Stands = {}
        self.moves: list[list[fx.Node]] = []
        """What each of the last matches lined up, since an op more."""

    def copy(self) -> "_State":
        made = _State(self.mine, self.theirs)
        made.at, made.their_at = self.at, self.their_at
        made.twins, made.back = dict(self.twins), dict(self.back)
        made.here, made.there = dict(self.here), dict(self.there)
        made.moves = list(self.moves)
        return made

    def ended(self) -> bool:
        """Whether nothing is left on either side."""
        return self.at == len(self.mine.ops) and self.their_at == len(self.theirs.ops)

    def more(self) -> int:
        """How many ops only one side has."""
        return len(self.here) + len(self.there)

    def sizes(self) -> int:
        """In how many ways a size differs from its twin: the fewest, where all lines up."""
        shapes = ((shape_of(a) or (), shape_of(b) or ()) for a, b in self.twins.items())
        pairs = {pair for mine, theirs in shapes for pair in zip(mine, theirs, strict=False)}
        return sum(mine != theirs for mine, theirs in pairs)

    def loss(self) -> int:
        """Ops more, less what is lined up: the likeliest way has the least."""
        return 4 * self.more() - self.at - self.their_at

    def signature(self) -> tuple[frozenset[fx.Node], frozenset[fx.Node]]:
        """Which ops are more: two ways with the same are one."""
        return frozenset(self.here), frozenset(self.there)

    def found(self) -> Inserted:
        """The result, without the end of the graph, which holds no tensor."""
        twins = {mine: theirs for mine, theirs in self.twins.items() if mine.op != "output"}
        return Inserted(twins, tuple(self.here), tuple(self.there))

    def match(self) -> bool:
        """Line up the next op of both, if they are alike and given the same."""
        if self.at == len(self.mine.ops) or self.their_at == len(self.theirs.ops):
            return False
        mine, theirs = self.mine.ops[self.at], self.theirs.ops[self.their_at]
        if not _alike(mine, theirs):
            return False
        made: list[fx.Node] = []
        pairs = zip(mine.all_input_nodes, theirs.all_input_nodes, strict=True)
        if not all(self._agree(left, right, made) for left, right in pairs):
            self._forget(made)
            return False
        self._pair(mine, theirs, made)
        self.moves.append(made)
        self.at, self.their_at = self.at + 1, self.their_at + 1
        return True

    def undo(self) -> bool:
        """Take the last match back, if it came after the last op more."""
        if not self.moves:
            return False
        self._forget(self.moves.pop())
        self.at, self.their_at = self.at - 1, self.their_at - 1
        return True

    def skip(self, count: int, *, here: bool) -> None:
        """Take the next ops of one side as ops more."""
        side, stands = (self.mine, self.here) if here else (self.theirs, self.there)
        start = self.at if here else self.their_at
        for node in side.ops[start : start + count]:
            known = (stands.get(n, frozenset({n})) for n in side.operands(node))
            stands[node] = frozenset[fx.Node]().union(*known)
        self.at, self.their_at = self.at + count * here, self.their_at + count * (not here)
        self.moves = []

    def _agree(self, mine: fx.Node, theirs: fx.Node, made: list[fx.Node]) -> bool:
        """Whether two operands are twins, or one stands for the other's twin; never both."""
        if mine in self.here and theirs in self.there:
            return False
        left = self.here.get(mine, frozenset({mine}))
        right = self.there.get(theirs, frozenset({theirs}))
        if any(self.twins.get(node) in right for node in left):
            return True
        new = [n for n in left if n.op == "placeholder" and n not in self.twins]
        other = [n for n in right if n.op == "placeholder" and n not in self.back]
        if len(new) != 1 or len(other) != 1 or _rank(new[0]) != _rank(other[0]):
            return False
        self._pair(new[0], other[0], made)
        return True

    def _pair(self, mine: fx.Node, theirs: fx.Node, made: list[fx.Node]) -> None:
        self.twins[mine], self.back[theirs] = theirs, mine
        made.append(mine)

    def _forget(self, made: Sequence[fx.Node]) -> None:
        for node in made:
            del self.back[self.twins.pop(node)]


def _alike(mine: fx.Node, theirs: fx.Node) -> bool:
    counts = len(mine.all_input_nodes), len(theirs.all_input_nodes)
    same = mine.op == "get_attr" == theirs.op or mine.target == theirs.target
    return same and counts[0] == counts[1] and _rank(mine) == _rank(theirs)


def _rank(node: fx.Node) -> int | None:
    shape = shape_of(node)
    return None if shape is None else len(shape)


def _run(state: _State) -> _State:
    """As far as both go on alike."""
    while state.match():
        pass
    return state


def _longer(state: _State) -> Iterator[_State]:
    """All that goes on past the next difference, with ops more on one side."""
    state = state.copy()
    for _ in range(BACK + 1):
        for here in (True, False):
            for count in _counts(state, here=here):
                tried = state.copy()
                tried.skip(count, here=here)
                if tried.match() and _may_be_explained(_run(tried)):
                    yield tried
        if not state.undo():
            return


def _counts(state: _State, *, here: bool) -> list[int]:
    """After how many ops of one side comes one like the other's next."""
    mine, theirs = (
        (state.mine.ops, state.theirs.ops) if here else (state.theirs.ops, state.mine.ops)
    )
    start, other = (state.at, state.their_at) if here else (state.their_at, state.at)
    if other == len(theirs):
        return []
    rest = mine[start : start + MOST_OPS + 1]
    most = next((i for i, node in enumerate(rest) if not _may_be_more(node)), len(rest) - 1)
    return [count for count in range(1, most + 1) if _alike(rest[count], theirs[other])]


@dataclass(frozen=True, slots=True)
class _View:
    """One graph's ops more, and its nodes' twins in the other."""

    side: _Side
    stands: Stands
    twins: Mapping[fx.Node, fx.Node]

    def exits(self, group: Sequence[fx.Node]) -> Iterator[tuple[fx.Node, fx.Node, fx.Node]]:
        """What leaves a group, where it goes, and what stands there in the other graph."""
        for node in group:
            for user in node.users:
                if user in self.twins:
                    place = user.all_input_nodes.index(node)
                    yield node, user, self.twins[user].all_input_nodes[place]

    def forces(self, group: Sequence[fx.Node]) -> list[tuple[fx.Node, fx.Node]]:
        """From where to where sizes ask for a group, or forbid it in the other graph."""
        apart = any(self._apart(node) for node in group)
        if not apart and not self._is_chain(group):
            return []
        return [
            (entry, user)
            for node, user, other in self.exits(group)
            for entry in self.stands[node]
            if apart or (self.twins.get(entry) is other and shape_of(entry) != shape_of(node))
        ]

    def _is_chain(self, group: Sequence[fx.Node]) -> bool:
        """Whether all of a group stands for one value."""
        return len(frozenset[fx.Node]().union(*(self.stands[node] for node in group))) == 1

    def _apart(self, node: fx.Node) -> bool:
        """Whether what a sum brings together has several sizes in the other graph."""
        if packet(node) not in SUMS:
            return False
        known = [
            [
                shape_of(self.twins[n])
                for n in self.stands.get(operand, {operand})
                if n in self.twins
            ]
            for operand in self.side.operands(node)
        ]
        return any(not set(a) & set(b) for a, b in combinations(filter(None, known), 2))


def _views(state: _State) -> tuple[_View, _View]:
    return (
        _View(state.mine, state.here, state.twins),
        _View(state.theirs, state.there, state.back),
    )


def _may_be_explained(state: _State) -> bool:
    """Whether sizes ask for every op more that has parameters, as far as is known."""
    return all(
        all(map(_is_plain, group)) or view.forces(group) or not any(view.exits(group))
        for view in _views(state)
        for group in _groups(view.stands)
    )


def _is_explained(state: _State) -> bool:
    """Whether sizes, or what sizes decide nearby, account for every op more."""
    forced: list[tuple[fx.Node, fx.Node]] = []
    rest: list[tuple[Sequence[fx.Node], bool]] = []
    for view, here in zip(_views(state), (True, False), strict=True):
        for group in _groups(view.stands):
            ways = view.forces(group)
            forced += ways if here else [(state.back[a], state.back[b]) for a, b in ways]
            rest += [] if ways or not any(view.exits(group)) else [(group, here)]
    theirs = [(state.twins[a], state.twins[b]) for a, b in forced]
    return all(
        all(map(_is_quiet, group))
        or (all(map(_is_plain, group)) and _is_beside(group, forced if here else theirs))
        for group, here in rest
    )


def _groups(stands: Stands) -> list[list[fx.Node]]:
    """Ops more that are given to each other."""
    group: dict[fx.Node, list[fx.Node]] = {}
    for node in stands:
        mine = [node]
        for other in {id(group[n]): group[n] for n in node.all_input_nodes if n in group}.values():
            mine = other + mine
        group |= dict.fromkeys(mine, mine)
    return list({id(found): found for found in group.values()}.values())


def _is_quiet(node: fx.Node) -> bool:
    return packet(node) in KEEPING or constant_factor(node) is not None


def _is_plain(node: fx.Node) -> bool:
    """Whether an op is linear and has no parameters."""
    return _is_quiet(node) or packet(node) in POOLING | SUMS


def _may_be_more(node: fx.Node) -> bool:
    whole = node.all_input_nodes[0] if is_pick(node) else node
    return _is_plain(node) or packet(whole) in PROJECTIONS | NORMS


def _is_beside(group: Sequence[fx.Node], ways: Sequence[tuple[fx.Node, fx.Node]]) -> bool:
    """Whether a group lies on another way from where to where sizes asked for an op more."""
    return any(
        all(_leads(start, node) and _leads(node, end) for node in group) for start, end in ways
    )


def _leads(start: fx.Node, end: fx.Node) -> bool:
    """Whether one node depends on another."""
    seen, queue = {end}, [end]
    while queue:
        node = queue.pop()
        if node is start:
            return True
        fresh = [n for n in node.all_input_nodes if n not in seen]
        seen.update(fresh)
        queue += fresh
    return False

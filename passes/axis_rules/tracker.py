"""What the axis pass knows while it walks the graph: dimensions, uses, contractions.

A tensor is *weight-like* while it depends on parameters and constants alone (a transposed weight,
a scaled gain, a product of two adapters); its pieces then remember which parameter dimensions they
are. When it meets an activation, a use of those parameters is recorded.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from torch import fx

from mupfx.core.axes import Use
from mupfx.core.ops import packet
from mupfx.core.program import UNKNOWN_SIZE, source_line
from mupfx.core.vocabulary import Reason
from mupfx.passes.axis_rules.call import Call, sizes_of
from mupfx.passes.axis_rules.factors import (
    Conflict,
    Dim,
    Dims,
    Origin,
    Piece,
    Size,
    expand,
    fresh,
    is_one,
    mark,
    regroup,
    size_of,
    unify,
)
from mupfx.passes.axis_rules.stacks import multiplies
from mupfx.passes.axis_rules.swaps import straight_through
from mupfx.tables.linear_ops import JOINS, KEEPING, NORMS, PARTIAL, SCALING, SUMS

CONTRACTED = "contracted"
"""Mark of a factor that a parameter contracts."""
MADE = "made"
"""Mark of a factor that a parameter makes: its result has it, its input had not."""
MATCHED = "matched"
"""Mark of a factor that two activations contract."""
ADDED = "added"
"""Mark of a factor along which the product of a weight is added to an activation: a stream's."""
FEATURES = "features"
"""Mark of the last axis of an input of numbers: what an embedding would have made."""
STRAIGHT = KEEPING | PARTIAL | NORMS | SCALING | SUMS | JOINS
"""Ops behind which a product is still one, but for its scale."""
REPEATED = "repeated"
"""Mark of a factor that an expand or repeat made."""


class Tracker:
    """State of one walk over one graph."""

    def __init__(self, base: Mapping[fx.Node, fx.Node]) -> None:
        self.base = base
        self.env: dict[fx.Node, Dims | list[Dims] | None] = {}
        self.sources: dict[fx.Node, frozenset[str]] = {}
        """Parameters behind each weight-like node; activations are absent."""
        self.active: set[fx.Node] = set()
        """Activations: nodes that depend on the inputs, or where a parameter was contracted."""
        self.learned_nodes: set[fx.Node] = set()
        """Activations that parameters have a part in."""
        self.chosen: dict[fx.Node, fx.Node] = {}
        """Matrices that the model chose from a stack, and the stack."""
        self.written: dict[fx.Node, frozenset[str]] = {}
        """Products that are used as weights, and the parameters behind them."""
        self.read: dict[str, set[int]] = {}
        """Dimensions of these parameters that were contracted on the way."""
        self.blocks: dict[fx.Node, list[Piece]] = {}
        """Axes that a product shares with both its weight and its activation."""
        self.producer: dict[fx.Node, str] = {}
        """Weight whose product an activation is, through views."""
        self.before: dict[fx.Node, list[Piece]] = {}
        """What that weight contracted."""
        self.scaled: dict[fx.Node, list[Piece]] = {}
        """The same past norms and gains."""
        self.basis: dict[fx.Node, frozenset[fx.Node]] = {}
        """Products, look-ups and sums that an activation is made of, entry by entry."""
        self.looked: dict[fx.Node, list[Piece]] = {}
        """Rows of the table that an activation was looked up in, if nothing bends it since."""
        self.entries: list[tuple[fx.Node, list[Piece], list[Piece], list[Piece]]] = []
        """(node, rows, shared, fan-out) where a weight follows a look-up."""
        self.bridges: list[tuple[fx.Node, list[Piece], list[Piece], list[Piece]]] = []
        """(node, fan-in of the first, shared, fan-out) where one weight follows another."""
        self.uses: list[Use] = []
        self.within: dict[tuple[str, str], list[Piece]] = {}
        """What is contracted of a parameter at a node: less than a dimension, it may be."""
        self.halves: dict[Origin, list[Piece]] = {}
        """What is contracted of parameter dimensions of which a part lives on."""
        self.used: set[str] = set()
        """Nodes at which a parameter met an activation."""
        self.matches: list[tuple[fx.Node, fx.Node, fx.Node, list[Piece], list[Piece]]] = []
        self.inner: dict[Origin, str] = {}
        """Parameter dimensions contracted with another parameter, and where."""
        self.unknown: dict[str, str] = {}
        self.asked: dict[str, str] = {}
        """Ops that were probed, and the first node of each."""
        self.probed: dict[object, Any] = {}
        """What experiments with an op found, by the op and the sizes it was given."""
        self.conflicts: list[str] = []
        self.depends: list[tuple[list[Piece], Dim]] = []
        """(sources, result): the result is finite when every source is."""

    def unify(self, call: Call, left: Dim, right: Dim) -> None:
        """Join two dimensions, noting a conflict instead of stopping.

        An axis may be cut in two ways that do not meet, as channels that are shuffled and added to
        what they were: then they are equal as wholes alone.
        """
        try:
            unify(left, right)
        except Conflict as conflict:
            like = (1,) * len(left[0].factor.root().size)
            sizes = size_of(expand(left), like), size_of(expand(right), like)
            if sizes[0] == sizes[1]:
                self.depends += [(expand(left), right), (expand(right), left)]
                return
            if max(*sizes[0], *sizes[1]) >= UNKNOWN_SIZE:
                return  # it may well be equal: only the data says how long it is
            what = f"{call.node.target}: {conflict}"
            self.conflicts.append(f"{what}, at {source_line(call.node)}")

    def join(self, call: Call, left: Iterable[Dim], right: Iterable[Dim]) -> None:
        """Join dimensions pairwise; those of size one are repeated, and join nothing."""
        for mine, theirs in zip(left, right, strict=False):
            if mine and theirs:
                self.unify(call, mine, theirs)

    def broadcast(self, call: Call, nodes: Sequence[fx.Node], out: Sequence[Size]) -> Dims:
        """Join the dimensions of several tensors from the right, as broadcasting does."""
        result: list[Dim | None] = [None] * len(out)
        for node in nodes:
            dims, sizes = call.dims(node), call.sizes(node)
            offset = len(out) - len(dims)
            for i, (dim, size) in enumerate(zip(dims, sizes, strict=True)):
                if is_one(size) or size != out[offset + i]:
                    continue
                known = result[offset + i]
                if known is None:
                    result[offset + i] = dim
                else:
                    self.unify(call, known, dim)
                    result[offset + i] = self.merge_origins(known, dim)
        return tuple(d if d is not None else fresh(s) for d, s in zip(result, out, strict=True))

    @staticmethod
    def merge_origins(left: Dim, right: Dim) -> Dim:
        """The left dimension, remembering the origins of both."""
        a, b = expand(left), expand(right)
        if len(a) != len(b):
            return left
        return tuple(Piece(p.factor, p.origins | q.origins) for p, q in zip(a, b, strict=True))

    def reshape(self, call: Call, dims: Sequence[Dim], sizes: Sequence[Size]) -> Dims:
        """Regroup pieces; where no boundaries meet, make factors that are finite if theirs are."""
        result = regroup(dims, sizes)
        if result is not None:
            return result
        queue = [piece for dim in dims for piece in expand(dim)]
        made = tuple(fresh(size) for size in sizes)
        for dim in made:
            if dim:
                self.depends.append((queue, dim))
        return made

    def through(self, call: Call, source: fx.Node) -> None:
        """The result is still the product that ``source`` is."""
        if source in self.producer:
            self.producer[call.node] = self.producer[source]
            self.before[call.node] = self.before[source]

    def last_product(self, node: fx.Node) -> list[Piece] | None:
        """What the last weight before a node contracted, if nothing bends its product."""
        return self.before.get(node, self.scaled.get(node))

    def _follow(self, node: fx.Node) -> None:
        """Norms, gains and scales of rows keep the axes of the one product before them."""
        if node in self.before or packet(node) not in STRAIGHT:
            return
        passed = straight_through(node)
        inputs = node.all_input_nodes if passed is None else [passed]
        inputs = inputs[:1] if packet(node) in KEEPING else inputs  # not what it is shaped like
        wide = [n for n in inputs if n in self.active and self._is_whole(n, node)]
        known = [self.last_product(n) for n in wide]
        if known and known[0] is not None and all(k is known[0] for k in known):
            self.scaled[node] = known[0]
        if wide and all(n in self.looked for n in wide):
            self.looked[node] = self.looked[wide[0]]

    def _is_whole(self, source: fx.Node, node: fx.Node) -> bool:
        """Whether an operand is not repeated along an axis of the result."""
        mine, result = self.env.get(source), self.env.get(node)
        if packet(node) not in SCALING | SUMS or not isinstance(mine, tuple):
            return True
        return isinstance(result, tuple) and sum(map(bool, mine)) == sum(map(bool, result))

    def _stand_on(self, node: fx.Node, inputs: Iterable[fx.Node]) -> None:
        if node not in self.basis:
            known = (self.basis.get(n, frozenset({n})) for n in inputs if n in self.active)
            self.basis[node] = frozenset[fx.Node]().union(*known)

    def is_weight(self, node: fx.Node) -> bool:
        """Whether a node is weight-like."""
        return node in self.sources

    def is_learned(self, node: fx.Node) -> bool:
        """Whether parameters have a part in a node's values."""
        return node in self.sources or node in self.learned_nodes

    def use(  # noqa: PLR0913 - each is a way in which an axis can be met
        self,
        call: Call,
        weight: fx.Node,
        *,
        contracted: Iterable[Piece] = (),
        index: Iterable[Piece] = (),
        kept: Iterable[Piece] = (),
        places: Iterable[int] = (),
        index_places: Iterable[int] = (),
        companion: str | None = None,
    ) -> None:
        """Record that the parameters behind a weight-like node meet an activation here.

        ``places`` are the dimensions of ``weight`` itself that are contracted, ``index_places``
        those looked up: where it is a parameter, axes of size one count too, which have no pieces.
        """
        contracted = list(contracted)
        fan_in = {origin for piece in contracted for origin in piece.origins}
        fan_out = {origin for piece in kept for origin in piece.origins}
        looked_up = {origin for piece in index for origin in piece.origins}
        if weight.op == "placeholder":
            (parameter,) = self.sources[weight]
            fan_in |= {(parameter, place) for place in places}
            looked_up |= {(parameter, place) for place in index_places}
        else:
            fan_in |= {(name, d) for name in self.sources[weight] for d in self.read.get(name, ())}
        self.used.add(call.node.name)
        for name in sorted(self.sources[weight]):
            self.within.setdefault((call.node.name, name), []).extend(contracted)
            for d in (d for p, d in fan_in & fan_out if p == name):
                gone = [piece for piece in contracted if (name, d) in piece.origins]
                self.halves.setdefault((name, d), []).extend(gone)
            self.uses.append(
                Use(
                    parameter=name,
                    node=call.node.name,
                    op=str(call.node.target),
                    fan_in=tuple(sorted(d for p, d in fan_in if p == name)),
                    fan_out=tuple(sorted(d for p, d in fan_out if p == name)),
                    index=tuple(sorted(d for p, d in looked_up if p == name)),
                    where=source_line(call.node),
                    companion=companion if companion != name else None,
                )
            )

    def look_up(
        self, call: Call, table: fx.Node, places: Sequence[int], picks: Iterable[fx.Node]
    ) -> None:
        """Note that dimensions of a tensor are looked into, at ``picks``.

        Rows that the model itself chooses (an expert, a code) are weights like any other, and
        matrices among them are met where they are multiplied; rows that the user's data names are
        an embedding.
        """
        dims = call.dims(table)
        rows = [piece for place in places for piece in expand(dims[place])]
        chosen = any(self.is_learned(pick) for pick in picks)
        said = "chooses from it" if chosen else "looks it up"
        mark(rows, Reason.SELECTION if chosen else Reason.INDEX, f"{call.node.name} {said}")
        if not self.is_weight(table):
            return
        matrices = len(dims) - len(places) > 1
        if matrices and (chosen or multiplies(call.node)):
            self.chosen[call.node] = table
        elif chosen:
            self.use(call, table)
            self.looked[call.node] = rows
        else:
            self.use(call, table, index=rows, index_places=places)
            self.looked[call.node] = rows
            self.basis[call.node] = frozenset({call.node})

    def meet(self, call: Call, nodes: Sequence[fx.Node], companion: str | None = None) -> None:
        """Weight-like tensors and activations met elementwise: uses that keep every axis."""
        weights = [n for n in nodes if self.is_weight(n)]
        if weights and any(n in self.active for n in nodes):
            for weight in weights:
                self.use(call, weight, companion=companion)

    def learned(self, call: Call, node: fx.Node, weight: fx.Node) -> tuple[fx.Node, ...]:
        """A parameter where ``weight`` wants data: a learned input, met here."""
        if not (self.is_weight(node) and self.is_weight(weight)):
            return ()
        self.use(call, node)
        return (node,)

    def settle(self, node: fx.Node) -> None:
        """Whether a node is an activation or weight-like, from its inputs and uses."""
        inputs = [n for n in node.all_input_nodes if n in self.env]
        if node in self.chosen:
            self.sources[node] = self.sources[self.chosen[node]]
            return
        if node in self.written:
            self.sources[node] = self.written[node]
            return
        self._follow(node)
        if node.name in self.used or any(n in self.active for n in inputs):
            self.active.add(node)
            self._stand_on(node, inputs)
            if node.name in self.used or any(self.is_learned(n) for n in inputs):
                self.learned_nodes.add(node)
            self.env[node] = _bare(self.env[node])
            return
        sources = frozenset[str]().union(*(self.sources.get(n, ()) for n in inputs))
        if sources:
            self.sources[node] = sources

    def start(self, node: fx.Node, origin: str | None, word: str | None, evidence: str) -> None:
        """Dimensions of a placeholder: of a parameter, a buffer, or a marked input."""
        sizes = sizes_of(node, self.base)
        dims = []
        for i, size in enumerate(sizes):
            dim = fresh(size, frozenset({(origin, i)}) if origin else frozenset())
            if word is not None:
                mark(dim, word, evidence)
            dims.append(dim)
        self.env[node] = tuple(dims)
        if origin is not None:
            self.sources[node] = frozenset({origin})


def bare(dims: Iterable[Dim]) -> Dims:
    """Dimensions without origins: an activation's."""
    return tuple(tuple(Piece(p.factor) for p in dim) for dim in dims)


def _bare(value: Dims | list[Dims] | None) -> Dims | list[Dims] | None:
    if value is None:
        return None
    return [bare(dims) for dims in value] if isinstance(value, list) else bare(value)


Rule = Callable[[Tracker, Call], Dims | list[Dims]]
"""How an op's result's axes follow from its operands'."""
Rules = Mapping[object, Rule]
"""By overload packet, or by overload where one of a packet's differs."""

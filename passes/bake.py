"""Bake: which entries of which parameters make a multiplier unnecessary, once they carry it.

What a hook multiplies, a range of a value's last axis, is followed back to the parameters that it
is made of, whatever else those make beside it::

    c_attn: output[..., 0:64 of 192] * 0.5    ->  c_attn.weight[:, 0:64] and c_attn.bias[0:64]
    lm_head (tied): input * 0.25              ->  lm_head.weight, untied from wte.weight
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from torch import fx

from mupfx.core.ops import constant_factor, data_inputs, packet
from mupfx.core.plan import Baked
from mupfx.core.program import Program, module_of, shape_of, source_line
from mupfx.tables.linear_ops import CASTS, COPIES, HOMOGENEOUS, KEEPING, SCALING, SUMS

WEIGHTS: Mapping[str, tuple[int, int]] = {
    "aten.linear": (1, 0), "aten.mm": (1, 1), "aten.matmul": (1, -1), "aten.bmm": (1, 2),
    "aten.addmm": (2, 1), "aten.baddbmm": (2, 2), "aten.embedding": (0, 1),
    "aten._grouped_mm": (1, -1),
}  # fmt: skip
"""Which argument is the weight, and which of its dimensions is the last of the result."""
ADDED: Mapping[str, int] = {"aten.linear": 2, "aten.addmm": 0, "aten.baddbmm": 0}
"""Which argument is added to it."""
AFFINE: Mapping[str, tuple[int, ...]] = {
    "aten.layer_norm": (2, 3), "aten.native_layer_norm": (2, 3), "aten.rms_norm": (2,),
    "aten._fused_rms_norm": (2,),
}  # fmt: skip
"""Arguments of a norm along the last dimension that its result is linear in."""
SWAPS = ("aten.transpose", "aten.swapaxes", "aten.swapdims")
REVERSED = ("aten.t", "aten.numpy_T", "aten.mT")
RESHAPES = (
    "aten.view", "aten.reshape", "aten._unsafe_view", "aten.flatten", "aten.unflatten",
    "aten.unsqueeze", "aten.squeeze", "aten.ravel", "aten.view_as", "aten.reshape_as",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """Entries ``i`` of an axis with ``start <= i % period < stop``."""

    start: int
    stop: int
    period: int

    @property
    def whole(self) -> bool:
        """All of them."""
        return self.stop - self.start == self.period


class _NoWay(Exception):  # noqa: N818 - a reason, caught below
    """Why entries of a value cannot be multiplied by multiplying parameters."""


_Place = tuple[fx.Node, int | None]
"""A value and one of its dimensions; None for all of it."""


@dataclass(slots=True)
class _Walk:
    program: Program
    through: dict[fx.Node, set[fx.Node]] = field(default_factory=dict)
    """What is multiplied, with the inputs that it is multiplied through."""
    leaves: list[_Place] = field(default_factory=list)

    def outside(self, node: fx.Node) -> list[fx.Node]:
        """Readers of a value that are not multiplied through it."""
        return [user for user in node.users if node not in self.through.get(user, ())]


def bake(program: Program, nodes: Sequence[str], part: Part) -> tuple[Baked, ...] | str:
    """What carries a multiplier on a part of the last axis of every one of ``nodes``.

    Args:
        program: The model.
        nodes: What a hook multiplies: several where its module runs more than once. Whether
            anything else reads those entries is known.
        part: Which entries.

    Returns:
        The entries of parameters, or the reason why there are none.
    """
    found = [n for n in program.graph.nodes if n.name in nodes]
    starts = [(n, None if part.whole else len(shape_of(n) or ()) - 1) for n in found]
    return _baked(program, starts, part, frozenset(found))


def bake_use(program: Program, nodes: Sequence[str], parameter: str) -> tuple[Baked, ...] | str:
    """What carries a multiplier on what every one of ``nodes`` contracts a parameter with."""
    found = [n for n in program.graph.nodes if n.name in nodes]
    names = {place for place, name in program.parameters.items() if name == parameter}
    starts: list[_Place] = [
        (n, None) for node in found for n in node.all_input_nodes if _origin(n).name in names
    ]
    return _baked(program, starts, Part(0, 1, 1), frozenset(found))


def _origin(node: fx.Node) -> fx.Node:
    while node.op != "placeholder" and packet(node) in KEEPING:
        node = node.all_input_nodes[0]
    return node


def _baked(
    program: Program, starts: Sequence[_Place], part: Part, sources: frozenset[fx.Node]
) -> tuple[Baked, ...] | str:
    walk = _Walk(program)
    try:
        _follow(walk, starts)
        for node, start in ((n, s) for n in sources for s, _ in starts if s in n.all_input_nodes):
            walk.through.setdefault(node, set()).add(start)
        _require_unread(walk, sources)
        rows = [_row(walk, place, part) for place in walk.leaves]
    except _NoWay as reason:
        return str(reason)
    return tuple(sorted(dict.fromkeys(rows), key=lambda row: row.parameter))


def _follow(walk: _Walk, starts: Sequence[_Place]) -> None:
    """From values to the parameters that their entries are linear in."""
    queue, done = list(starts), set()
    while queue:
        place = queue.pop()
        if place in done:
            continue
        done.add(place)
        node = place[0]
        through = walk.through.setdefault(node, set())
        if node.op != "placeholder":
            behind = _behind(*place)
            through.update(source for source, _ in behind)
            queue += behind
        elif node.name in walk.program.parameters:
            walk.leaves.append(place)
        else:
            raise _NoWay(f"{node.name} is no parameter")


def _behind(node: fx.Node, dim: int | None) -> list[_Place]:
    """What to multiply so that entries of a value are multiplied."""
    op = str(packet(node))
    found = _contracted(node, dim, op) or _affine(node, dim, op)
    if not found and packet(node) in KEEPING | HOMOGENEOUS:
        found = [(node.all_input_nodes[0], _before(node, dim, op))]
    if not found and packet(node) in SUMS:
        found = [(n, _aligned(node, n, dim)) for n in _whole_sum(node)]
    if not found and packet(node) in SCALING:
        found = [(n, _aligned(node, n, dim)) for n in _factor(node)]
    if not found:
        raise _NoWay(f"{op} is not linear in a parameter ({source_line(node) or node.name})")
    return found


def _contracted(node: fx.Node, dim: int | None, op: str) -> list[_Place]:
    """The weight of a contraction, and what is added to its result."""
    last = dim is None or dim == len(shape_of(node) or ()) - 1
    if op not in WEIGHTS or not last:
        return []
    position, axis = WEIGHTS[op]
    weight = node.args[position]
    assert isinstance(weight, fx.Node)
    found: list[_Place] = [(weight, None if dim is None else axis % len(shape_of(weight) or (0,)))]
    added = node.args[ADDED[op]] if op in ADDED and len(node.args) > ADDED[op] else None
    return found + ([(added, _aligned(node, added, dim))] if isinstance(added, fx.Node) else [])


def _affine(node: fx.Node, dim: int | None, op: str) -> list[_Place]:
    last = dim is None or dim == len(shape_of(node) or ()) - 1
    places = [p for p in AFFINE.get(op, ()) if last and len(node.args) > p]
    found = [node.args[p] for p in places]
    return [(n, _aligned(node, n, dim)) for n in found if isinstance(n, fx.Node)]


def _before(node: fx.Node, dim: int | None, op: str) -> int | None:
    """Where a dimension was before an op that keeps every entry."""
    ours, theirs = shape_of(node) or (), shape_of(node.all_input_nodes[0]) or ()
    if dim is None or packet(node) in CASTS | COPIES | HOMOGENEOUS or op == "aten.neg":
        return dim
    if op in SWAPS:
        swapped = [int(str(a)) % len(ours) for a in node.args[1:3]]
        return swapped[1 - swapped.index(dim)] if dim in swapped else dim
    if op in REVERSED and len(ours) == 2:
        return 1 - dim
    if op == "aten.permute" and isinstance(node.args[1], list | tuple):
        return int(str(node.args[1][dim])) % len(ours)
    inner = [e for e, size in enumerate(theirs) if size == ours[dim]]
    kept = [e for e in inner if prod(theirs[:e]) == prod(ours[:dim])] if op in RESHAPES else []
    if not kept:
        raise _NoWay(f"{op} takes the entries apart ({source_line(node) or node.name})")
    return kept[0]


def _aligned(node: fx.Node, source: fx.Node, dim: int | None) -> int | None:
    """The same dimension of an operand, which is broadcast from the right."""
    if dim is None:
        return None
    ours, theirs = shape_of(node) or (), shape_of(source) or ()
    place = dim - len(ours) + len(theirs)
    if place < 0 or theirs[place] != ours[dim]:
        raise _NoWay(f"{source.name} has one entry for several of {node.name}")
    return place


def _whole_sum(node: fx.Node) -> list[fx.Node]:
    sources = data_inputs(node)
    return sources if len(sources) == 2 else []


def _factor(node: fx.Node) -> list[fx.Node]:
    """Of a product: what is no constant, or the factor that is a parameter."""
    if constant_factor(node) is not None:
        return data_inputs(node)[:1]
    factors = [n for n in node.args[:2] if isinstance(n, fx.Node)]
    factors = factors[:1] if str(packet(node)).startswith("aten.div") else factors
    return [n for n in factors if _origin(n).op == "placeholder" and len(factors) > 1][:1]


def _require_unread(walk: _Walk, sources: Collection[fx.Node]) -> None:
    """Whatever is multiplied on the way is read by what is multiplied, and by nothing else."""
    for node in walk.through:
        if node.op == "placeholder" or node in sources:
            continue
        if outside := walk.outside(node):
            raise _NoWay(f"{outside[0].name} reads {node.name} too")


def _row(walk: _Walk, place: _Place, part: Part) -> Baked:
    node, dim = place
    name = walk.program.parameters[node.name]
    names = (name, *walk.program.tied.get(name, ()))
    read = [n for n in walk.program.graph.nodes if walk.program.parameters.get(n.name) == name]
    outside = [reader for n in read for reader in walk.outside(n)]
    inside = [reader for n in read for reader in n.users if n in walk.through.get(reader, ())]
    if dim is None or part.whole:
        row = Baked(name)
    else:
        row = Baked(name, dim, part.start, part.stop, part.period)
    if not outside:
        return row
    ours = {_alias(n, names) for n in inside}
    theirs = {_alias(n, names) for n in outside}
    if len(ours) > 1 or None in ours | theirs or ours & theirs:
        raise _NoWay(f"{outside[0].name} reads {name} too")
    (alone,) = ours
    return Baked(str(alone), row.dim, row.start, row.stop, row.period, untied=True)


def _alias(reader: fx.Node, names: Sequence[str]) -> str | None:
    """The name under which the module that a node runs in has a parameter."""
    path = ".".join(piece.partition("@")[0] for piece in module_of(reader).split("."))
    found = [name for name in names if name.rpartition(".")[0] == path]
    return found[0] if len(found) == 1 else None

"""Line up the base's graph with the model's: by the ops, never by names.

Two instances of one architecture make the same ops in the same order. With another depth one graph
has whole repetitions more; a repeated node then has the same twin as the one a period before::

    model   embed  L L L L  norm  head
    base    embed  L L      norm  head
"""

from collections.abc import Iterator, Sequence
from math import prod

from torch import fx

from mupfx.core.axes import Axes, Use
from mupfx.core.ops import is_pick, packet
from mupfx.core.program import Program, shape_of, source_line
from mupfx.errors import BaseError
from mupfx.tables.linear_ops import JOINS, KEEPING, PARTIAL

Twins = dict[fx.Node, fx.Node]
Shapes = dict[str, list[int]]


def align(program: Program, base: Program) -> Twins:
    """The base's node for every node that holds a tensor.

    Raises:
        BaseError: The graphs are not of one architecture.
    """
    mine, theirs = _ops(program), _ops(base)
    found = [
        _pair(mine, theirs, positions)
        for positions in _alignments([_key(n) for n in mine], [_key(n) for n in theirs])
    ]
    if not found:
        raise _other_architecture(program, base)
    twins = min(found, key=_size_pairs)
    _check_ranks(twins)
    return twins


def _pair(mine: Sequence[fx.Node], theirs: Sequence[fx.Node], positions: Sequence[int]) -> Twins:
    twins: Twins = {}
    for node, position in zip(mine, positions, strict=True):
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


def _alignments(mine: Sequence[str], theirs: Sequence[str]) -> Iterator[list[int]]:
    """The base's position for each op, for every place where whole repetitions may differ.

    A block may begin and end with the same op, so that several places are possible.
    """
    extra = len(mine) - len(theirs)
    longer, shorter = (mine, theirs) if extra > 0 else (theirs, mine)
    head, tail = _common(mine, theirs), _common(mine[::-1], theirs[::-1])
    for start in range(len(shorter) - tail, head + 1):
        period = _period(longer, start, abs(extra))
        if extra and period is None:
            continue
        if extra > 0 and period is not None:
            again = [start - period + i % period for i in range(extra)]
            yield [*range(start), *again, *range(start, len(theirs))]
        else:
            yield [*range(start), *range(start - extra, len(theirs))]
            if not extra:
                return


def _period(ops: Sequence[str], start: int, count: int) -> int | None:
    """The shortest stretch before ``start`` that the ``count`` ops after it repeat."""
    for period in range(1, min(start, count) + 1):
        inserted = range(start, start + count)
        if count % period == 0 and all(ops[i] == ops[i - period] for i in inserted):
            return period
    return None


def _common(left: Sequence[str], right: Sequence[str]) -> int:
    count = 0
    for a, b in zip(left, right, strict=False):
        if a != b:
            break
        count += 1
    return count


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

"""Line up the base's graph with the model's: by the ops, never by names.

Two instances of one architecture make the same ops in the same order. With another depth one graph
has whole repetitions more; a repeated node then has the same twin as the one a period before::

    model   embed  L L L L  norm  head
    base    embed  L L      norm  head
"""

from collections.abc import Sequence

from torch import fx

from mupfx.core.program import Program, shape_of
from mupfx.errors import BaseError

Twins = dict[fx.Node, fx.Node]


def align(program: Program, base: Program) -> Twins:
    """The base's node for every node that holds a tensor.

    Raises:
        BaseError: The graphs are not of one architecture.
    """
    mine, theirs = _ops(program), _ops(base)
    positions = _positions([_key(n) for n in mine], [_key(n) for n in theirs])
    if positions is None:
        raise _other_architecture(program, base)
    twins: Twins = {}
    for node, position in zip(mine, positions, strict=True):
        twin = theirs[position]
        twins[node] = twin
        for source, other in zip(node.all_input_nodes, twin.all_input_nodes, strict=True):
            twins.setdefault(source, other)
    _check_ranks(twins)
    return twins


def _ops(program: Program) -> list[fx.Node]:
    return [n for n in program.graph.nodes if n.op not in ("placeholder", "output")]


def _key(node: fx.Node) -> str:
    target = "get_attr" if node.op == "get_attr" else str(node.target)
    return f"{target}/{len(node.all_input_nodes)}"


def _positions(mine: Sequence[str], theirs: Sequence[str]) -> list[int] | None:
    """The base's position for each op; None where no repetition explains the difference."""
    head = _common(mine, theirs)
    extra = len(mine) - len(theirs)
    tail = _common(mine[head:][::-1], theirs[max(head, head - extra) :][::-1])
    if extra <= 0:
        start = len(mine) - tail
        return (
            None if head < start else [*range(start), *(i - extra for i in range(start, len(mine)))]
        )
    if head + tail < len(theirs):
        return None
    return _repeated(mine, len(theirs), head, extra)


def _repeated(mine: Sequence[str], count: int, head: int, extra: int) -> list[int] | None:
    """Positions where the model repeats something that the base has fewer of."""
    start = min(head, count)
    for period in range(1, extra + 1):
        inserted = range(start, start + extra)
        if extra % period or period > start:
            continue
        if all(mine[i] == mine[i - period] for i in inserted):
            positions = list(range(start))
            for i in inserted:
                positions.append(positions[i - period])
            return positions + list(range(start, count))
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
    keys = [_key(n) for n in theirs]
    at = _common([_key(n) for n in mine], keys)
    found = keys[at].partition("/")[0] if at < len(keys) else "the end of the graph"
    wanted = _key(mine[at]).partition("/")[0] if at < len(mine) else "the end of the graph"
    return BaseError(
        "the base is of another architecture",
        where=f"op {at} of {len(mine)} here and {len(theirs)} in the base",
        expected=wanted,
        found=found,
        hint="give the same model at another width (or an int: the residual width at the base)",
    )

"""In what two graphs of one model differ, where it is constants alone.

::

    dropout(x, 0.1, True)  |  dropout(x, 0.1, False)   ->   argument 2 of dropout: True, False
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx

from mupfx.passes.rewrite.lockstep import Apart, Read, behind, counts, lockstep, read_instead


@dataclass(frozen=True, slots=True)
class Difference:
    """An argument of an op that is another constant in the other graph."""

    node: fx.Node
    position: int
    """Among the arguments of the op's schema."""
    mine: Any
    theirs: Any


@dataclass(frozen=True, slots=True)
class Merged:
    """What two graphs have in common, and what not."""

    pairs: Mapping[fx.Node, fx.Node]
    """Of one graph's ops, to those of the other."""
    found: tuple[Difference, ...]


def merged(first: fx.Graph, second: fx.Graph, *, casts: bool = False) -> Merged | Apart:
    """Every constant in which two graphs differ, or where they differ in more.

    Args:
        first: The one that is kept.
        second: The other.
        casts: Whether types differ. Tracing takes a cast that does nothing for what it is given,
            and lets everybody after it read the cast: they read as the second graph reads.
    """
    extra = _counters(first, second)
    if isinstance(extra, Apart):
        return extra
    uncast: dict[Read, fx.Node] | None = {} if casts else None
    pairs = lockstep(first, second, uncast)
    if isinstance(pairs, Apart):
        return pairs
    for (reader, place), value in (uncast or {}).items():
        read_instead(reader, place, value)
    found = [Difference(node, 1, node.args[1], 0) for node in extra]
    for x, y in pairs.items():
        for position, mine, theirs in _arguments(x, y):
            if _alike(mine, theirs, pairs):
                continue
            if not (_constant(mine) and _constant(theirs)) or x.graph is not first:
                return Apart(str(x), str(y))
            found.append(Difference(x, position, mine, theirs))
    return Merged(pairs, tuple(found))


def _counters(first: fx.Graph, second: fx.Graph) -> list[fx.Node] | Apart:
    """Steps that only one counts."""
    mine, theirs = ([n for n in graph.nodes if counts(n)] for graph in (first, second))
    if len(mine) == len(theirs):
        return []
    return mine if not theirs else Apart(str(mine), str(theirs))


def _arguments(x: fx.Node, y: fx.Node) -> Iterator[tuple[int, Any, Any]]:
    """Position, and both values, of every argument of an op; defaults are written out."""
    if not isinstance(x.target, torch._ops.OpOverload):
        for i, (mine, theirs) in enumerate(zip(x.args, y.args, strict=True)):
            yield i, mine, theirs
        return
    mine, theirs = (_written_out(node) for node in (x, y))
    for i, pair in enumerate(zip(mine, theirs, strict=True)):
        yield i, *pair


def _written_out(node: fx.Node) -> list[Any]:
    """Values of all arguments in the order of the schema."""
    schema = node.target._schema.arguments  # type: ignore[union-attr]
    return [
        node.args[i] if i < len(node.args) else node.kwargs.get(a.name, a.default_value)
        for i, a in enumerate(schema)
    ]


def _alike(mine: Any, theirs: Any, pairs: Mapping[fx.Node, fx.Node]) -> bool:
    if isinstance(mine, fx.Node) and isinstance(theirs, fx.Node):
        return _same(behind(mine), behind(theirs), pairs)
    if isinstance(mine, list | tuple) and isinstance(theirs, list | tuple):
        if len(mine) != len(theirs):
            return False
        return all(_alike(a, b, pairs) for a, b in zip(mine, theirs, strict=True))
    return type(mine) is type(theirs) and bool(mine == theirs)


def _same(mine: fx.Node, theirs: fx.Node, pairs: Mapping[fx.Node, fx.Node]) -> bool:
    """Whether two nodes are paired, or the same placeholder, or the same sum of sizes."""
    if mine in pairs or mine.op != theirs.op:
        return pairs.get(mine) is theirs
    if mine.op == "placeholder":
        return mine.name == theirs.name or mine.graph is not theirs.graph
    if mine.op == "get_attr":
        return True
    same = mine.target == theirs.target
    return same and all(_alike(a, b, pairs) for a, b in zip(mine.args, theirs.args, strict=False))


def _constant(value: Any) -> bool:
    return isinstance(value, bool | int | float | torch.dtype | torch.device | None)


def give(each: Difference, value: fx.Node) -> None:
    """Put a value where a constant was; arguments before it are written out."""
    node = each.node
    schema = node.target._schema.arguments  # type: ignore[union-attr]
    argument = schema[each.position]
    if argument.kwarg_only or argument.name in node.kwargs:
        node.kwargs = {**node.kwargs, argument.name: value}
        return
    args = list(node.args)
    while len(args) <= each.position:
        before = schema[len(args)]
        args.append(node.kwargs.get(before.name, before.default_value))
    args[each.position] = value
    node.kwargs = {
        k: v for k, v in node.kwargs.items() if k not in {a.name for a in schema[: len(args)]}
    }
    node.args = tuple(args)

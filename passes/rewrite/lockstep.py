"""Two graphs of one model side by side: the same ops in the same order, whatever sizes are.

Ops that hand on what they are given (``contiguous``, a slice of everything) may be in one alone,
and so may arithmetic on sizes, and counters of steps::

    slice_1 = x[0:]          |
    linear = linear(slice_1) |  linear = linear(x)
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from sys import maxsize
from typing import Any

import torch
from torch import fx
from torch.utils import _pytree as pytree

from mupfx.core.ops import packet
from mupfx.core.runnable import every_node

aten = torch.ops.aten

Pairs = Mapping[fx.Node, fx.Node]


@dataclass(frozen=True, slots=True)
class Apart:
    """Where two graphs are different."""

    first: str
    second: str


def lockstep(first: fx.Graph, second: fx.Graph) -> dict[fx.Node, fx.Node] | Apart:
    """The node of the second graph for every op of the first, or the first that has none."""
    pairs: dict[fx.Node, fx.Node] = {}
    left, right = list(ops(first)), list(ops(second))
    for x, y in zip(left, right, strict=False):
        if x.target != y.target or not _read_alike(x, y, pairs):
            return Apart(str(x), str(y))
        pairs[x] = y
    if len(left) != len(right):
        at = min(len(left), len(right))
        return Apart(*(str(side[at]) if len(side) > at else "nothing" for side in (left, right)))
    return pairs


def ops(graph: fx.Graph) -> Iterator[fx.Node]:
    """What computes tensors, those of regions in their place."""
    for node in every_node(graph):
        computes = node.op == "call_function" and has_tensor(node)
        if computes and not (hands_on(node) or counts(node)):
            yield node


def counts(node: fx.Node) -> bool:
    """Whether a node is a step of a counter, ``buffer += 1``, which nobody reads."""
    if packet(node) is not aten.add_ or node.users or len(node.args) != 2 or node.kwargs:
        return False
    target, step = node.args
    return isinstance(target, fx.Node) and target.op == "placeholder" and isinstance(step, int)


def has_tensor(node: fx.Node) -> bool:
    """Whether a node holds a tensor, alone or among others."""
    leaves = pytree.tree_leaves(node.meta.get("val"))
    return any(isinstance(leaf, torch.Tensor) for leaf in leaves)


def hands_on(node: fx.Node) -> bool:
    """Whether an op gives the very values that it is given."""
    op = packet(node)
    if op in (aten.alias, aten.contiguous):
        return True
    if op is not aten.slice:
        return False
    given: list[object] = list(node.args[1:])
    _, start, end, step = given + [0, None, None, 1][len(given) :]
    return (start, step) in ((0, 1), (None, 1)) and end in (None, maxsize)


def behind(node: fx.Node) -> fx.Node:
    """The op that really made the values of a node."""
    while node.op == "call_function" and hands_on(node):
        source = node.args[0]
        assert isinstance(source, fx.Node)
        node = source
    return node


def _read_alike(x: fx.Node, y: fx.Node, pairs: Pairs) -> bool:
    """Whether both read, in the same order, what is paired."""
    mine = [behind(n) for n in operands(x)]
    theirs = [behind(n) for n in operands(y)]
    if len(mine) != len(theirs):
        return False
    known = [(pairs.get(a), b) for a, b in zip(mine, theirs, strict=True) if a in pairs]
    return all(a is b for a, b in known)


def operands(node: fx.Node) -> list[fx.Node]:
    """Tensors that a node reads, in order, as often as it does."""
    read: list[Any] = []
    fx.map_arg((node.args, dict(node.kwargs)), read.append)
    return [n for n in read if has_tensor(n)]

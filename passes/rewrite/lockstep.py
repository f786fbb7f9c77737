"""Two graphs of one model side by side: the same ops in the same order, whatever sizes are.

Ops that hand on what they are given (``contiguous``, a slice of everything) may be in one alone, as
may arithmetic on sizes, counters of steps, and the bounds of regions without gradients::

    slice_1 = x[0:]          |
    linear = linear(slice_1) |  linear = linear(x)
"""

import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from sys import maxsize
from typing import Any

import torch
from torch import fx
from torch.utils import _pytree as pytree

from mupfx.core.ops import packet
from mupfx.core.runnable import body_of, every_node

aten = torch.ops.aten

IDLE = "idle"
"""Key of the ``meta`` of a cast that does nothing, and that the other graph lacks."""
NO_GRAD = "wrap_with_set_grad_enabled"
Pairs = Mapping[fx.Node, fx.Node]
Read = tuple[fx.Node, int]
"""A node, and which of the tensors that it reads."""


@dataclass(frozen=True, slots=True)
class Apart:
    """Where two graphs are different."""

    first: str
    second: str


def lockstep(
    first: fx.Graph, second: fx.Graph, uncast: dict[Read, fx.Node] | None = None
) -> dict[fx.Node, fx.Node] | Apart:
    """The node of the second graph for every op of the first, or the first that has none.

    Args:
        first: One graph.
        second: The other.
        uncast: Where given, takes note of operands that only the first reads through a cast that
            does nothing there, with what is cast.
    """
    pairs: dict[fx.Node, fx.Node] = {}
    for node in every_node(first):
        node.meta.pop(IDLE, None)
    left, right = list(ops(first)), list(ops(second))
    if uncast is None:
        left, right = _without_idle_casts(left, right)
    for x, y in zip(left, right, strict=False):
        if x.target != y.target or not _read_alike(x, y, pairs, uncast):
            return Apart(str(x), str(y))
        pairs[x] = y
    if len(left) != len(right):
        at = min(len(left), len(right))
        return Apart(*(str(side[at]) if len(side) > at else "nothing" for side in (left, right)))
    return pairs


def _without_idle_casts(
    left: list[fx.Node], right: list[fx.Node]
) -> tuple[list[fx.Node], list[fx.Node]]:
    """Without casts that do nothing, where only one graph has them."""
    if [n.target for n in left] == [n.target for n in right]:
        return left, right
    for node in (*left, *right):
        if is_idle(node):
            node.meta[IDLE] = True
    return [n for n in left if IDLE not in n.meta], [n for n in right if IDLE not in n.meta]


def is_idle(node: fx.Node) -> bool:
    """Whether a node casts to the type, and on the device, that its operand has anyway."""
    source = node.args[0] if packet(node) is aten.to else None
    if not isinstance(source, fx.Node) or "val" not in source.meta:
        return False
    here, there = node.meta["val"], source.meta["val"]
    return bool((here.dtype, here.device) == (there.dtype, there.device))


def ops(graph: fx.Graph) -> Iterator[fx.Node]:
    """What computes tensors, those of regions in their place."""
    for node in every_node(graph):
        computes = node.op == "call_function" and has_tensor(node)
        if computes and not (hands_on(node) or counts(node) or region_of(node)):
            yield node


def region_of(node: fx.Node) -> fx.GraphModule | None:
    """The body of a region without gradients, of the region itself and what is picked from it."""
    source = node.args[0] if node.target is operator.getitem else node
    if not isinstance(source, fx.Node) or getattr(source.target, "_name", "") != NO_GRAD:
        return None
    return body_of(source, node.graph.owning_module)


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
    if IDLE in node.meta:
        return True
    if op in (aten.alias, aten.contiguous, aten.detach):
        return True
    if op is not aten.slice:
        return False
    given: list[object] = list(node.args[1:])
    _, start, end, step = given + [0, None, None, 1][len(given) :]
    return (start, step) in ((0, 1), (None, 1)) and end in (None, maxsize)


def behind(node: fx.Node) -> fx.Node:
    """The op that really made the values of a node."""
    while node.op == "call_function":
        body = region_of(node)
        if body is not None:
            source = output_of(body.graph)[node.args[1]]
        elif hands_on(node):
            source = node.args[0]
        else:
            break
        assert isinstance(source, fx.Node)
        node = source
    return node


def output_of(graph: fx.Graph) -> Any:
    """What a graph gives."""
    return next(node for node in reversed(graph.nodes) if node.op == "output").args[0]


def _read_alike(x: fx.Node, y: fx.Node, pairs: Pairs, uncast: dict[Read, fx.Node] | None) -> bool:
    """Whether both read, in the same order, what is paired."""
    mine, theirs = operands(x), operands(y)
    if len(mine) != len(theirs):
        return False
    for i, (a, b) in enumerate(zip(mine, theirs, strict=True)):
        if _paired(a, b, pairs):
            continue
        found = None if uncast is None else _uncast(a, b, pairs)
        if uncast is None or found is None:
            return False
        uncast[x, i] = found
    return True


def _paired(a: fx.Node, b: fx.Node, pairs: Pairs) -> bool:
    """Whether two values are the same; of placeholders of other captures nobody knows."""
    a, b = behind(a), behind(b)
    if a in pairs:
        return pairs[a] is b
    return a.op in (b.op, "placeholder")  # of a region that the other has written out


def _uncast(a: fx.Node, b: fx.Node, pairs: Pairs) -> fx.Node | None:
    """What is cast, in vain, to a value, if that is what the other graph reads."""
    while is_idle(a):
        source = a.args[0]
        assert isinstance(source, fx.Node)
        a = source
        if _paired(a, b, pairs) and a.op == b.op:
            return a
    return None


def read_instead(reader: fx.Node, place: int, value: fx.Node) -> None:
    """Let one of the tensors that a node reads be another."""
    left = [place]

    def swapped(node: fx.Node) -> fx.Node:
        if not has_tensor(node):
            return node
        left[0] -= 1
        return value if left[0] == -1 else node

    reader.args = fx.map_arg(reader.args, swapped)
    reader.kwargs = fx.map_arg(reader.kwargs, swapped)


def operands(node: fx.Node) -> list[fx.Node]:
    """Tensors that a node reads, in order, as often as it does."""
    read: list[Any] = []
    fx.map_arg((node.args, dict(node.kwargs)), read.append)
    return [n for n in read if has_tensor(n)]

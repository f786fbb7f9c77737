"""Blocks of a weight whose results are added up: the axis of the blocks is contracted after all.

``votes = einsum("iok,bik->bio", w, x)`` keeps ``i``; ``(gate * votes).sum(1)`` sums it, so that the
sum is linear in all of ``w``, over ``i`` and ``k``. A gate is the value of a softmax or a sigmoid;
an inner product with anything else is a product of two activations, and ``i`` is theirs.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import fx

from mupfx.core.ops import packet
from mupfx.passes.axis_rules.factors import Dims, Piece, expand, mark
from mupfx.passes.axis_rules.tracker import CONTRACTED, Tracker
from mupfx.tables.linear_ops import KEEPING, SCALING, SOFTMAX

aten = torch.ops.aten
GATES = SOFTMAX | {aten.sigmoid, aten.sigmoid_}


def keep(
    tracker: Tracker,
    node: fx.Node,
    operands: Sequence[tuple[fx.Node, str]],
    dims: Sequence[Dims],
    out: str,
) -> None:
    """Note the labels of a weight that stand in the other operand and in the result as well."""
    for i, (weight, labels) in enumerate(operands):
        beside = {label for j, (_, other) in enumerate(operands) if j != i for label in other}
        blocks = [
            piece
            for label, dim in zip(labels, dims[i], strict=True)
            if label in out and label in beside
            for piece in expand(dim)
            if piece.origins
        ]
        if blocks and tracker.is_weight(weight):
            tracker.blocks.setdefault(node, []).extend(blocks)


def add_up(tracker: Tracker, source: fx.Node, gone: Iterable[Piece]) -> None:
    """Axes of ``source`` are summed over: those that are blocks of a weight are its fan-in."""
    if not tracker.blocks:
        return
    summed = {id(piece.factor.root()) for piece in expand(gone)}
    for node in _behind(source):
        blocks = [p for p in expand(tracker.blocks.get(node, ())) if id(p.factor) in summed]
        mark(blocks, CONTRACTED, node.name)
        for name, dim in {origin for piece in blocks for origin in piece.origins}:
            _contract(tracker, node, name, dim)


def _behind(node: fx.Node) -> Iterator[fx.Node]:
    """What a value passes on or scales by a gate, newest first."""
    current: fx.Node | None = node
    while current is not None:
        yield current
        sources = [n for n in current.all_input_nodes if not is_gate(n)]
        passes = packet(current) in KEEPING | SCALING and len(sources) == 1
        current = sources[0] if passes else None


def is_gate(node: fx.Node) -> bool:
    """Whether a value is that of a softmax or a sigmoid, past views."""
    while packet(node) in KEEPING and node.all_input_nodes:
        node = node.all_input_nodes[0]
    return packet(node) in GATES


def _contract(tracker: Tracker, node: fx.Node, name: str, dim: int) -> None:
    tracker.uses = [
        replace(
            use,
            fan_in=tuple(sorted({*use.fan_in, dim})),
            fan_out=tuple(d for d in use.fan_out if d != dim),
        )
        if (use.node, use.parameter) == (node.name, name)
        else use
        for use in tracker.uses
    ]

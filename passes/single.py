"""Axes of size one that may be a count of heads, and so may grow.

An axis of one entry is no axis to the arithmetic of sizes. Where logits have one head, a parameter
that scales or shifts them by head has an axis of size one, too, and one model does not tell whether
it is a head's. Such parameters are told, so that their roles are ``assumed``::

    logits (b 1 l l) * scale (1 1 1)    scale may be one number a head
"""

from collections.abc import Iterator
from dataclasses import replace

from torch import fx

from mupfx.core.axes import Axes
from mupfx.core.ops import data_inputs, packet
from mupfx.core.program import Program, shape_of, source_line
from mupfx.tables.linear_ops import FUSED_ATTENTION, SOFTMAX

RANK = 4
"""Logits with an axis of heads have this many axes: batch, heads, and two lengths."""


def doubt_single(program: Program, axes: Axes) -> Axes:
    """The same axes, with a sentence for every parameter whose axis of size one may be heads."""
    nodes = {node.name: node for node in program.graph.nodes}
    contracting = {use.node for use in axes.uses if use.fan_in}
    doubts: dict[str, str] = {}
    for match in axes.contractions:
        for operand in _beside_logits(nodes[match.node]):
            for name in _parameters(operand, program, contracting):
                said = f"logits have one head at {source_line(nodes[match.node])}"
                doubts.setdefault(name, f"its axis of size one may be a count of heads: {said}")
    return replace(axes, doubts=doubts)


def _beside_logits(product: fx.Node) -> Iterator[fx.Node]:
    """What logits of a single head are scaled by or added to, up to the softmax."""
    if packet(product) in FUSED_ATTENTION:
        query, mask = product.args[0], product.kwargs.get("attn_mask", (*product.args, None)[3:4])
        mask = mask[0] if isinstance(mask, tuple) and mask else mask
        if isinstance(query, fx.Node) and isinstance(mask, fx.Node) and 1 in _heads(query):
            yield mask
        return
    if 1 not in _heads(product):
        return
    seen, queue = {product}, [product]
    while queue:
        for user in queue.pop().users:
            if user in seen or packet(user) in SOFTMAX or not _is_as_long(user, product):
                continue
            yield from (n for n in data_inputs(user) if n not in seen)
            seen.add(user)
            queue.append(user)


def _heads(node: fx.Node) -> tuple[int, ...]:
    shape = shape_of(node) or ()
    return tuple(shape[1:-2]) if len(shape) >= RANK else ()


def _is_as_long(node: fx.Node, product: fx.Node) -> bool:
    mine, theirs = shape_of(node), shape_of(product)
    return mine is not None and theirs is not None and mine[-2:] == theirs[-2:]


def _parameters(operand: fx.Node, program: Program, contracting: set[str]) -> Iterator[str]:
    """Parameters with an axis of size one that an operand is made of, no further than one layer."""
    seen: set[fx.Node] = set()
    queue = [(operand, True)]
    while queue:
        node, further = queue.pop()
        if node in seen:
            continue
        seen.add(node)
        name = program.parameters.get(node.name)
        if name is not None and 1 in program.shapes[name]:
            yield name
        if further or node.op == "placeholder":
            on = node.name not in contracting
            queue += [(n, on) for n in node.all_input_nodes if on or n.name in program.parameters]

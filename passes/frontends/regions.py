"""Regions without gradients, written out: their ops, and ``detach`` on what leaves them.

::

    y = wrap_with_set_grad_enabled(False, body, x)[0]   ->   the ops of body; y = detach(cos)

Values and gradients are the same. A region that writes to tensors stays as it is: what may be
written to may depend on where it is.
"""

import operator
from typing import Any

import torch
from torch import fx

from mupfx.core.runnable import body_of

aten = torch.ops.aten
NO_GRAD = "wrap_with_set_grad_enabled"


def inline_regions(graph: fx.Graph) -> None:
    """Write out every region without gradients, those inside others first."""
    for node in list(graph.nodes):
        body = body_of(node, graph.owning_module)
        if body is None:
            continue
        inline_regions(body.graph)
        if node.target._name == NO_GRAD and node.args[0] is False and _is_plain(body.graph):
            _inline(graph, node, body.graph)


def _is_plain(graph: fx.Graph) -> bool:
    """Whether a body is ops that write to nothing."""
    return not any(node.op == "get_attr" or _writes(node) for node in graph.nodes)


def _writes(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and bool(schema.is_mutable)


def _inline(graph: fx.Graph, node: fx.Node, body: fx.Graph) -> None:
    values: dict[fx.Node, Any] = {}
    operands = iter(node.args[2:])
    with graph.inserting_before(node):
        for inner in body.nodes:
            if inner.op == "placeholder":
                values[inner] = next(operands)
            elif inner.op == "output":
                made = fx.map_arg(inner.args[0], lambda n: values[n])
                _give(graph, node, list(made))
            else:
                values[inner] = graph.node_copy(inner, lambda n: values[n])
    held = node.args[1]
    graph.erase_node(node)
    if isinstance(held, fx.Node) and not held.users:
        graph.erase_node(held)


def _give(graph: fx.Graph, node: fx.Node, made: list[Any]) -> None:
    """Let those that picked a result of the region read what was made of it."""
    for pick in list(node.users):
        assert pick.target is operator.getitem
        place = pick.args[1]
        assert isinstance(place, int)
        value = made[place]
        if isinstance(pick.meta.get("val"), torch.Tensor):
            value = graph.call_function(aten.detach.default, (value,))
            value.meta = dict(pick.meta)
        pick.replace_all_uses_with(value)
        graph.erase_node(pick)

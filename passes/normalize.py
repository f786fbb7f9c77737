"""Normalise: one flat graph, without checks of metadata.

Regions that export wraps (no-grad, autocast, checkpoint) are inlined, so that later passes see one
list of ops::

    y = wrap_with_set_grad_enabled(False, submodule, x)   ->   the ops of submodule, on x

Views that nobody reads are dropped: ``x[:, :, -1].shape`` asks for a shape and picks nothing. So
does ``torch.ones_like(x[:, :, -1])``, which becomes ``torch.ones([2, 7])``.
"""

import operator
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import fx

from mupfx.core.ops import packet
from mupfx.core.program import CAPTURED, Program
from mupfx.core.runnable import body_of
from mupfx.passes.writes import follow_writes
from mupfx.tables.linear_ops import KEEPING, PARTIAL

_Values = dict[fx.Node, object]

aten = torch.ops.aten

LIKE: Mapping[object, torch._ops.OpOverload] = {
    aten.zeros_like: aten.zeros.default,
    aten.ones_like: aten.ones.default,
    aten.full_like: aten.full.default,
    aten.empty_like: aten.empty.memory_format,
    aten.rand_like: aten.rand.default,
    aten.randn_like: aten.randn.default,
}
"""Ops that read the shape of their argument, with the op that is told it."""


def normalize(program: Program) -> Program:
    """The program with regions inlined, assertions and unread views dropped."""
    graph = fx.Graph()
    values: _Values = {}
    root = program.graph.owning_module
    for node in program.graph.nodes:
        _copy(graph, node, values, root)
    follow_writes(graph)
    _forget_values(graph)
    _drop_unread(graph)
    return replace(program, graph=graph)


def _copy(graph: fx.Graph, node: fx.Node, values: _Values, owner: fx.GraphModule | None) -> None:
    body = body_of(node, owner)
    if body is not None:
        values[node] = _inline(graph, node, body, values)
    elif node.target is operator.getitem and isinstance(values.get(_source(node)), tuple | list):
        values[node] = values[_source(node)][node.args[1]]  # type: ignore[index]
    else:
        copied = graph.node_copy(node, lambda n: values[n])  # type: ignore[arg-type, return-value]
        copied.meta[CAPTURED] = node
        values[node] = copied


def _source(node: fx.Node) -> fx.Node:
    source = node.args[0]
    assert isinstance(source, fx.Node)
    return source


def _inline(graph: fx.Graph, node: fx.Node, body: fx.GraphModule, values: _Values) -> object:
    position = next(
        i for i, a in enumerate(node.args) if isinstance(a, fx.Node) and a.op == "get_attr"
    )
    operands = iter(node.args[position + 1 :])
    inside: _Values = {}
    for inner in body.graph.nodes:
        if inner.op == "placeholder":
            operand = next(operands)
            inside[inner] = values[operand] if isinstance(operand, fx.Node) else operand
        elif inner.op == "output":
            return fx.map_arg(inner.args[0], lambda n: inside[n])  # type: ignore[arg-type, return-value]
        else:
            _copy(graph, inner, inside, body)
    return None


def _forget_values(graph: fx.Graph) -> None:
    """Ops that only ask a part of a tensor for its shape are given the shape itself."""
    for node in graph.nodes:
        made = LIKE.get(packet(node))
        if made is None or packet(source := _source(node)) not in PARTIAL:
            continue
        if all(packet(user) in LIKE for user in source.users):
            _give_shape(graph, node, made)


def _give_shape(graph: fx.Graph, node: fx.Node, made: torch._ops.OpOverload) -> None:
    value = node.meta["val"]
    with graph.inserting_before(node):
        plain = graph.call_function(
            made, (list(value.shape), *node.args[1:]), {"dtype": value.dtype}
        )
    plain.meta = node.meta
    node.replace_all_uses_with(plain)
    graph.erase_node(node)


def _drop_unread(graph: fx.Graph) -> None:
    """Nodes that nobody reads and that only check or view; what is computed in vain stays."""
    for node in reversed(list(graph.nodes)):
        if node.op in ("call_function", "get_attr") and not node.users and _is_idle(node):
            graph.erase_node(node)


def _is_idle(node: fx.Node) -> bool:
    if node.op == "get_attr" or node.meta.get("val") is None:
        return True
    views = packet(node) in KEEPING | PARTIAL
    return views and all(source.op != "placeholder" for source in node.all_input_nodes)

"""Normalise: one flat graph, without checks of metadata.

Regions that export wraps (no-grad, autocast, checkpoint) are inlined, so that later passes see one
list of ops::

    y = wrap_with_set_grad_enabled(False, submodule, x)   ->   the ops of submodule, on x

Views that nobody reads are dropped: ``x[:, :, -1].shape`` asks for a shape and picks nothing.
"""

import operator
from dataclasses import replace

import torch
from torch import fx

from mupfx.core.ops import packet
from mupfx.core.program import Program
from mupfx.tables.linear_ops import KEEPING, PARTIAL

_Values = dict[fx.Node, object]


def normalize(program: Program) -> Program:
    """The program with regions inlined, assertions and unread views dropped."""
    graph = fx.Graph()
    values: _Values = {}
    root = program.graph.owning_module
    for node in program.graph.nodes:
        _copy(graph, node, values, root)
    _drop_unread(graph)
    return replace(program, graph=graph)


def _copy(graph: fx.Graph, node: fx.Node, values: _Values, owner: fx.GraphModule | None) -> None:
    body = _region(node, owner)
    if body is not None:
        values[node] = _inline(graph, node, body, values)
    elif node.target is operator.getitem and isinstance(values.get(_source(node)), tuple | list):
        values[node] = values[_source(node)][node.args[1]]  # type: ignore[index]
    else:
        values[node] = graph.node_copy(node, lambda n: values[n])  # type: ignore[arg-type, return-value]


def _source(node: fx.Node) -> fx.Node:
    source = node.args[0]
    assert isinstance(source, fx.Node)
    return source


def _region(node: fx.Node, owner: fx.GraphModule | None) -> fx.GraphModule | None:
    """The body of a higher-order op that runs exactly one; None for any other node."""
    if not isinstance(node.target, torch._ops.HigherOrderOperator) or owner is None:
        return None
    bodies = [
        getattr(owner, str(a.target))
        for a in node.args
        if isinstance(a, fx.Node) and a.op == "get_attr"
    ]
    bodies = [b for b in bodies if isinstance(b, fx.GraphModule)]
    return bodies[0] if len(bodies) == 1 else None


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

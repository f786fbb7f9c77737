"""The two ends of a graph as the model's caller knows them: arguments of ``forward``, its result.

::

    leaves_0, leaves_1      ->   def forward(input_ids, labels, use_cache=False)
    return [a, b]           ->   return CausalLMOutput(loss=a, logits=b)
"""

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import fx
from torch.fx.passes.infra.pass_base import PassBase, PassResult

from mupfx.core.runnable import Argument, Leaf, Shape
from mupfx.errors import LoweringError

aten = torch.ops.aten
PLAIN = (type(None), bool, int, float, str)


class TakeArguments(PassBase):
    """Let the graph take what ``forward`` takes, under the same names."""

    def __init__(self, arguments: Sequence[Argument], inputs: Sequence[str]) -> None:
        self.arguments = arguments
        self.inputs = inputs

    def call(self, graph_module: fx.GraphModule) -> PassResult:
        """Replace the placeholders of leaves by those of arguments, and what is in them."""
        graph = graph_module.graph
        nodes = {node.name: node for node in graph.nodes if node.op == "placeholder"}
        leaves = [nodes[name] for name in self.inputs]
        places = self._placeholders(graph)
        after = next((n for n in graph.nodes if n.op != "placeholder"), None)
        assert after is not None
        with graph.inserting_before(after):
            for argument, place in zip(self.arguments, places, strict=True):
                _unpack(graph, argument.value, place, argument.name, leaves)
        for leaf in leaves:
            graph.erase_node(leaf)
        return PassResult(graph_module, bool(leaves))

    def _placeholders(self, graph: fx.Graph) -> list[fx.Node]:
        first = next(iter(graph.nodes))
        made = []
        with graph.inserting_before(first):
            for i, argument in enumerate(self.arguments):
                args: tuple[Any, ...] = ()
                if self._is_optional(i):
                    args = (argument.value,)
                target = argument.star + argument.name
                made.append(
                    graph.create_node("placeholder", target, args, name=_free(graph, argument.name))
                )
        return made

    def _is_optional(self, position: int) -> bool:
        """Whether an argument may be left out: a constant, and only constants come after it."""
        return all(isinstance(a.value, PLAIN) and not a.star for a in self.arguments[position:])


def _free(graph: fx.Graph, name: str) -> str:
    """Give up the name to an argument: whoever has it takes another."""
    for node in graph.nodes:
        if node.name == name:
            node._rename(f"{name}_")
    return name


def _unpack(
    graph: fx.Graph, value: Any, node: fx.Node, name: str, leaves: Sequence[fx.Node]
) -> None:
    if isinstance(value, Leaf):
        leaf = leaves[value.index]
        node.meta = dict(leaf.meta)
        leaf.replace_all_uses_with(node)
    elif isinstance(value, Shape):
        for key, member in zip(value.keys, value.members, strict=True):
            if not isinstance(member, Leaf | Shape):
                continue
            pick = getattr if value.fields else operator.getitem
            inside = f"{name}_{key}"
            picked = graph.create_node("call_function", pick, (node, key), name=inside)
            _unpack(graph, member, picked, inside, leaves)
    else:
        _require_same(graph, node, value, name)


def _require_same(graph: fx.Graph, node: fx.Node, value: Any, name: str) -> None:
    if not isinstance(value, PLAIN):
        raise LoweringError(
            f"a {type(value).__name__} is nothing that a graph can take",
            where=name,
            expected="tensors, numbers, strings, and containers of tensors",
            hint="leave it out of the example, or keep lowering as it is",
        )
    graph.create_node("call_function", require_same, (node, value, name), name=f"{name}_is_same")


def require_same(given: object, traced: object, name: str) -> None:
    """Refuse another value of an argument than the graph was made with.

    Raises:
        LoweringError: It is another.
    """
    if given is not traced and given != traced:
        raise LoweringError(
            f"this graph was made with {name}={traced!r}, and holds for nothing else",
            where=name,
            expected=repr(traced),
            found=repr(given)[:80],
            hint="convert the model with the value that is needed",
        )


class GiveResult(PassBase):
    """Let the graph return what ``forward`` returns, in the classes that it does."""

    def __init__(self, result: Any, writes: Mapping[str, str]) -> None:
        self.result = result
        self.writes = writes

    def call(self, graph_module: fx.GraphModule) -> PassResult:
        """Put the leaves together again; write back what buffers hold from now on."""
        graph = graph_module.graph
        output = next(node for node in graph.nodes if node.op == "output")
        made = list(output.args[0])
        with graph.inserting_before(output):
            for name, value in zip(self.writes.values(), made, strict=False):
                buffer = graph.get_attr(name)
                graph.call_function(aten.copy_.default, (buffer, value))
            leaves = made[len(self.writes) :]
            output.args = (_together(graph, self.result, leaves),)
        return PassResult(graph_module, modified=True)


def _together(graph: fx.Graph, shape: Any, leaves: Sequence[Any]) -> Any:
    if isinstance(shape, Leaf):
        return leaves[shape.index]
    if not isinstance(shape, Shape):
        return shape
    members = [_together(graph, member, leaves) for member in shape.members]
    entries = dict(zip(shape.keys, members, strict=True))
    if shape.kind is dict:
        return entries
    if shape.kind in (list, tuple):
        return shape.kind(members)
    args, kwargs = _arguments(shape, entries)
    return graph.create_node("call_function", shape.kind, args, kwargs, _called(shape.kind))


def _arguments(shape: Shape, entries: Mapping[Any, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What a class is called with to make one of it."""
    if shape.fields:
        return (), {key: member for key, member in entries.items() if member is not None}
    if issubclass(shape.kind, Mapping):
        return (dict(entries),), {}
    members = list(entries.values())
    return (tuple(members), {}) if hasattr(shape.kind, "_fields") else ((members,), {})


def _called(kind: type) -> str:
    return "result_" + kind.__name__.lower()

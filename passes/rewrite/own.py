"""Parameters and buffers as the graph's own, under their own names.

A tied parameter is read under the name that its reader has for it, so that untying it later changes
one use alone.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import fx, nn
from torch.fx.passes.infra.pass_base import PassBase, PassResult

from mupfx.core.program import module_of
from mupfx.core.runnable import Runnable

CONSTANTS = "_constants"


class Own(PassBase):
    """Replace placeholders of parameters, buffers and constants by attributes."""

    def __init__(self, runnable: Runnable, tied: Mapping[str, Sequence[str]]) -> None:
        self.runnable = runnable
        self.names = {
            name: (first, *more) for first, more in tied.items() for name in (first, *more)
        }

    def call(self, graph_module: fx.GraphModule) -> PassResult:
        """Every placeholder but those of inputs."""
        graph = graph_module.graph
        inputs = set(self.runnable.inputs)
        own = [n for n in graph.nodes if n.op == "placeholder" and n.name not in inputs]
        for node in own:
            self._replace(graph_module, node)
        return PassResult(graph_module, bool(own))

    def _replace(self, graph_module: fx.GraphModule, node: fx.Node) -> None:
        name = self._attribute(graph_module, node)
        attributes: dict[str, fx.Node] = {}
        for user in sorted(node.users):  # as they run
            alias = self._alias(name, user)
            if alias not in attributes:
                attributes[alias] = _read(user, alias, node)
            user.replace_input_with(node, attributes[alias])
        graph_module.graph.erase_node(node)

    def _attribute(self, graph_module: fx.GraphModule, node: fx.Node) -> str:
        known = {**self.runnable.parameters, **self.runnable.buffers}
        if node.name in known:
            return known[node.name]
        holder = getattr(graph_module, CONSTANTS, None)
        if holder is None:
            holder = nn.Module()
            graph_module.add_module(CONSTANTS, holder)
        value = self.runnable.constants[node.name]
        own = f"c{len(holder._buffers)}"
        holder.register_buffer(own, torch.as_tensor(value).clone(), persistent=False)
        return f"{CONSTANTS}.{own}"

    def _alias(self, name: str, user: fx.Node) -> str:
        """The name under which the module of a reader has the parameter."""
        path = module_of(user).partition("@")[0]
        names = self.names.get(name, (name,))
        own = [n for n in names if n.rpartition(".")[0] == path]
        return own[0] if own else names[0]


def _read(user: fx.Node, name: str, place: fx.Node) -> fx.Node:
    with user.graph.inserting_before(user):
        node = user.graph.create_node("get_attr", name, name=name.replace(".", "_"))
    node.meta = dict(place.meta)
    return node

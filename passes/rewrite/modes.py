"""One graph for training and for inference: what differs is asked of the module it came from.

::

    dropout(x, 0.1, True)  |  dropout(x, 0.1, False)    ->   dropout(x, 0.1, self.drop())
    sdpa(q, k, v, m, 0.1)  |  sdpa(q, k, v, m)    ->   sdpa(q, k, v, m, (0.0, 0.1)[self.attn()])
"""

import operator
from collections.abc import Mapping, Sequence

from torch import fx, nn
from torch.fx.passes.infra.pass_base import PassBase, PassResult

from mupfx.core.program import module_of
from mupfx.passes.rewrite.differences import Difference, give
from mupfx.passes.rewrite.module import MODE


class FollowMode(PassBase):
    """Let constants that the mode decides be asked of parts."""

    def __init__(self, found: Sequence[Difference]) -> None:
        self.found = found
        self.modes: dict[str, fx.Node] = {}

    def call(self, graph_module: fx.GraphModule) -> PassResult:
        """Replace every such constant."""
        names = dict(graph_module.named_modules())
        for each in sorted(self.found, key=lambda d: d.node):
            mode = self._mode(each.node, _asked(each.node, names))
            give(each, _chosen(each, mode))
        return PassResult(graph_module, bool(self.found))

    def _mode(self, node: fx.Node, path: str) -> fx.Node:
        """Whether a part is in training; asked once, before it is needed."""
        if path not in self.modes:
            with node.graph.inserting_before(node):
                self.modes[path] = node.graph.create_node("call_module", path, name=_name(path))
        return self.modes[path]


def _name(path: str) -> str:
    return "training" if path == MODE else path.replace(".", "_") + "_training"


def _asked(node: fx.Node, names: Mapping[str, nn.Module]) -> str:
    """The part of the module that ran; of the model itself, a part made for it."""
    path = module_of(node).partition("@")[0]
    return path if path and path in names else MODE


def _chosen(each: Difference, mode: fx.Node) -> fx.Node:
    if each.mine is True and each.theirs is False:
        return mode
    graph = each.node.graph
    with graph.inserting_before(each.node):
        both = (each.theirs, each.mine)
        return graph.create_node(
            "call_function", operator.getitem, (both, mode), name=f"{each.node.name}_in_mode"
        )

"""Multipliers of a graph: what its nodes multiply by, and the graph without them."""

from collections.abc import Iterator

from torch import Tensor, fx, nn

from mupfx.passes.rewrite.module import Rewritten
from mupfx.passes.rewrite.multiply import GAUGE, META


def nodes_of(module: nn.Module) -> Iterator[fx.Node]:
    """Every node that multiplies; none of a module that is no graph."""
    if isinstance(module, Rewritten):
        for node in module.graph.nodes:
            if META in node.meta:
                yield node


def site_nodes(module: nn.Module) -> Iterator[tuple[str, float]]:
    """Names of the nodes that multiply for a site, and what by."""
    for node in nodes_of(module):
        if node.meta[META].source != GAUGE:
            yield node.name, _value(node)


def gauge_nodes(module: nn.Module) -> Iterator[tuple[str, Tensor, float]]:
    """Parameters that a node multiplies wherever they are read, under the name they are read by."""
    for node in nodes_of(module):
        if node.meta[META].source == GAUGE:
            name = str(node.all_input_nodes[0].target)
            yield name, module.get_parameter(name), _value(node)


def _value(node: fx.Node) -> float:
    """What it really multiplies by, whatever is written beside it."""
    number = node.args[1]
    assert isinstance(number, int | float)
    return float(number)


def drop_nodes(module: nn.Module) -> None:
    """Read what they multiply in their place."""
    found = list(nodes_of(module))
    for node in found:
        node.replace_all_uses_with(node.all_input_nodes[0])
        node.graph.erase_node(node)
    if found:
        assert isinstance(module, Rewritten)
        module.graph.lint()
        module.recompile()

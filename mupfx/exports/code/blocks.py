"""A graph in pieces: runs of nodes of one layer are functions, and layers alike share one.

::

    def blocks(w, at, x):          forward:  add = blocks(w, "blocks.0", linear)
        ...                                  add_1 = blocks(w, "blocks.1", add)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from torch import Tensor, fx

from mupfx.tables.spellings import SILENT

WHOLE = ((0, 2**63 - 1), (None, None), (0, None))
CASTS = ("aten.to.dtype", "aten.to.dtype_layout", "aten.to.device")
NOWHERE = "_empty_nn_module_stack"
"""What torch.export writes on what it adds by itself."""
LEAST = 4
"""Nodes from which on a run is worth a function."""


@dataclass(frozen=True, slots=True)
class Block:
    """Nodes in a row."""

    at: str
    """The layer they belong to; empty for what stands in ``forward`` itself."""
    nodes: tuple[fx.Node, ...]
    inputs: tuple[fx.Node, ...] = ()
    outputs: tuple[fx.Node, ...] = ()


def path_of(node: fx.Node) -> str | None:
    """Path of the innermost module that was running; None where the graph does not say."""
    stack = node.meta.get("nn_module_stack") or {}
    path = str(list(stack.values())[-1][0]).partition("@")[0] if stack else NOWHERE
    return None if path.startswith(NOWHERE) else path


def layer_of(path: str) -> str:
    """A path up to its first number: the layer of a stack; empty where there is none."""
    parts = path.split(".")
    number = next((i for i, part in enumerate(parts) if part.isdecimal()), None)
    return "" if number is None else ".".join(parts[: number + 1])


def calls(graph: fx.Graph) -> list[fx.Node]:
    """What is computed, in order, and not for nothing."""
    kept: set[fx.Node] = set()
    found = []
    for node in reversed(graph.nodes):
        wanted = node.op == "call_function" and str(node.target) not in SILENT
        if node.op == "output" or (wanted and (_acts(node) or node in kept)):
            kept.update(node.all_input_nodes)
            found += [node] if wanted else []
    return found[::-1]


def same_as(node: fx.Node) -> fx.Node | None:
    """What a node gives back as it is: dropout in evaluation, a cast to the dtype it has."""
    op, source = str(node.target), node.args[0] if node.args else None
    if not isinstance(source, fx.Node):
        return None
    if op == "aten.dropout.default" and node.args[2] is False:
        return source
    if op == "aten.slice.Tensor" and tuple(node.args[2:]) in WHOLE:
        return source
    ours, theirs = node.meta.get("val"), source.meta.get("val")
    if op not in CASTS or not isinstance(ours, Tensor) or not isinstance(theirs, Tensor):
        return None
    copies = True in node.args[2:] or node.kwargs.get("copy")
    alike = (ours.dtype, ours.device) == (theirs.dtype, theirs.device)
    return source if alike and not copies else None


def without_identities(graph: fx.Graph) -> None:
    """Let what gives back its argument be its argument."""
    for node in list(graph.nodes):
        source = same_as(node) if node.op == "call_function" else None
        if source is not None:
            node.replace_all_uses_with(source)
            graph.erase_node(node)


def _acts(node: fx.Node) -> bool:
    """Whether an op writes to what it is given, or checks it."""
    schema = getattr(node.target, "_schema", None)
    return schema is not None and (schema.is_mutable or "assert" in schema.name)


def blocks(graph: fx.Graph, outer: frozenset[fx.Node]) -> Iterator[Block]:
    """The calls of a graph, cut where the layer changes.

    Args:
        graph: A flat graph.
        outer: Nodes that every function can name: weights.
    """
    nodes = calls(graph)
    runs = [(at, tuple(run)) for at, run in groupby(nodes, _layers(nodes).__getitem__)]
    for at, run in runs:
        inside = set(run)
        read = [n for node in run for n in node.all_input_nodes if n not in inside | outer]
        made = [n for n in run if any(user not in inside for user in n.users)]
        if at and len(run) >= LEAST and made:
            inputs = (n for n in dict.fromkeys(read) if n.op != "get_attr")
            yield Block(at, run, tuple(inputs), tuple(made))
        else:
            yield Block("", run)


def _layers(nodes: Sequence[fx.Node]) -> dict[fx.Node, str]:
    """The layer of every node; what belongs to no module goes with what is before it."""
    found: dict[fx.Node, str] = {}
    last = ""
    for node in nodes:
        path = path_of(node)
        last = last if path is None else layer_of(path)
        found[node] = last
    return found

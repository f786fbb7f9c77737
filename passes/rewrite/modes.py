"""One graph for training and for inference: what differs is asked of the module it came from.

::

    dropout(x, 0.1, True)  |  dropout(x, 0.1, False)    ->   dropout(x, 0.1, self.drop())
    sdpa(q, k, v, m, 0.1)  |  sdpa(q, k, v, m)    ->   sdpa(q, k, v, m, (0.0, 0.1)[self.attn()])

Graphs that differ in more than constants are left apart: the answer is then where.
"""

import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.fx.passes.infra.pass_base import PassBase, PassResult

from mupfx.core.program import module_of
from mupfx.passes.rewrite.lockstep import Apart, behind, counts, lockstep
from mupfx.passes.rewrite.module import MODE


@dataclass(frozen=True, slots=True)
class Difference:
    """An argument of an op that is another constant in the other mode."""

    node: fx.Node
    position: int
    """Among the arguments of the op's schema."""
    training: Any
    inference: Any


@dataclass(frozen=True, slots=True)
class Merged:
    """What two graphs have in common, and what not."""

    pairs: Mapping[fx.Node, fx.Node]
    """Of the training graph's ops, to those of the other."""
    found: tuple[Difference, ...]


def merged(training: fx.Graph, inference: fx.Graph) -> Merged | Apart:
    """Every constant that the mode decides, or where the graphs differ in more."""
    extra = _counters(training, inference)
    if isinstance(extra, Apart):
        return extra
    pairs = lockstep(training, inference)
    if isinstance(pairs, Apart):
        return pairs
    found = [Difference(node, 1, node.args[1], 0) for node in extra]
    for x, y in pairs.items():
        for position, mine, theirs in _arguments(x, y):
            if _alike(mine, theirs, pairs):
                continue
            if not (_constant(mine) and _constant(theirs)) or x.graph is not training:
                return Apart(str(x), str(y))
            found.append(Difference(x, position, mine, theirs))
    return Merged(pairs, tuple(found))


def _counters(training: fx.Graph, inference: fx.Graph) -> list[fx.Node] | Apart:
    """Steps that only training counts."""
    mine, theirs = ([n for n in graph.nodes if counts(n)] for graph in (training, inference))
    if len(mine) == len(theirs):
        return []
    return mine if not theirs else Apart(str(mine), str(theirs))


def _arguments(x: fx.Node, y: fx.Node) -> Iterator[tuple[int, Any, Any]]:
    """Position, and both values, of every argument of an op; defaults are written out."""
    if not isinstance(x.target, torch._ops.OpOverload):
        for i, (mine, theirs) in enumerate(zip(x.args, y.args, strict=True)):
            yield i, mine, theirs
        return
    mine, theirs = (_written_out(node) for node in (x, y))
    for i, pair in enumerate(zip(mine, theirs, strict=True)):
        yield i, *pair


def _written_out(node: fx.Node) -> list[Any]:
    """Values of all arguments in the order of the schema."""
    schema = node.target._schema.arguments  # type: ignore[union-attr]
    return [
        node.args[i] if i < len(node.args) else node.kwargs.get(a.name, a.default_value)
        for i, a in enumerate(schema)
    ]


def _alike(mine: Any, theirs: Any, pairs: Mapping[fx.Node, fx.Node]) -> bool:
    if isinstance(mine, fx.Node) and isinstance(theirs, fx.Node):
        return _same(behind(mine), behind(theirs), pairs)
    if isinstance(mine, list | tuple) and isinstance(theirs, list | tuple):
        if len(mine) != len(theirs):
            return False
        return all(_alike(a, b, pairs) for a, b in zip(mine, theirs, strict=True))
    return type(mine) is type(theirs) and bool(mine == theirs)


def _same(mine: fx.Node, theirs: fx.Node, pairs: Mapping[fx.Node, fx.Node]) -> bool:
    """Whether two nodes are paired, or the same placeholder, or the same sum of sizes."""
    if mine in pairs or mine.op != theirs.op:
        return pairs.get(mine) is theirs
    if mine.op == "placeholder":
        return mine.name == theirs.name or mine.graph is not theirs.graph
    if mine.op == "get_attr":
        return True
    same = mine.target == theirs.target
    return same and all(_alike(a, b, pairs) for a, b in zip(mine.args, theirs.args, strict=False))


def _constant(value: Any) -> bool:
    return isinstance(value, bool | int | float | None)


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
            _give(each, _chosen(each, mode))
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
    if each.training is True and each.inference is False:
        return mode
    graph = each.node.graph
    with graph.inserting_before(each.node):
        both = (each.inference, each.training)
        return graph.create_node(
            "call_function", operator.getitem, (both, mode), name=f"{each.node.name}_in_mode"
        )


def _give(each: Difference, value: fx.Node) -> None:
    """Put a value where a constant was; arguments before it are written out."""
    node = each.node
    schema = node.target._schema.arguments  # type: ignore[union-attr]
    argument = schema[each.position]
    if argument.kwarg_only or argument.name in node.kwargs:
        node.kwargs = {**node.kwargs, argument.name: value}
        return
    args = list(node.args)
    while len(args) <= each.position:
        before = schema[len(args)]
        args.append(node.kwargs.get(before.name, before.default_value))
    args[each.position] = value
    node.kwargs = {
        k: v for k, v in node.kwargs.items() if k not in {a.name for a in schema[: len(args)]}
    }
    node.args = tuple(args)

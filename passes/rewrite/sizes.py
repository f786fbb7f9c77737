"""What must hold of the sizes of inputs, asserted in the graph; and sizes as text.

::

    L['leaves'][0].size()[1] <= 16   ->   require(le(sym_size(input_ids, 1), 16), "...")
"""

import ast
import operator
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import fx
from torch.fx.passes.infra.pass_base import PassBase, PassResult

from mupfx.core.runnable import Runnable
from mupfx.errors import LoweringError
from mupfx.passes.rewrite.rows import KEPT

aten = torch.ops.aten

Sizes = tuple[int | None, ...]
FIXED = re.compile(r"L\['leaves'\]\[\d+\]\.size\(\)\[\d+\] == \d+")
"""A guard that says no more than the sizes that are required anyway."""
SYMBOL = re.compile(r"\b[su]\d+\b")

OPERATORS: Mapping[type[ast.AST], Any] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow,
    ast.Div: operator.truediv, ast.USub: operator.neg, ast.Not: operator.not_,
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.And: operator.and_, ast.Or: operator.or_,
}  # fmt: skip


def require_sizes(value: torch.Tensor, sizes: Sizes, name: str) -> None:
    """Refuse an input of other sizes than the graph was made for; None is any.

    Raises:
        LoweringError: It is of others.
    """
    found = tuple(value.shape)
    fits = len(found) == len(sizes) and all(
        b is None or a == b for a, b in zip(found, sizes, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in sizes)
        raise LoweringError(
            "this graph holds for inputs of other sizes",
            where=name,
            expected=f"[{wanted}]",
            found=str(list(found)),
            hint="convert the model with an example of the sizes that are needed",
        )


def require(holds: bool, what: str) -> None:  # noqa: FBT001 - called by graphs
    """Refuse sizes that tracing ruled out.

    Raises:
        LoweringError: They do not hold.
    """
    if not holds:
        raise LoweringError(
            "this graph does not hold for inputs of these sizes",
            expected=what,
            hint="convert the model with an example of such sizes",
        )


class RequireSizes(PassBase):
    """Check the sizes of what the graph is given before anything else."""

    def __init__(self, runnable: Runnable) -> None:
        self.inputs = runnable.inputs
        self.paths = runnable.paths
        self.guards = runnable.guards

    def call(self, graph_module: fx.GraphModule) -> PassResult:
        """A node for every input with a fixed size, and one for every other condition."""
        graph = graph_module.graph
        nodes = {node.name: node for node in graph.nodes if node.op == "placeholder"}
        leaves = [nodes[name] for name in self.inputs]
        first = next(node for node in graph.nodes if node.op != "placeholder")
        with graph.inserting_before(first):
            for leaf, path in zip(leaves, self.paths, strict=True):
                sizes = tuple(_fixed(d) for d in leaf.meta["val"].shape)
                if any(size is not None for size in sizes):
                    graph.create_node(
                        "call_function", require_sizes, (leaf, sizes, path),
                        name=f"{path}_sizes",
                    )  # fmt: skip
            nodes_of = _Guard(graph, leaves)
            for guard in self.guards:
                if FIXED.fullmatch(guard):
                    continue
                condition = nodes_of.visit(ast.parse(guard, mode="eval").body)
                said = _said(guard, self.paths)
                graph.create_node("call_function", require, (condition, said), name="sizes_hold")
        return PassResult(graph_module, modified=True)


def _fixed(size: int | torch.SymInt) -> int | None:
    """A size that is always the same; None for one that is open."""
    if isinstance(size, int):
        return size
    return int(size) if size.node.expr.is_number else None


def _said(guard: str, paths: Sequence[str]) -> str:
    for i, path in enumerate(paths):
        guard = guard.replace(f"L['leaves'][{i}].size()", f"{path}.shape")
    return guard


class UnreadableGuardError(RuntimeError):
    """A condition on sizes is written in a way that is not known."""


class _Guard:
    """Makes nodes of a condition."""

    def __init__(self, graph: fx.Graph, leaves: Sequence[fx.Node]) -> None:
        self.graph = graph
        self.leaves = leaves
        self.sizes: dict[tuple[int, int], fx.Node] = {}

    def visit(self, tree: ast.AST) -> Any:
        """The value of an expression: a node, or a number."""
        if isinstance(tree, ast.Constant):
            return tree.value
        if isinstance(tree, ast.Compare):
            return self._compare(tree)
        if isinstance(tree, ast.BinOp):
            return self._call(tree.op, tree.left, tree.right)
        if isinstance(tree, ast.UnaryOp):
            return self._call(tree.op, tree.operand)
        if isinstance(tree, ast.BoolOp):
            return self._chain(tree)
        if isinstance(tree, ast.Subscript):
            return self._size(tree)
        raise UnreadableGuardError(ast.unparse(tree))

    def _call(self, op: ast.AST, *operands: ast.AST) -> fx.Node:
        if type(op) not in OPERATORS:
            raise UnreadableGuardError(ast.dump(op))
        values = tuple(self.visit(operand) for operand in operands)
        function = OPERATORS[type(op)]
        return self.graph.create_node(
            "call_function", function, values, name=f"sym_{function.__name__.strip('_')}"
        )

    def _compare(self, tree: ast.Compare) -> Any:
        left, made = tree.left, []
        for op, right in zip(tree.ops, tree.comparators, strict=True):
            made.append(self._call(op, left, right))
            left = right
        return self._all(operator.and_, made)

    def _chain(self, tree: ast.BoolOp) -> Any:
        return self._all(OPERATORS[type(tree.op)], [self.visit(value) for value in tree.values])

    def _all(self, function: Any, values: Sequence[Any]) -> Any:
        found = values[0]
        for value in values[1:]:
            found = self.graph.create_node(
                "call_function", function, (found, value), name="sym_all"
            )
        return found

    def _size(self, tree: ast.Subscript) -> fx.Node:
        """``L['leaves'][0].size()[1]``."""
        dim, call = ast.literal_eval(tree.slice), tree.value
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
            raise UnreadableGuardError(ast.unparse(tree))
        leaf = call.func.value
        if not isinstance(leaf, ast.Subscript) or call.func.attr != "size":
            raise UnreadableGuardError(ast.unparse(tree))
        place = ast.literal_eval(leaf.slice), dim
        if place not in self.sizes:
            self.sizes[place] = self.graph.create_node(
                "call_function", aten.sym_size.int, (self.leaves[place[0]], dim), name="sym_size"
            )
        return self.sizes[place]


class Describe(PassBase):
    """Keep of what is known about nodes only what is text."""

    def call(self, graph_module: fx.GraphModule) -> PassResult:
        """Sizes as text; symbols are numbered as they come."""
        symbols: dict[str, str] = {}
        for node in graph_module.graph.nodes:
            value = node.meta.get("val")
            if isinstance(value, torch.Tensor):
                node.meta["shape"] = tuple(_size(d, symbols) for d in value.shape)
            node.meta = {key: node.meta[key] for key in KEPT if key in node.meta}
        return PassResult(graph_module, modified=True)


def _size(size: int | torch.SymInt, symbols: dict[str, str]) -> str:
    if isinstance(size, int):
        return str(size)
    return SYMBOL.sub(
        lambda found: symbols.setdefault(found[0], f"s{len(symbols)}"), str(size.node.expr)
    )

"""A graph that is traced again: node by node, so that what is known of its nodes is kept."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import fx
from torch.fx.traceback import preserve_node_meta

from mupfx.exports.code.labels import MARK, Label
from mupfx.passes.rewrite.multiply import META, Multiplier

ROOT = "model"
"""What modules stand under in the graph's own notes."""


def multipliers(graph: fx.Graph) -> dict[str, Label]:
    """Every multiplier node of a graph, by what it multiplies."""
    found: dict[str, Label] = {}
    for node in graph.nodes:
        made = node.meta.get(META)
        if isinstance(made, Multiplier):
            kind = made.what.partition(":")[0] if ":" in made.what else "stored"
            exact = f"{made.power}: " if made.power not in ("", "1") else ""
            found[made.what] = Label(made.what, kind, made.value, f"{exact}{made.source}")
    return found


@contextmanager
def interpreted(module: fx.GraphModule) -> Iterator[None]:
    """While open, the graph runs node by node, and tracing it keeps marks and module paths."""
    signature = inspect.signature(module.forward)
    for node in module.graph.nodes:
        _mark(node)

    def forward(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return fx.Interpreter(module).run(*bound.arguments.values())

    forward.__signature__ = signature  # type: ignore[attr-defined]
    module.__dict__["forward"] = forward
    try:
        with preserve_node_meta():
            yield
    finally:
        del module.__dict__["forward"]


def _mark(node: fx.Node) -> None:
    made = node.meta.get(META)
    if isinstance(made, Multiplier):
        node.meta["custom"] = {MARK: made.what}
    stack = node.meta.get("nn_module_stack") or {}
    node.meta["nn_module_stack"] = {
        key: (str(path).removeprefix(ROOT).removeprefix("."), kind)
        for key, (path, kind) in stack.items()
    }

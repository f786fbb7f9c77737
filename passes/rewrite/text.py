"""A graph as text: one line a node, the same on every machine.

::

    transformer_wte_weight = self.transformer.wte.weight  [50, 32]
    times_wte = aten.mul.Tensor(transformer_wte_weight, 0.25)  # transformer.wte.weight * 1/4: ...
"""

import operator
from typing import Any

import torch
from torch import fx


def graph_text(graph: fx.Graph) -> str:
    """One line a node."""
    return "\n".join(_line(node) for node in graph.nodes)


def _line(node: fx.Node) -> str:
    if node.op == "output":
        return f"return {_text(node.args[0])}"
    text = f"{node.name} = {_call(node)}"
    if "shape" in node.meta:
        text += f"  [{', '.join(node.meta['shape'])}]"
    if "multiplier" in node.meta:
        text += f"  # {node.meta['multiplier']}"
    return text


def _call(node: fx.Node) -> str:
    if node.op == "placeholder":
        return "input" if not node.args else f"input, if not given {_text(node.args[0])}"
    if node.op == "get_attr":
        return f"self.{node.target}"
    if node.target is operator.getitem:
        return f"{_text(node.args[0])}[{_text(node.args[1])}]"
    arguments = [_text(a) for a in node.args]
    arguments += [f"{key}={_text(value)}" for key, value in node.kwargs.items()]
    name = f"self.{node.target}" if node.op == "call_module" else _name(node.target)
    return f"{name}({', '.join(arguments)})"


def _name(target: Any) -> str:
    """An op by its path, a function or class by its name."""
    if isinstance(target, torch._ops.OpOverload):
        return str(target)
    return str(getattr(target, "__name__", target))


def _text(value: Any) -> str:
    if isinstance(value, tuple | list):
        inside = ", ".join(_text(v) for v in value)
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_text(v)}" for key, v in value.items()) + "}"
    return repr(value) if isinstance(value, str) else str(value)

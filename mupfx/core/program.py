"""A captured model: one flat ATen graph, with the user's own names on everything.

It prints as one line a node, stable across machines::

    wte = parameter                     [512, 64]     <- transformer.wte.weight
    embedding = aten.embedding.default(wte, input_ids)  [2, 16, 64]  in transformer.wte
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import fx

from mupfx.core.finding import Place


@dataclass(frozen=True, slots=True)
class Program:
    """The result of capture; nothing writes to it afterwards."""

    graph: fx.Graph
    frontend: str
    """Which way of capturing it took."""
    parameters: Mapping[str, str]
    """Placeholder name to parameter name."""
    buffers: Mapping[str, str]
    """Placeholder name to buffer name."""
    inputs: tuple[str, ...]
    """Placeholders that are the user's inputs."""
    shapes: Mapping[str, tuple[int, ...]]
    """Shape of every parameter of the model, reached or not."""
    tied: Mapping[str, tuple[str, ...]]
    """First name of a shared parameter to its other names."""
    unreached: tuple[str, ...]
    """Parameters that the example never touched."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Ways of capturing that were tried before, and why each did not do."""
    outside: tuple[str, ...] = ()
    """Placeholders of constants that neither torch nor the model made, such as numpy's."""

    def __str__(self) -> str:
        """One line a node."""
        names = {**self.parameters, **self.buffers}
        return "\n".join(_line(node, names) for node in self.graph.nodes)


UNKNOWN_SIZE = 1_000_003
"""Stands for a size that only the data decides, such as how many entries a mask keeps."""


def extent(size: int | torch.SymInt) -> int:
    """A size as a number; those that only the data decides are large, and each its own."""
    if isinstance(size, int):
        return size
    symbols = {s: UNKNOWN_SIZE + i for i, s in _numbered(size.node.expr.free_symbols)}
    return int(size.node.expr.subs(symbols))


def _numbered(symbols: Iterable[object]) -> Iterator[tuple[int, object]]:
    for symbol in symbols:
        yield 2 * int("".join(c for c in str(symbol) if c.isdigit()) or 0), symbol


CAPTURED = "captured"
"""Key of a node's ``meta`` in a normalised program: the node that was captured."""


def shape_of(node: fx.Node) -> tuple[int, ...] | None:
    """Shape of a node that holds one tensor; None for tuples, scalars and nothing."""
    value = node.meta.get("val")
    return tuple(map(extent, value.shape)) if isinstance(value, torch.Tensor) else None


def module_of(node: fx.Node) -> str:
    """Path of the innermost module that was running when the node was recorded."""
    stack = node.meta.get("nn_module_stack") or {}
    path = str(list(stack.values())[-1][0]) if stack else ""
    return path.removeprefix("model").removeprefix(".")


def source_line(node: fx.Node) -> str:
    """The innermost line of user code behind a node, ``file.py:12 code``; else its module."""
    place = source_place(node)
    if place is not None:
        return str(place)
    module = module_of(node)
    return f"module {module}" if module else ""


def source_place(node: fx.Node) -> Place | None:
    """The innermost line of user code behind a node; None where no trace of it was kept."""
    frames = [f for f in str(node.meta.get("stack_trace") or "").split('File "') if f.strip()]
    theirs = [f for f in frames if not _is_ours(f.replace("\\", "/").partition('"')[0])]
    if not theirs:
        return None
    path, _, rest = theirs[-1].partition('"')
    place, _, code = rest.partition("\n")
    number = place.split(",")[1].replace("line", "").strip()
    return Place(path, int(number), code.strip().partition(chr(10))[0].strip())


def _is_ours(path: str) -> bool:
    return any(f"/{package}/" in path for package in ("torch", "mupfx/passes"))


def _line(node: fx.Node, names: Mapping[str, str]) -> str:
    shape = shape_of(node)
    size = "" if shape is None else f"  {list(shape)}"
    if node.op == "placeholder":
        origin = f"  <- {names[node.name]}" if node.name in names else ""
        return f"{node.name} = input{size}{origin}"
    arguments = ", ".join(_text(a) for a in node.args)
    if node.kwargs:
        arguments += "".join(f", {key}={_text(value)}" for key, value in node.kwargs.items())
    module = module_of(node)
    return f"{node.name} = {node.target}({arguments}){size}" + (f"  in {module}" if module else "")


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_text(v) for v in value) + "]"
    return str(value)

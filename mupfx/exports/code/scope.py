"""The lines of one function: names of its values, and one statement a node."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from keyword import kwlist
from typing import Any

from torch import fx, nn

from mupfx.errors import ExportError
from mupfx.exports.code.blocks import calls, path_of
from mupfx.exports.code.spell import expression, spelled

INDENT = "    "
RESERVED = frozenset(kwlist) | frozenset(
    {"w", "at", "device", "torch", "F", "Tensor", "nn", "forward", "load", "main"}
)


@dataclass(frozen=True, slots=True)
class Source:
    """What all functions are written from."""

    root: nn.Module
    """Holds the bodies of regions."""
    stored: Mapping[fx.Node, str]
    """Weights, buffers and constants, by name."""
    constants: Callable[[fx.Node], Mapping[float, str]]
    """Names of numbers that a node multiplies by."""


@dataclass(slots=True)
class Scope:
    """One function."""

    source: Source
    at: str = ""
    """The layer that the function is given."""
    own: dict[fx.Node, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=lambda: set(RESERVED))

    def give(self, node: fx.Node, wish: str) -> str:
        """A name for a value, with a number where it is taken."""
        name, number = wish, 0
        while name in self.taken:
            number += 1
            name = f"{wish}_{number}"
        self.taken.add(name)
        self.own[node] = name
        return name

    def name(self, node: fx.Node) -> str:
        """How a value is called here."""
        if node in self.own:
            return self.own[node]
        stored = self.source.stored[node]
        inside = stored.removeprefix(f"{self.at}.") if self.at else stored
        return f'w["{stored}"]' if inside == stored else f'w[f"{{at}}.{inside}"]'

    def lines(self, nodes: Sequence[fx.Node]) -> Iterator[str]:
        """A statement for every node, under the module that it belongs to."""
        last = self.at
        for node in nodes:
            path = path_of(node)
            if path is not None and path != last:
                last = path
                inside = path.removeprefix(self.at).removeprefix(".") if self.at else path
                yield f"# {inside or 'itself'}"
            yield from self._statement(node)

    def _statement(self, node: fx.Node) -> Iterator[str]:
        kind = str(node.target)
        if kind in _REGIONS:
            yield from self._region(node, _REGIONS[kind])
            return
        if kind.startswith("aten._assert_scalar"):
            yield f"assert {self.name(node.args[0])}, {node.args[1]!r}"  # type: ignore[arg-type]
            return
        text = expression(node, self.name, self.source.constants(node))
        yield f"{self.give(node, _word(node))} = {text}" if node.users else text

    def _region(self, node: fx.Node, header: tuple[str, int]) -> Iterator[str]:
        """What runs under a context, as a ``with`` block that leaves a tuple."""
        text, count = header
        given = [spelled(value, self.name, {}) for value in node.args[:count]]
        body = node.args[count]
        assert isinstance(body, fx.Node)
        graph = self.source.root.get_submodule(str(body.target)).graph
        assert isinstance(graph, fx.Graph)
        inner = [n for n in graph.nodes if n.op == "placeholder"]
        for place, value in zip(inner, node.args[count + 1 :], strict=True):
            assert isinstance(value, fx.Node)
            self.own[place] = self.name(value)
        yield f"with {text.format(*given)}:"
        for line in self.lines(calls(graph)):
            yield INDENT + line
        result = spelled(_result(graph), self.name, {})
        yield f"{INDENT}{self.give(node, 'region')} = {result}"


def _result(graph: fx.Graph) -> Any:
    return next(node for node in reversed(graph.nodes) if node.op == "output").args[0]


def _word(node: fx.Node) -> str:
    """What a value is named after: its op."""
    target: Any = node.target
    packet = getattr(target, "overloadpacket", target)
    name = str(getattr(packet, "__name__", "value")).strip("_")
    if not name.isidentifier():  # a lambda, or an op that was made on the fly
        raise ExportError("this op has no name in Python", where=node.name, found=str(target))
    return {"scaled_dot_product_attention": "attention", "getitem": "part"}.get(name, name)


_REGIONS: Mapping[str, tuple[str, int]] = {
    "wrap_with_set_grad_enabled": ("torch.set_grad_enabled({0})", 1),
    "wrap_with_autocast": (
        "torch.autocast({0}, dtype={1}, enabled={2}, cache_enabled={3})",
        4,
    ),
}
"""Higher-order ops that only set a context: its text, and how many arguments it takes."""

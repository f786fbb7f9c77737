"""The whole file: multipliers, functions, the model, and a main that runs it."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import fx

from mupfx.exports.code.blocks import Block, blocks
from mupfx.exports.code.scope import INDENT, RESERVED, Scope, Source
from mupfx.exports.code.spell import spelled

WIDTH = 100


@dataclass(slots=True)
class Functions:
    """Functions that were written, by their text: layers alike share one."""

    source: Source
    named: dict[str, str] = field(default_factory=dict)
    """Body to name."""
    texts: list[str] = field(default_factory=list)

    def call(self, block: Block, outer: Scope) -> str:
        """Write a block as a function, unless there is one alike; a statement that calls it."""
        scope = Scope(self.source, block.at)
        inputs = [scope.give(node, "x") for node in block.inputs]
        lines = list(scope.lines(block.nodes))
        outputs = ", ".join(scope.name(node) for node in block.outputs)
        head = f"({', '.join(['w', 'at', *inputs])}):"
        body = "\n".join(INDENT + line for line in (*_device(lines), *lines, f"return {outputs}"))
        text = f"{head}\n{body}"
        name = self.named.get(text) or self._write(text, block)
        given = ", ".join(["w", f'"{block.at}"', *(outer.name(node) for node in block.inputs)])
        made = ", ".join(outer.give(node, node.name) for node in block.outputs)
        return f"{made} = {name}({given})"

    def _write(self, text: str, block: Block) -> str:
        wish = "_".join(part for part in block.at.split(".") if not part.isdecimal()) or "layer"
        name, number = wish, 0
        while name in self.named.values() or name in RESERVED:
            number += 1
            name = f"{wish}_{number}"
        self.named[text] = name
        head, _, body = text.partition("\n")
        alike = f'{INDENT}"""The layer ``{block.at}``, and those alike."""'
        self.texts.append(f"def {name}{head}\n{alike}\n{body}")
        return name


def _device(lines: Sequence[str]) -> list[str]:
    used = any("device" in line for line in lines)
    return ["device = next(iter(w.values())).device"] if used else []


def functions(
    graph: fx.Graph,
    source: Source,
    inputs: Mapping[fx.Node, str],
    result: Callable[[Sequence[str]], str],
) -> list[str]:
    """Every function of a graph, ``forward`` the last.

    Args:
        graph: Flat.
        source: What it is written from.
        inputs: Names of the user's inputs.
        result: The output, from what its leaves are called.
    """
    written = Functions(source)
    scope = Scope(source)
    names = [scope.give(node, name) for node, name in inputs.items()]
    lines: list[str] = []
    for block in blocks(graph, frozenset(source.stored)):
        lines += [written.call(block, scope)] if block.at else scope.lines(block.nodes)
    head = ", ".join(["w", *names])
    made: Any = next(n for n in reversed(graph.nodes) if n.op == "output").args[0]
    lines.append(f"return {result([spelled(value, scope.name, {}) for value in made])}")
    body = "\n".join(INDENT + line for line in (*_device(lines), *lines))
    doc = f'{INDENT}"""The whole model."""'
    return [*written.texts, f"def forward({head}):\n{doc}\n{body}"]


def comment(text: str) -> str:
    """A text as comment lines."""
    return textwrap.fill(
        text, WIDTH, initial_indent="# ", subsequent_indent="#   ", break_long_words=False
    )

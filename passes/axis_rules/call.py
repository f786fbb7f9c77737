"""One node of the graph as a rule sees it: arguments by their schema names, dimensions, sizes."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import fx

from mupfx.core.program import extent
from mupfx.passes.axis_rules.factors import Dims, Size, fresh

Shapes = Mapping[fx.Node, tuple[Any, ...]]


class Call:
    """An op with its arguments bound to the names in its schema."""

    __slots__ = ("arguments", "base", "env", "node")

    def __init__(
        self, node: fx.Node, env: Mapping[fx.Node, Any], base: Mapping[fx.Node, fx.Node]
    ) -> None:
        self.node = node
        self.env = env
        self.base = base
        self.arguments = bind(node)

    def __getitem__(self, name: str) -> Any:
        """An argument's value: a node, a number, a list."""
        return self.arguments.get(name)

    def at_base(self, name: str) -> Any:
        """The same argument in the base's graph, or here where there is none."""
        twin = self.base.get(self.node)
        return self[name] if twin is None else bind(twin).get(name)

    def tensor(self, name: str) -> fx.Node | None:
        """A tensor argument's node; None where it was not given."""
        value = self.arguments.get(name)
        return value if isinstance(value, fx.Node) and self.env.get(value) is not None else None

    def dims(self, node: fx.Node | float) -> Dims:
        """Dimensions of one tensor-valued node; new ones where nothing was found out.

        A number in the place of a tensor, as ``_to_copy(2.0)`` has it, has none.
        """
        if not isinstance(node, fx.Node):
            return ()
        dims = self.env.get(node)
        return dims if isinstance(dims, tuple) else tuple(fresh(s) for s in self.sizes(node))

    def sizes(self, node: fx.Node | float) -> list[Size]:
        """Sizes of a node's dimensions, in this model and its base."""
        return sizes_of(node, self.base) if isinstance(node, fx.Node) else []

    def tensors(self) -> list[fx.Node]:
        """Every tensor-valued node among the arguments."""
        return [n for n in self.node.all_input_nodes if is_tensor(n) and n in self.env]

    @property
    def out(self) -> list[Size]:
        """Sizes of the result's dimensions: the first result's, for an op with several."""
        return self.sizes(self.node) if is_tensor(self.node) else self.outs[0]

    @property
    def outs(self) -> list[list[Size]]:
        """Sizes of each result's dimensions, for an op with several."""
        twin = self.base.get(self.node)
        mine = self.node.meta["val"]
        theirs = mine if twin is None else twin.meta["val"]
        return [
            [] if not isinstance(m, torch.Tensor) else pair(m, t if twin is not None else None)
            for m, t in zip(mine, theirs, strict=True)
        ]


def is_tensor(node: fx.Node) -> bool:
    """Whether a node holds one tensor."""
    return isinstance(node.meta.get("val"), torch.Tensor)


def pair(mine: torch.Tensor, theirs: torch.Tensor | None) -> list[Size]:
    """Sizes of a tensor's dimensions beside its twin's."""
    if theirs is None:
        return [(extent(n),) for n in mine.shape]
    return [(extent(a), extent(b)) for a, b in zip(mine.shape, theirs.shape, strict=True)]


def sizes_of(node: fx.Node, base: Mapping[fx.Node, fx.Node]) -> list[Size]:
    """Sizes of a tensor-valued node's dimensions, in this model and its base."""
    twin = base.get(node)
    return pair(node.meta["val"], None if twin is None else twin.meta["val"])


def bind(node: fx.Node) -> dict[str, Any]:
    """Arguments of a node by schema name, defaults filled in."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return {str(i): value for i, value in enumerate(node.args)} | dict(node.kwargs)
    bound = {}
    for position, argument in enumerate(schema.arguments):
        if position < len(node.args):
            bound[argument.name] = node.args[position]
        elif argument.name in node.kwargs:
            bound[argument.name] = node.kwargs[argument.name]
        elif argument.has_default_value():
            bound[argument.name] = argument.default_value
    return bound

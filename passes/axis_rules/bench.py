"""The probe's bench: one op's fake kernel, run again and again on other sizes.

What may be changed are *places*: the axes of the tensors that go in, ``(0, 1)`` for axis one of the
first, and the numbers in the arguments, which may be sizes too, ``(-1, 2)`` for the third of them.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import fx
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.utils import _pytree as pytree

from mupfx.core.program import extent
from mupfx.passes.axis_rules.call import is_tensor

Place = tuple[int, int]
Shape = tuple[int, ...]
Shapes = tuple[Shape, ...]
NUMBERS = -1
"""In a place: it is a number in the arguments."""
DATA = -1
"""The size of an axis that is as long as the data says."""
MOST_RUNS = 500


class Bench:
    """One call, with its tensors' sizes and its numbers free to change."""

    def __init__(self, node: fx.Node) -> None:
        self.node = node
        self.nodes = [n for n in node.all_input_nodes if is_tensor(n)]
        self.sizes: dict[Place, int] = {
            (i, d): extent(size)
            for i, n in enumerate(self.nodes)
            for d, size in enumerate(n.meta["val"].shape)
        }
        leaves = pytree.tree_leaves((node.args, dict(node.kwargs)))
        numbers = [leaf for leaf in leaves if type(leaf) is int]
        self.sizes |= {(NUMBERS, k): n for k, n in enumerate(numbers)}
        self.runs = 0
        self.key = (node.target, self._arguments_as_text())
        """Equal for calls that nothing tells apart here."""

    def _arguments_as_text(self) -> str:
        values = {n: n.meta["val"] for n in self.nodes}
        told = {
            n: f"<{v.dtype} {tuple(map(extent, v.shape))} {v.device}>" for n, v in values.items()
        }

        def text(leaf: object) -> str:
            if isinstance(leaf, fx.Node):
                return f"{self.nodes.index(leaf)}{told[leaf]}" if leaf in told else leaf.name
            return repr(leaf)

        leaves, spec = pytree.tree_flatten((self.node.args, dict(self.node.kwargs)))
        return f"{[text(leaf) for leaf in leaves]} {spec}"

    def run(self, changed: Mapping[Place, int]) -> Shapes | None:
        """Shapes of the results with some sizes changed; None where the op refuses them."""
        self.runs += 1
        if self.runs > MOST_RUNS:
            return None
        try:
            with quiet(), FakeTensorMode(shape_env=ShapeEnv()):
                args, kwargs = self._arguments({**self.sizes, **changed})
                result = self.node.target(*args, **kwargs)  # type: ignore[operator]
        except Exception:  # noqa: BLE001 - whatever a kernel raises, it refuses these sizes
            return None
        leaves = result if isinstance(result, tuple | list) else [result]
        return tuple(tuple(map(_size, r.shape)) for r in leaves if isinstance(r, torch.Tensor))

    def _arguments(self, sizes: Mapping[Place, int]) -> Any:
        made: dict[object, object] = {
            node: _empty(node, [sizes[i, d] for d in range(node.meta["val"].dim())])
            for i, node in enumerate(self.nodes)
        }
        numbers = iter(sizes[place] for place in sorted(p for p in sizes if p[0] == NUMBERS))

        def replace(leaf: object) -> object:
            if type(leaf) is int:
                return next(numbers)
            return made.get(leaf, _plain(leaf)) if isinstance(leaf, fx.Node) else leaf

        return pytree.tree_map(replace, (tuple(self.node.args), dict(self.node.kwargs)))


def _empty(node: fx.Node, shape: list[int]) -> torch.Tensor:
    value: torch.Tensor = node.meta["val"]
    device = "cpu" if value.device.type == "meta" else value.device
    return torch.empty(shape, dtype=value.dtype, device=device)


def _plain(node: fx.Node) -> object:
    """The number that a node stands for, or whatever else it holds."""
    value = node.meta.get("val", node)
    return extent(value) if isinstance(value, torch.SymInt) else value


def _size(size: int | torch.SymInt) -> int:
    return size if isinstance(size, int) else DATA


@contextmanager
def quiet() -> Iterator[None]:
    """Without the log lines of kernels that refuse a size."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)

"""Base sizes of what the base has not: a projection that is there at one width only.

Its axes are joined with axes of what both have, which tell how long they would be at the base::

    project_in  (stream 128, embedding 64)     stream is 64 at the base: (64, 64)
"""

from collections.abc import Mapping, Sequence
from math import prod

import torch
from torch import fx

from mupfx.core.axes import Axes, Axis
from mupfx.core.ops import is_pick
from mupfx.core.program import Program, extent, shape_of
from mupfx.passes.align import Twins
from mupfx.passes.insertions import Inserted

Sizes = Mapping[Axis, int]


def with_stand_ins(program: Program, axes: Axes, found: Inserted) -> tuple[Twins, list[str]]:
    """The twins, with a stand-in for every node that has none; and what could not be derived."""
    sizes = _sizes(axes, found.twins)
    twins, told = dict(found.twins), []
    scratch = fx.Graph()
    for node in program.graph.nodes:
        if node in twins or node.op == "output" or not _holds_tensors(node):
            continue
        unknown = _unknown(axes, sizes, node)
        if unknown and node.users and node.name in program.parameters:
            name = program.parameters[node.name]
            told.append(f"{name} is only here: dimensions {unknown} are taken as long at the base")
        twins[node] = _stand_in(scratch, node, axes, sizes)
    return twins, told


def _sizes(axes: Axes, twins: Twins) -> Sizes:
    """How long axes are at the base: as they stand in tensors, and factor by factor."""
    sizes: dict[Axis, int] = {(): 1}
    for node, twin in twins.items():
        for axis, size in zip(axes.nodes.get(node.name, ()), shape_of(twin) or (), strict=False):
            sizes.setdefault(axis, size)
    before = -1
    while before != len(sizes):
        before = len(sizes)
        for axis, size in list(sizes.items()):
            unknown = [c for c in axis if (c,) not in sizes]
            rest = prod(sizes[c,] for c in axis if (c,) in sizes)
            if len(unknown) == 1 and size % rest == 0:
                sizes[unknown[0],] = size // rest
    return sizes


def _size(sizes: Sizes, axis: Axis) -> int | None:
    """The length of an axis at the base, where it is known."""
    if axis in sizes:
        return sizes[axis]
    parts = [sizes.get((c,)) for c in axis]
    known = [part for part in parts if part is not None]
    return prod(known) if len(known) == len(parts) else None


def _unknown(axes: Axes, sizes: Sizes, node: fx.Node) -> list[int]:
    dims = axes.nodes.get(node.name, ())
    return [d for d, axis in enumerate(dims) if _size(sizes, axis) is None]


def _holds_tensors(node: fx.Node) -> bool:
    value = node.meta.get("val")
    several = isinstance(value, tuple | list) and any(isinstance(v, torch.Tensor) for v in value)
    return several or isinstance(value, torch.Tensor)


def _stand_in(scratch: fx.Graph, node: fx.Node, axes: Axes, sizes: Sizes) -> fx.Node:
    """The same op in a graph of its own, as large as it would be at the base."""
    args, kwargs = fx.map_arg((node.args, dict(node.kwargs)), lambda n: scratch.placeholder(n.name))
    made = scratch.create_node(node.op, node.target, args, kwargs, name=node.name)
    made.meta["val"] = _value(node, axes, sizes)
    return made


def _value(node: fx.Node, axes: Axes, sizes: Sizes) -> object:
    value = node.meta["val"]
    if isinstance(value, torch.Tensor):
        return _resized(value, axes.nodes.get(node.name, ()), sizes)
    picks = {user.args[1]: axes.nodes.get(user.name, ()) for user in node.users if is_pick(user)}
    return [
        _resized(v, picks.get(i, ()), sizes) if isinstance(v, torch.Tensor) else v
        for i, v in enumerate(value)
    ]


def _resized(value: torch.Tensor, dims: Sequence[Axis], sizes: Sizes) -> torch.Tensor:
    if len(dims) != value.ndim:
        return value
    found = [_size(sizes, axis) for axis in dims]
    shape = [extent(n) if m is None else m for n, m in zip(value.shape, found, strict=True)]
    return torch.empty(shape, dtype=value.dtype, device="meta")

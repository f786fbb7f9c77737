"""Which part of a parameter lies here, where it is spread over a mesh of processes.

The rows of a 5 x 4 matrix over two processes, its columns over two others::

    coordinate (1, 0)    rows 3 and 4, columns 0 and 1    Part((5, 4), offsets=(3, 0))

All of it is arithmetic on sizes, as ``torch.chunk`` has them; no process asks another. FSDP's split
of what tensor parallelism has split is stored as a strided one, left of the other, and means: after
it.
"""

import sys
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, product
from operator import mul
from typing import Any

import torch
from torch import Tensor

from mupfx.errors import InitError
from mupfx.kernels.segment import Part

Runs = tuple[tuple[int, int], ...]
"""Entries of one dimension, in order: the first of those that follow each other, and how many."""
Box = Sequence[tuple[int, int, int]]
"""Entries of a tensor: by dimension the first, how many, and the step between them."""


@dataclass(frozen=True, slots=True)
class Split:
    """A dimension cut among the processes along one dimension of a mesh."""

    dim: int
    ways: int
    at: int
    """Which piece is here."""
    factor: int = 1
    """Of a strided one: into how many pieces it is cut first; each of them is then split."""


def shares(tensor: Tensor) -> Iterator[tuple[Tensor, Part]]:
    """The memory of a parameter that is here, and where each piece of it lies in the whole.

    Args:
        tensor: Any; a DTensor gives what its process holds, nothing where that is empty.

    Raises:
        InitError: A placement is neither a shard nor a replica, or memory is not as it says.

    >>> import torch
    >>> [(out.shape, part) for out, part in shares(torch.zeros(2, 3))]
    [(torch.Size([2, 3]), Part(shape=(2, 3), offsets=(0, 0), steps=()))]
    """
    shape = tuple(tensor.shape)
    if not is_sharded(tensor):
        yield tensor, Part(shape, (0,) * len(shape))
        return
    spread: Any = tensor
    coordinate = spread.device_mesh.get_coordinate()
    if coordinate is None:  # the process is none of the mesh
        return
    with torch.no_grad():  # memory itself, not a view that autograd knows of
        local = spread.to_local()
    runs = held(shape, _splits(spread, coordinate))
    _require_size(local, runs, str(spread.placements))
    yield from _boxes(local, shape, runs)


def held(shape: Sequence[int], splits: Sequence[Split]) -> tuple[Runs, ...]:
    """Entries of each dimension that are here.

    Args:
        shape: Of the whole.
        splits: One for each dimension of the mesh that splits it, left to right.

    >>> held((5, 4), [Split(dim=0, ways=2, at=1)])
    (((3, 2),), ((0, 4),))
    """
    found: list[Runs] = [((0, size),) for size in shape]
    for dim in {split.dim for split in splits}:
        for split in _in_order([split for split in splits if split.dim == dim]):
            found[dim] = _kept(found[dim], split)
    return tuple(_joined(runs) for runs in found)


def crop(out: Tensor, part: Part, box: Box) -> tuple[Tensor, Part]:
    """What of a share lies in a box of the whole; may be empty.

    Args:
        out: Memory of a share.
        part: Where it lies; without steps.
        box: Of the whole.

    >>> import torch
    >>> out, part = crop(torch.zeros(4), Part((9,), (4,)), [(0, 3, 3)])
    >>> out.shape, part
    (torch.Size([1]), Part(shape=(9,), offsets=(6,), steps=(3,)))
    """
    offsets = []
    for dim, (first, count, step) in enumerate(box):
        start, size = part.offsets[dim], out.shape[dim]
        wanted = range(first, first + count * step, step)
        common = wanted[bisect_left(wanted, start) : bisect_left(wanted, start + size)]
        offsets.append(common.start if common else start)
        kept = slice(common.start - start, common.stop - start, step) if common else slice(0)
        out = out[(slice(None),) * dim + (kept,)]
    return out, Part(part.shape, tuple(offsets), tuple(step for *_, step in box))


def is_sharded(tensor: Tensor) -> bool:
    """Whether it is a DTensor, without an import that costs seconds where there is none."""
    module: Any = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(tensor, module.DTensor)


def _splits(spread: Any, coordinate: Sequence[int]) -> list[Split]:
    """The placements that split something, in the order in which they are read."""
    found = {}
    for number, placement in enumerate(spread.placements):
        if placement.is_replicate():
            continue
        _require_split(placement)
        dim, factor = placement.dim % spread.dim(), int(getattr(placement, "split_factor", 1))
        ways = spread.device_mesh.size(number)
        found[number] = Split(dim, ways, coordinate[number], factor)
    return [found[number] for number in sorted(found, key=_rank(spread))]


def _rank(spread: Any) -> Callable[[int], int]:
    """Mesh dimensions left to right, or as torch was told otherwise."""
    order = getattr(spread._spec, "shard_order", None) or ()  # noqa: SLF001 - nowhere else
    told = [number for entry in order for number in entry.mesh_dims]
    return told.index if told else int


def _require_split(placement: Any) -> None:
    module: Any = sys.modules["torch.distributed.tensor.placement_types"]
    if isinstance(placement, (module.Shard, getattr(module, "_StridedShard", module.Shard))):
        return
    raise InitError(
        "a parameter is spread in a way that has no entries of its own",
        expected="Shard, _StridedShard or Replicate",
        found=str(placement),
    )


def _in_order(splits: Sequence[Split]) -> Sequence[Split]:
    """Splits of one dimension as they were made, none strided; as they are where that is no order.

    A strided split was made after as many pieces as its factor by splits to its right.
    """
    made: list[Split] = []
    for split in reversed(splits):
        pieces = list(accumulate((other.ways for other in made), mul, initial=1))
        if split.factor not in pieces:
            return splits
        made.insert(pieces.index(split.factor), replace(split, factor=1))
    return made


def _kept(runs: Runs, split: Split) -> Runs:
    pieces = (_chunk(runs, split.factor, number) for number in range(split.factor))
    return tuple(run for piece in pieces for run in _chunk(piece, split.ways, split.at))


def _chunk(runs: Runs, ways: int, at: int) -> Runs:
    """One of the equal pieces, of which the last may be smaller or empty."""
    size = -(-sum(count for _, count in runs) // ways)
    start, found, passed = at * size, [], 0
    for first, count in runs:
        low, high = max(start - passed, 0), min(start + size - passed, count)
        passed += count
        if low < high:
            found.append((first + low, high - low))
    return tuple(found)


def _joined(runs: Runs) -> Runs:
    found: list[tuple[int, int]] = []
    for first, count in runs:
        if found and sum(found[-1]) == first:
            first, count = found[-1][0], found.pop()[1] + count  # noqa: PLW2901 - with the last
        found.append((first, count))
    return tuple(found)


def _boxes(local: Tensor, shape: tuple[int, ...], runs: Iterable[Runs]) -> Iterator[Any]:
    """Every choice of one run of each dimension, with its memory."""
    placed = ([(at, *run) for at, run in zip(_starts(of), of, strict=True)] for of in runs)
    for box in product(*placed):
        out = local
        for dim, (at, _, count) in enumerate(box):
            out = out.narrow(dim, at, count)
        yield out, Part(shape, tuple(first for _, first, _ in box))


def _starts(runs: Runs) -> Iterator[int]:
    return accumulate((count for _, count in runs[:-1]), initial=0) if runs else iter(())


def _require_size(local: Tensor, runs: Iterable[Runs], placements: str) -> None:
    sizes = tuple(sum(count for _, count in of) for of in runs)
    if tuple(local.shape) != sizes and (local.numel() or 0 not in sizes):
        raise InitError(
            "a process holds other entries of a parameter than its placements say",
            expected=f"{sizes}, by {placements}",
            found=str(tuple(local.shape)),
            hint="sizes that the processes divide leave no doubt",
        )

"""Which node of a graph a tensor is: by identity, then by the memory it looks at.

Python loses tensors: ``x.data``, ``torch.from_numpy(x.numpy())`` and ``y.set_(x)`` are new objects
over memory that is known. Nothing here keeps a tensor or its memory alive.
"""

from dataclasses import dataclass
from math import prod

import torch
from torch import fx
from torch.utils.weak import WeakTensorKeyDictionary

from mupfx.passes.frontends.memory import Geometry, Memory, geometry_of, memory_of

Place = tuple[Memory, Geometry]


@dataclass(frozen=True, slots=True)
class View:
    """A tensor over memory that another one, with a node, looks at in another way."""

    source: fx.Node
    whole: bool
    """Whether both are all of it in the same order: one is a reshape of the other."""


class Ledger:
    """Tensors seen so far, with their nodes."""

    def __init__(self) -> None:
        self.objects = WeakTensorKeyDictionary()
        self.memory: dict[Memory, dict[Geometry, fx.Node]] = {}
        self.addresses: dict[int, Memory] = {}
        self.written: dict[Place, fx.Node] = {}
        """What was last written there, in place."""
        self.times: dict[fx.Node, int] = {}

    def note(self, tensor: torch.Tensor, node: fx.Node, *, written: bool = False) -> None:
        """From now on the tensor is what ``node`` gives; ``written`` if it was changed in place."""
        self.objects[tensor] = node
        self.times[node] = len(self.times)
        memory = memory_of(tensor)
        if memory is None:
            return
        geometry = geometry_of(tensor)
        seen = self.memory.setdefault(memory, {})
        seen.pop(geometry, None)  # the newest is last
        seen[geometry] = node
        if written:
            self.written[memory, geometry] = node
        address = 0 if tensor.is_meta else tensor.data_ptr()
        if address:
            self.addresses[address] = memory

    def find(self, tensor: torch.Tensor) -> fx.Node | View | None:
        """The node of a tensor, or of one over the same memory; None for one never seen."""
        known: fx.Node | None = self.objects.get(tensor)  # type: ignore[no-untyped-call]
        memory = memory_of(tensor)
        if memory is None:
            return known
        geometry = geometry_of(tensor)
        if known is not None:
            newer = self.written.get((memory, geometry))
            return newer if newer and self.times[newer] > self.times[known] else known
        seen = self.memory.get(memory) or self._at_address(tensor)
        return (seen.get(geometry) or _view(seen, geometry)) if seen else None

    def _at_address(self, tensor: torch.Tensor) -> dict[Geometry, fx.Node] | None:
        """What was seen of memory that another library handed back as its own."""
        memory = None if tensor.is_meta else self.addresses.get(tensor.data_ptr())
        return None if memory is None or memory.expired() else self.memory.get(memory)


def _view(seen: dict[Geometry, fx.Node], geometry: Geometry) -> View:
    for known, node in reversed(seen.items()):
        if _contiguous(known) and _contiguous(geometry) and _extent(known) == _extent(geometry):
            return View(node, whole=True)
    return View(next(reversed(seen.values())), whole=False)


def _extent(geometry: Geometry) -> tuple[int, int, torch.dtype]:
    offset, size, _, dtype = geometry
    return offset, prod(size), dtype


def _contiguous(geometry: Geometry) -> bool:
    _, size, strides, _ = geometry
    expected = 1
    for length, stride in zip(reversed(size), reversed(strides), strict=True):
        if length != 1 and stride != expected:
            return False
        expected *= length
    return True

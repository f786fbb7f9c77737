"""What is known of every storage that a factory has made: its law, and those of its parts.

Tensors are views of storages; a fill of ``weight[3]`` changes one row of whatever ``weight`` is.
Storages are followed by weak references, so that none lives longer for being followed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import prod

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from mupfx.core.drawn import Box, Drawn, Shape, same_law, unknown
from mupfx.passes.laws.regions import (
    Layout,
    apart,
    box_of,
    contains,
    layout_of,
    overlap,
    volume,
)

TANGLED = "entries of it were changed that are no block"


@dataclass(slots=True)
class Store:
    """One storage."""

    reference: StorageWeakRef
    layout: Layout
    """Of the tensor that it was made for; boxes count in its dimensions."""
    drawn: Drawn
    parts: list[tuple[Box, Drawn]] = field(default_factory=list)
    event: int = 0
    """Which draw these values are."""
    stale: bool = False
    """Whether memory does not hold what was recorded: the fill was not run."""
    bare: bool = False
    """Whether the factory itself asked for no memory: code may then skip its fills."""


class Stores:
    """Every storage by its address, which a weak reference keeps from being given again."""

    def __init__(self) -> None:
        self._stores: dict[int, Store] = {}
        self._events = 0

    def of(self, tensor: Tensor) -> Store | None:
        """The storage of a tensor; None of one that was made outside."""
        address = _address(tensor)
        return None if address is None else self._stores.get(address)

    def read(self, tensor: Tensor) -> Drawn:
        """The law of a tensor's values, parts by its own dimensions."""
        store = self.of(tensor)
        if store is None:
            return Drawn(Shape.GIVEN, why="copied from a tensor made elsewhere")
        if not store.parts:
            return _repeated(tensor, store.drawn)
        box = box_of(layout_of(tensor).region, store.layout)
        if box is None:
            return unknown(TANGLED, store.drawn)
        return _seen(tensor, store, box)

    def write(self, tensor: Tensor, drawn: Drawn, event: int | None = None) -> None:
        """A tensor's values are now drawn so."""
        if _address(tensor) is None or tensor.numel() == 0:
            return
        store = self.of(tensor) or self._new(tensor)
        if store.bare:
            return
        box = box_of(layout_of(tensor).region, store.layout)
        self._events += 1
        if box is None:
            store.drawn, store.parts = unknown(TANGLED, drawn), []
        elif volume(box) == prod(store.layout.sizes):
            store.drawn, store.parts = replace(drawn, parts=()), []
        else:
            store.parts = [p for p in store.parts if not contains(box, p[0])]
            store.parts.append((box, replace(drawn, parts=())))
        whole = box is not None and not store.parts
        store.event = event if whole and event is not None else self._events
        for inside, part in drawn.parts:
            self._write_part(tensor, store, inside, part)

    def change(self, tensor: Tensor, change: Callable[[Drawn], Drawn]) -> None:
        """The law of a tensor's values is now another of what it was."""
        drawn = self.read(tensor)
        store = self.of(tensor)
        event = None if store is None else store.event
        parts = tuple((box, change(part)) for box, part in drawn.parts)
        self.write(tensor, replace(change(replace(drawn, parts=())), parts=parts), event)

    def event(self, tensor: Tensor) -> int | None:
        """Which draw all of a storage is, if the tensor is all of it."""
        store = self.of(tensor)
        if store is None or tensor.numel() != prod(store.layout.sizes):
            return None
        return store.event

    def spoil(self, tensor: Tensor) -> None:
        """What is written now does not reach memory."""
        (self.of(tensor) or self._new(tensor)).stale = True

    def strip(self, tensor: Tensor) -> None:
        """The factory asked for a tensor without memory."""
        store = self.of(tensor) or self._new(tensor)
        store.bare, store.parts = True, []
        store.drawn = unknown("the factory put it on the meta device, where fills may be skipped")

    def bare(self, tensor: Tensor) -> bool:
        """Whether the factory asked for no memory."""
        store = self.of(tensor)
        return store is not None and store.bare

    def _new(self, tensor: Tensor) -> Store:
        reference = StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]
        store = Store(reference, _spread(tensor), Drawn(Shape.GIVEN, why="made elsewhere"))
        self._stores[reference.cdata] = store
        return store

    def _write_part(self, tensor: Tensor, store: Store, inside: Box, part: Drawn) -> None:
        box = box_of(layout_of(tensor).at(inside).region, store.layout)
        if box is None:
            store.drawn, store.parts = unknown(TANGLED, part), []
        else:
            store.parts.append((box, replace(part, parts=())))


def _address(tensor: Tensor) -> int | None:
    """Of a tensor's storage; a sparse one has none, and a wrapper's holds nothing."""
    wrapper = hasattr(tensor, "__tensor_flatten__")
    if tensor.layout is not torch.strided or wrapper:
        return None
    return int(tensor.untyped_storage()._cdata)


def one_storage(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors lie in the same memory."""
    address = _address(one)
    return address is not None and address == _address(other)


def _spread(tensor: Tensor) -> Layout:
    """How a new storage is laid out: as its tensor, if that is all of it."""
    layout = layout_of(tensor)
    held = tensor.untyped_storage().nbytes() // max(tensor.element_size(), 1)
    if layout.offset or held != tensor.numel():
        return Layout(0, (held,), (1,))
    return layout


def _repeated(tensor: Tensor, drawn: Drawn) -> Drawn:
    """Entries that several places of a tensor share are no draws of their own."""
    shared = any(n > 1 and not k for n, k in zip(tensor.shape, tensor.stride(), strict=True))
    if shared and drawn.shape is not Shape.CONSTANT and drawn.known:
        return unknown(f"{drawn.shape} values, repeated", drawn)
    return drawn


def _seen(tensor: Tensor, store: Store, box: Box) -> Drawn:
    """A part of a storage, in a tensor's own dimensions."""
    mine = layout_of(tensor)
    drawn = store.drawn
    parts: list[tuple[Box, Drawn]] = []
    for place, part in store.parts:
        if apart(place, box):
            continue
        common = overlap(place, box)
        inside = None if common is None else box_of(store.layout.at(common).region, mine)
        if inside is None:
            return unknown(TANGLED, part)
        if volume(inside) == tensor.numel():
            drawn, parts = part, []
        else:
            parts.append((inside, part))
    return joined(replace(drawn, parts=tuple(parts)), tensor.numel())


def joined(drawn: Drawn, count: int) -> Drawn:
    """Parts that follow the law of all the rest are none; what covers all is the law of all."""
    parts = list(drawn.parts)
    alone = all(apart(a, b) for i, (a, _) in enumerate(parts) for b, _ in parts[:i])
    if not parts or not alone:
        return drawn
    if sum(volume(box) for box, _ in parts) == count:
        drawn = max(parts, key=lambda part: volume(part[0]))[1]
    rest = replace(drawn, parts=())
    return replace(rest, parts=tuple((b, p) for b, p in parts if not same_law(rest, p)))


def values_of(tensor: Tensor, stores: Stores) -> Tensor | None:
    """A tensor's numbers, if memory holds them."""
    store = stores.of(tensor)
    if tensor.is_meta or (store is not None and store.stale):
        return None
    return tensor.detach()


def number(value: object, stores: Stores) -> float | None:
    """A number, or the one number of a tensor that was not drawn."""
    if isinstance(value, int | float):
        return float(value)
    if not isinstance(value, Tensor) or value.numel() != 1 or value.is_complex():
        return None
    drawn = stores.read(value)
    if drawn.shape is Shape.CONSTANT:
        return drawn.location
    held = values_of(value, stores) if drawn.shape is Shape.GIVEN else None
    return None if held is None else float(held.to(torch.float64))

"""Values of parameters as they were, and of all that a forward pass makes of parameters alone.

Memory is followed, not tensors: views, ``.data`` and ``detach`` of a parameter lie in its storage,
and so does their old value, at the same place of the old storage::

    weight    storage 7, [64, 32]            old storage 7'
    weight.T  storage 7, [32, 64] (1, 32)    the same place of 7'
    weight*2  storage 9 (by an op)           9', by the same op on the old value
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Key = int
"""Of a storage."""


def key_of(tensor: Tensor) -> Key | None:
    """Which storage a tensor lies in; None if it has none, such as sparse ones."""
    if tensor.layout is not torch.strided or tensor.is_meta:
        return None
    found: int = tensor.untyped_storage()._cdata  # noqa: SLF001 - no other name of it
    return found


def at_the_place_of(tensor: Tensor, storage: torch.UntypedStorage) -> Tensor:
    """The tensor of another storage that lies as this one does in its own."""
    empty = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
    return empty.set_(storage, tensor.storage_offset(), tensor.size(), tensor.stride())


def copied(tensor: Tensor) -> torch.UntypedStorage:
    """A copy of the whole storage that a tensor lies in."""
    storage = tensor.untyped_storage()
    size = storage.nbytes() // tensor.element_size()
    return _row(tensor, storage, size).clone().untyped_storage()


def _row(tensor: Tensor, storage: torch.UntypedStorage, size: int) -> Tensor:
    """All of a storage as one row."""
    return torch.empty(0, dtype=tensor.dtype, device=tensor.device).set_(storage, 0, (size,), (1,))


@dataclass(frozen=True, slots=True)
class Part:
    """Where a parameter lies in a storage, in entries."""

    name: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Root:
    """A storage of parameters, and a copy of it."""

    parts: tuple[Part, ...]
    copy: torch.UntypedStorage

    def names(self, tensor: Tensor) -> str:
        """The parameters that a tensor in the storage overlaps, with commas."""
        if len(self.parts) == 1:
            return self.parts[0].name
        start = tensor.storage_offset()
        reach = sum((n - 1) * s for n, s in zip(tensor.shape, tensor.stride(), strict=True))
        return ", ".join(p.name for p in self.parts if p.start <= start + reach and start < p.stop)


class Kept:
    """One copy of a model's parameters, from when it was made."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._copies: dict[Key, Root] = {}
        self._places: dict[str, Key] = {}
        for name, parameter in model.named_parameters():
            key = key_of(parameter)
            if key is not None:
                self._add(key, _part(name, parameter), parameter)

    def _add(self, key: Key, part: Part, parameter: Tensor) -> None:
        known = self._copies.get(key)
        copy = known.copy if known else copied(parameter)
        self._copies[key] = Root((*(known.parts if known else ()), part), copy)
        self._places[part.name] = key

    def roots(self) -> dict[Key, Root]:
        """The copies, by where their parameters lie now: an optimizer may have moved them."""
        found = {}
        for name, parameter in self._model.named_parameters():
            key = key_of(parameter)
            if key is not None and name in self._places:
                found[key] = self._copies[self._places[name]]
        return found

    def buffers(self) -> frozenset[Key]:
        """Where the model's buffers lie."""
        return frozenset(k for k in map(key_of, self._model.buffers()) if k is not None)


def _part(name: str, parameter: Tensor) -> Part:
    start = int(parameter.storage_offset())
    return Part(name, start, start + int(parameter.numel()))


def tensors_in(value: object, depth: int = 4) -> Iterator[Tensor]:
    """Tensors inside containers and plain objects, such as a batch of any class."""
    if isinstance(value, Tensor):
        yield value
    elif depth and isinstance(value, Mapping):
        yield from _of_all(value.values(), depth)
    elif depth and isinstance(value, list | tuple | set | frozenset):
        yield from _of_all(value, depth)
    elif depth and not isinstance(value, type | nn.Module):
        yield from _of_all(getattr(value, "__dict__", {}).values(), depth)


def _of_all(values: Iterable[object], depth: int) -> Iterator[Tensor]:
    for value in values:
        yield from tensors_in(value, depth - 1)

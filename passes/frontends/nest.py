"""How values are put together of tensors: taken apart to a ``Shape``, and put together again.

Sequences, mappings, dataclasses and registered pytrees without anything hidden can be; an object of
another kind that holds tensors (a key-value cache) cannot, and is refused by its name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import torch

from mupfx.core.runnable import Leaf, Shape
from mupfx.errors import LoweringError
from mupfx.passes.frontends.values import tensors

PLAIN = (type(None), bool, int, float, complex, str, torch.dtype, torch.device)


class Nest:
    """Takes values apart; ``leaves`` are the tensors found so far.

    Args:
        what: The value, in words.
        whole: Refuse what cannot be put together again; else None stands for it.
    """

    def __init__(self, what: str, *, whole: bool = True) -> None:
        self.what = what
        self.whole = whole
        self.leaves: list[Any] = []
        self.paths: list[str] = []

    def take(self, value: object, path: str) -> Any:
        """The shape of a value."""
        if isinstance(value, torch.Tensor | torch.SymInt | torch.SymFloat | torch.SymBool):
            self.leaves.append(value)
            self.paths.append(path)
            return Leaf(len(self.leaves) - 1)
        if isinstance(value, PLAIN):
            return value
        parts = _parts(value)
        if parts is None:
            return self._opaque(value, path)
        keys, members, as_fields = parts
        found = tuple(
            self.take(member, f"{path}.{key}" if path else str(key))
            for key, member in zip(keys, members, strict=True)
        )
        return Shape(type(value), keys, found, as_fields)

    def _opaque(self, value: object, path: str) -> Any:
        if not tensors(value):
            return value
        if not self.whole and path:
            return None
        raise LoweringError(
            f"a {type(value).__name__} in {self.what} is nothing that a graph can take or make",
            where=path,
            expected="tensors in tuples, lists, dicts and dataclasses",
            hint="pass use_cache=False, if this is a cache of keys and values; or leave lowering "
            'as it is ("eager")',
        )


def _parts(value: object) -> tuple[tuple[Any, ...], tuple[Any, ...], bool] | None:
    """Keys and members of a container, and whether they are fields; None of another value."""
    if is_dataclass(value) and not isinstance(value, type):
        names = tuple(f.name for f in fields(value) if f.init)
        return names, tuple(getattr(value, name) for name in names), True
    if isinstance(value, Mapping):
        return tuple(value), tuple(value.values()), False
    if isinstance(value, tuple | list):
        return tuple(range(len(value))), tuple(value), False
    return None


def put(shape: Any, leaves: Sequence[Any], made: Callable[[Shape, list[Any]], Any]) -> Any:
    """A value of a shape over other leaves; ``made`` makes a container of its members."""
    if isinstance(shape, Leaf):
        return leaves[shape.index]
    if not isinstance(shape, Shape):
        return shape
    return made(shape, [put(member, leaves, made) for member in shape.members])


def together(shape: Shape, members: list[Any]) -> Any:
    """A container of the class that it was."""
    if shape.fields:
        return shape.kind(**dict(zip(shape.keys, members, strict=True)))
    if issubclass(shape.kind, Mapping):
        entries = dict(zip(shape.keys, members, strict=True))
        return entries if shape.kind is dict else shape.kind(entries)
    if hasattr(shape.kind, "_fields"):
        return shape.kind(*members)
    return shape.kind(members)

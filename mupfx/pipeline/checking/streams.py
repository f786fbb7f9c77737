"""Batches of a target that brings many: ``batches``, and ``held_out`` for a loss at the end.

Sweeps train on all of them; a check trains on the first.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from mupfx.errors import TargetError

STREAM, HELD_OUT = "batches", "held_out"


@dataclass(frozen=True, slots=True)
class Stream:
    """What a target returned, with one batch of many."""

    made: Mapping[Any, Any]
    """As if it had returned the first batch alone."""
    batches: Iterable[Any] | None
    """All; None where it brings no more than one."""
    held_out: Any
    """A batch that is not trained on; None where there is none."""


def one_batch(made: Mapping[Any, Any], name: str) -> Stream:
    """Take the first batch out of many.

    Raises:
        TargetError: There are none, or they are none.
    """
    rest = {key: value for key, value in made.items() if key not in {STREAM, HELD_OUT}}
    held_out, batches = made.get(HELD_OUT), made.get(STREAM)
    if batches is None:
        return Stream(rest, None, held_out)
    first, every = _peeked(batches, name)
    return Stream({"batch": first, **rest}, every, held_out)


def _peeked(batches: object, name: str) -> tuple[Any, Iterable[Any]]:
    if not isinstance(batches, Iterable):
        raise TargetError(
            f"`{name}` returned batches that are none",
            expected="a DataLoader, or any iterable or iterator of batches",
            found=type(batches).__name__,
        )
    for first in batches:
        return first, chain((first,), batches) if isinstance(batches, Iterator) else batches
    raise TargetError(f"`{name}` returned no batch at all", where=STREAM)

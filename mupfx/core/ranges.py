"""Many numbered names as one: ``layers.{0..5}.weight``, ``c{2,3}``; written, and read again."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

_SPAN = r"\d+(?:\.\.\d+(?::[1-9]\d*)?)?"
_BRACES = re.compile(rf"\{{({_SPAN}(?:,{_SPAN})*)\}}")
_RUN = 3
"""Shortest arithmetic progression that is written with dots."""


def ranges(numbers: Iterable[int]) -> str:
    """Write a set of integers: ``{0..5}``, ``{0..10:2}`` in steps of two, ``{1,4,5}``.

    >>> ranges([0, 2, 4, 6, 9]), ranges([3])
    ('{0..6:2,9}', '3')
    """
    values = sorted(set(numbers))
    if len(values) == 1:
        return str(values[0])
    return "{" + ",".join(_written(values)) + "}"


def _written(values: Sequence[int]) -> list[str]:
    pieces: list[str] = []
    while values:
        length = _progression(values)
        if length < _RUN:
            pieces.append(str(values[0]))
            values = values[1:]
            continue
        step = values[1] - values[0]
        pieces.append(f"{values[0]}..{values[length - 1]}" + (f":{step}" if step > 1 else ""))
        values = values[length:]
    return pieces


def _progression(values: Sequence[int]) -> int:
    """How many leading values have equal steps."""
    steps = [right - left for left, right in pairwise(values)]
    unequal = (position for position, step in enumerate(steps) if step != steps[0])
    return next(unequal, len(steps)) + 1


def spread(text: str) -> list[str]:
    """The names that a name with ranges stands for; one without stands for itself.

    >>> spread("c{2,4..8:2}"), spread("width")
    (['c2', 'c4', 'c6', 'c8'], ['width'])
    """
    found = _BRACES.search(text)
    if found is None:
        return [text]
    before, after = text[: found.start()], text[found.end() :]
    return [before + str(number) + rest for number in _read(found[1]) for rest in spread(after)]


def _read(text: str) -> Iterator[int]:
    for piece in text.split(","):
        span, _, step = piece.partition(":")
        first, _, last = span.partition("..")
        yield from range(int(first), int(last or first) + 1, int(step or 1))

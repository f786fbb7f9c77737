"""How a table fits a width: beside each other, sentences below, and names above, in that order.

A table of name, role and sentence that is too wide has the sentence below its row; where that is
not enough, the name stands on a line of its own above the rest.
"""

from dataclasses import dataclass

from mupfx.render.document import Table
from mupfx.render.text import GAP, widths

_SENTENCE = 30
"""A sentence that has less room beside its row goes below it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the columns go."""

    above: tuple[int, ...]
    beside: tuple[int, ...]
    below: tuple[int, ...]
    sizes: tuple[int, ...]
    """Widths of the columns beside each other."""


def layout(table: Table, available: int) -> Layout:
    """Fit a table into so many characters."""
    needed = widths(table)
    every = tuple(range(len(needed)))
    sentences = tuple(at for at in every if table.columns[at].wraps)
    short = tuple(at for at in every if at not in sentences)
    room = available - len(GAP) * (len(needed) + 1)

    left = room - sum(needed[at] for at in short)
    if left >= max((min(needed[at], _SENTENCE) for at in sentences), default=0):
        sizes = tuple(min(needed[at], left) if at in sentences else needed[at] for at in every)
        return Layout((), every, (), sizes)
    if left >= 0:
        return Layout((), short, sentences, tuple(needed[at] for at in short))
    sizes = _shrunk([needed[at] for at in short[1:]], room)
    return Layout(short[:1], short[1:], sentences, sizes)


def _shrunk(sizes: list[int], room: int) -> tuple[int, ...]:
    """Take from the widest until all fit."""
    while sum(sizes) > room and max(sizes) > 1:
        sizes[sizes.index(max(sizes))] -= 1
    return tuple(sizes)

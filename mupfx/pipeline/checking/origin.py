"""Where a target is written: the place of what is wrong with it as a whole.

Of ``def build(width)`` in ``gpt.py`` it is ``gpt.py:71 def build(width):``; a finding of one tensor
has the line that uses the tensor instead.
"""

import functools
import inspect
from collections.abc import Iterable
from dataclasses import replace

from mupfx.core.finding import Finding, Place
from mupfx.passes.frontends.places import is_ours


def located(findings: Iterable[Finding], factory: object) -> tuple[Finding, ...]:
    """Give findings that have no place the target's."""
    place = origin(factory)
    return tuple(replace(f, place=place) if f.place is None else f for f in findings)


def origin(factory: object) -> Place | None:
    """The line that defines a callable; None where it has none, or is nobody's own."""
    while isinstance(factory, functools.partial):
        factory = factory.func
    plain = inspect.isroutine(factory) or inspect.isclass(factory)
    written = inspect.unwrap(factory) if plain and callable(factory) else type(factory)
    try:
        path = inspect.getsourcefile(written)
        lines, first = inspect.getsourcelines(written)
    except (OSError, TypeError):
        return None
    if path is None or is_ours(path):
        return None
    starts = ("def ", "async def ", "class ")
    at = next((n for n, line in enumerate(lines) if line.lstrip().startswith(starts)), 0)
    return Place(path, first + at, lines[at].strip())

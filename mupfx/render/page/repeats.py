"""Runs of equal things, as in the layers of a deep model: which to show once.

``(0, 1, 2, 1, 2, 1, 2, 3)`` is ``0``, three times ``1, 2``, and ``3``.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

_LONGEST = 64
"""Things that may repeat together, at most."""


@dataclass(frozen=True, slots=True)
class Run:
    """``length`` things from ``start``, ``times`` in a row."""

    start: int
    length: int
    times: int = 1

    @property
    def stop(self) -> int:
        """After the last of all times."""
        return self.start + self.length * self.times


def runs(things: Sequence[Hashable]) -> tuple[Run, ...]:
    """Cut a sequence into runs, each as long as can be; what does not repeat stands alone.

    >>> [(run.start, run.length, run.times) for run in runs("abcbcbcd")]
    [(0, 1, 1), (1, 2, 3), (7, 1, 1)]
    """
    found: list[Run] = []
    at = 0
    while at < len(things):
        found.append(_longest(things, at))
        at = found[-1].stop
    return tuple(found)


def _longest(things: Sequence[Hashable], start: int) -> Run:
    most = min(_LONGEST, (len(things) - start) // 2)
    candidates = [Run(start, n, _times(things, start, n)) for n in range(1, most + 1)]
    repeated = [run for run in candidates if run.times > 1]
    return max(repeated, key=lambda run: (run.stop, -run.length), default=Run(start, 1))


def _times(things: Sequence[Hashable], start: int, length: int) -> int:
    unit = things[start : start + length]
    times = 1
    while things[start + times * length : start + (times + 1) * length] == unit:
        times += 1
    return times

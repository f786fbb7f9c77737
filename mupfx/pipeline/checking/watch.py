"""How far a check has come, told to whoever watches."""

from collections.abc import Callable, Iterable
from math import sqrt

from mupfx.core.report import Size

Watch = Callable[[str, float, float], None]
"""What comes next, the work done before it, and all the work there is, as known by now."""


def unwatched(doing: str, done: float, total: float) -> None:
    """Nobody watches."""


class Progress:
    """Counts work; how long it takes is guessed by size."""

    def __init__(self, watch: Watch) -> None:
        self._watch, self._done, self._total = watch, 0.0, 0.0

    def expect(self, sizes: Iterable[Size], times: int = 1) -> None:
        """More is to come."""
        self._total += times * sum(map(_work, sizes))

    def begin(self, doing: str) -> None:
        """Something starts."""
        self._watch(doing, self._done, self._total)

    def finish(self, size: Size) -> None:
        """One piece is done."""
        self._done += _work(size)


def _work(size: Size) -> float:
    """Between a small model's constant cost and a large one's matrices."""
    wide = 256.0 + (size.width or 0)
    return wide * sqrt(wide) * (size.depth or 1)

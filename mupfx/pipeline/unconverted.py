"""The control: code that converts its model runs as if it did not.

Inside ``as_written()``, ``convert`` and ``build`` put models into the standard parametrization, in
which every factor is one. Plans, optimizers, schedulers and clipping then work, and change nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from mupfx.core.hyperparameters import NO_CHOICES, Hyperparameters
from mupfx.core.parametrization import Parametrization
from mupfx.tables.sp import SP

_AS_WRITTEN: ContextVar[bool] = ContextVar("as_written", default=False)


@contextmanager
def as_written() -> Iterator[None]:
    """Convert nothing in here."""
    token = _AS_WRITTEN.set(True)
    try:
        yield
    finally:
        _AS_WRITTEN.reset(token)


def in_force(
    table: Parametrization, choices: Hyperparameters | None
) -> tuple[Parametrization, Hyperparameters]:
    """What a conversion really follows.

    >>> from mupfx.tables.mup import MUP
    >>> with as_written():
    ...     in_force(MUP, None)[0].name
    'sp'
    """
    if _AS_WRITTEN.get():
        return SP, NO_CHOICES
    return table, choices or NO_CHOICES

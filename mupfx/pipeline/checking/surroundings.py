"""What a check may change around it, and puts back: random generators, and settings of torch.

A factory seeds what it likes, sets a default dtype, or the number of threads; after the check all
of it is as it was.
"""

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

_SETTINGS: tuple[tuple[Callable[[], Any], Callable[[Any], object]], ...] = (
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.get_default_device, torch.set_default_device),
    (torch.get_num_threads, torch.set_num_threads),
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode),
)


@contextmanager
def untouched() -> Iterator[None]:
    """Put everything back at the end, however it ends."""
    before = [read() for read, _ in _SETTINGS]
    with _python(), torch.random.fork_rng():
        try:
            yield
        finally:
            for (read, write), value in zip(_SETTINGS, before, strict=True):
                if read() != value:
                    write(value)


def seed_all(seed: int) -> None:
    """Seed every generator that a factory may draw from."""
    torch.manual_seed(seed)
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(seed)


@contextmanager
def _python() -> Iterator[None]:
    """The generators of Python, and of numpy where it is loaded."""
    state, numpy = random.getstate(), sys.modules.get("numpy")
    theirs = None if numpy is None else numpy.random.get_state()
    try:
        yield
    finally:
        random.setstate(state)
        if numpy is not None:
            numpy.random.set_state(theirs)

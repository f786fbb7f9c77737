"""Segments filled by machine code on the CPU, over as many threads as torch uses.

Needs numba (``pip install "mupfx[fast]"``). Before its first use in a process it has to give the
bits of the eager path on a few thousand elements; it takes 3 s to compile once, then is on disk.
"""

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import torch

from mupfx.errors import MupfxWarning
from mupfx.kernels import eager
from mupfx.kernels.draw import Draw, Kind, truncated, uniform
from mupfx.kernels.segment import Segment

CHUNK = 2**18
"""Elements that a thread takes at a time."""
CASES = (
    (truncated(0.02, 0.001, -0.04, 0.03), 2**40 + 1, 4099, 0),
    (uniform(-1.0, 3.0), 2**33 + 2, 33, 2**32),
)
"""Laws, bases, runs and strides that are compared."""


def available(device: torch.device) -> bool:
    """Whether tensors lie on the CPU, and numba is there and gives the right bits."""
    return device.type == "cpu" and find_spec("numba") is not None and _trusted()


def fill(segments: Sequence[Segment], key: int) -> None:
    """Write every element of segments on the CPU."""
    drawn = [segment for segment in segments if segment.draw.kind is not Kind.CONSTANT]
    for segment in segments:
        if segment.draw.kind is Kind.CONSTANT:
            eager.fill_one(segment)
    pieces = [piece for segment in drawn for piece in segment.pieces(CHUNK)]
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        for _ in pool.map(partial(_fill, key=key), pieces):
            pass  # an error of a thread is raised here


def _fill(segment: Segment, key: int) -> None:
    out, draw = segment.out, segment.draw
    single = (
        out
        if out.dtype is torch.float32
        else torch.empty(out.numel(), dtype=torch.float32, device="cpu")
    )
    import_module("mupfx.kernels.cpu").fill(
        single.numpy(),
        segment.start,
        segment.base,
        segment.run,
        segment.stride,
        np.uint64(segment.stream),
        np.uint64(key),
        draw.kind is not Kind.UNIFORM,
        _numbers(draw),
    )
    if single is not out:
        eager.put(out, single)


def _numbers(draw: Draw) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    six = (draw.scale, draw.shift, draw.middle, draw.spread, draw.low, draw.high)
    return np.array(six, np.float32)


@cache
def _trusted() -> bool:
    for draw, base, run, stride in CASES:
        out = torch.empty(2, run * 5, device="cpu", dtype=torch.float32)
        mine, its = (Segment(row, draw, 2**63 + 5, base, run, stride) for row in out)
        _fill(mine, 2**63 + 7)
        eager.fill(its, 2**63 + 7)
        if not torch.equal(mine.out, its.out):
            warnings.warn(
                "numba gives other numbers on this CPU than torch; starting values are drawn by "
                "torch, 20 times as slowly",
                MupfxWarning,
                stacklevel=2,
            )
            return False
    return True

# mypy: disable-error-code="import-not-found, import-untyped"
"""The generator as machine code for the CPU, by numba; imported only where it runs.

Four words of a counter stand in four rows, so that every loop takes consecutive lanes::

    x[0] = 0 4 8 ...    x[1] = 1 5 9 ...    x[2] = 2 6 10 ...    x[3] = 3 7 11 ...

numba fuses no multiplication with an addition unless asked, so bits are those of ``eager``.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

import numba
import numpy as np

from mupfx.kernels import spec

Function = TypeVar("Function", bound=Callable[..., None])
Array = Any  # numba knows the types of its arguments


BLOCK = 256
"""Counters at a time: their numbers stay in the nearest cache."""

HALF = np.uint64(32)
MASK = np.uint64(0xFFFFFFFF)
M0, M1 = (np.uint64(m) for m in spec.MULTIPLIERS)
K0, K1 = (np.uint64(k) for k in spec.WEYL)
ROUNDS = spec.ROUNDS
ONE, UNIT = np.float32(1), np.float32(spec.UNIT)
SPLIT, CENTRE_AT, TAIL_AT = (np.float32(at) for at in (spec.SPLIT, spec.CENTRE_AT, spec.TAIL_AT))
L0, L1, L2, L3, L4, L5, L6, L7 = (np.float32(c) for c in spec.LOG2)
C0, C1, C2, C3, C4, C5, C6, C7 = (np.float32(c) for c in spec.CENTRE)
T0, T1, T2, T3, T4, T5, T6, T7 = (np.float32(c) for c in spec.TAIL)
ROOT_HALF, MANTISSA = np.int32(spec.ROOT_HALF), np.int32(spec.MANTISSA)
ODD, UNUSED = np.int32(1), np.int32(7)


def compiled(function: Function) -> Function:
    """Machine code that runs without Python's lock; kept on disk, where a folder can be written."""
    compiler = partial(numba.njit, nogil=True, error_model="numpy")
    try:
        return cast("Function", compiler(cache=True)(function))
    except RuntimeError:
        return cast("Function", compiler()(function))


@compiled
def fill(  # noqa: PLR0913, PLR0917 - machine code takes numbers
    out: Array,
    start: int,
    base: int,
    run: int,
    stride: int,
    stream: np.uint64,
    key: np.uint64,
    quantiles: bool,  # noqa: FBT001 - positional, as all its arguments
    law: Array,
) -> None:
    """Write elements ``start, start + 1, ...`` of a segment; ``law`` holds its six numbers."""
    x = np.empty((4, BLOCK), np.float32)
    done = 0
    while done < out.size:
        place = start + done
        column = place % run
        first = base + place // run * stride + column
        skipped = first & 3
        count = min(run - column, out.size - done, 4 * BLOCK - skipped)
        groups = (skipped + count + 3) >> 2
        draw(x, groups, np.uint64(first >> 2), stream, key)
        if quantiles:
            for lane in range(4):
                quantile(x[lane], groups, law[2], law[3])
        store(out[done : done + count], x, skipped, law)
        done += count


@compiled
def draw(x: Array, groups: int, counter: np.uint64, stream: np.uint64, key: np.uint64) -> None:
    """Odd multiples of 2^-24, from Philox's words."""
    for j in range(groups):
        c0 = (counter + np.uint64(j)) & MASK
        c1 = (counter + np.uint64(j)) >> HALF
        c2 = stream & MASK
        c3 = stream >> HALF
        k0 = key & MASK
        k1 = key >> HALF
        for _ in range(ROUNDS):
            p0 = M0 * c0
            p1 = M1 * c2
            c0 = (p1 >> HALF) ^ c1 ^ k0
            c2 = (p0 >> HALF) ^ c3 ^ k1
            c1 = p1 & MASK
            c3 = p0 & MASK
            k0 = (k0 + K0) & MASK
            k1 = (k1 + K1) & MASK
        x[0, j] = np.float32((np.int32(c0) >> UNUSED) | ODD) * UNIT
        x[1, j] = np.float32((np.int32(c1) >> UNUSED) | ODD) * UNIT
        x[2, j] = np.float32((np.int32(c2) >> UNUSED) | ODD) * UNIT
        x[3, j] = np.float32((np.int32(c3) >> UNUSED) | ODD) * UNIT


@compiled
def quantile(x: Array, count: int, middle: np.float32, spread: np.float32) -> None:
    """The inverse of ``2 * Phi - 1``, in place."""
    for j in range(count):
        y = x[j] * spread
        y = y + middle
        size = abs(y)
        t = np.float32((ONE - size) * (size + ONE)).view(np.int32)
        exponent = np.int32(np.int32(t - ROOT_HALF) >> MANTISSA)
        r = np.int32(t - np.int32(exponent << MANTISSA)).view(np.float32) - ONE
        p = (((((((r * L7) + L6) * r + L5) * r + L4) * r + L3) * r + L2) * r + L1) * r + L0
        w = np.float32(-exponent) - p * r
        near = w < SPLIT
        v = w - (CENTRE_AT if near else TAIL_AT)
        p = (C7 if near else T7) * v + (C6 if near else T6)
        p = p * v + (C5 if near else T5)
        p = p * v + (C4 if near else T4)
        p = p * v + (C3 if near else T3)
        p = p * v + (C2 if near else T2)
        p = p * v + (C1 if near else T1)
        p = p * v + (C0 if near else T0)
        x[j] = y * p


@compiled
def store(out: Array, x: Array, skipped: int, law: Array) -> None:
    """Write the numbers in order of their elements, scaled, shifted, clamped."""
    scale, shift, low, high = law[0], law[1], law[4], law[5]
    if skipped:
        for i in range(out.size):
            e = skipped + i
            out[i] = min(max(x[e & 3, e >> 2] * scale + shift, low), high)
        return
    for j in range(out.size >> 2):
        out[4 * j] = min(max(x[0, j] * scale + shift, low), high)
        out[4 * j + 1] = min(max(x[1, j] * scale + shift, low), high)
        out[4 * j + 2] = min(max(x[2, j] * scale + shift, low), high)
        out[4 * j + 3] = min(max(x[3, j] * scale + shift, low), high)
    for i in range(out.size & ~3, out.size):
        out[i] = min(max(x[i & 3, i >> 2] * scale + shift, low), high)

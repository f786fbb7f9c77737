"""One launch for all segments of a dtype: the table that the Triton kernel reads, and the call.

A row of the table is a segment, or part of a very large one; a program finds its row by the first
program of each. Rows whose runs start and end between counters, in memory aligned to 16 bytes, are
launched apart from others, with wider stores. Triton is imported where it runs; under
``TRITON_INTERPRET=1`` the kernel runs on the CPU.
"""

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch

from mupfx.kernels.segment import Segment

GROUPS, WARPS = 1024, 8
INTERPRETED_GROUPS = 2**14
"""A program of the interpreter costs 75 ms, whatever it does."""
MOST = 2**29
"""Groups of a row: they are counted in 32 bits."""
HALF = 2**32

FORMATS: Mapping[torch.dtype, tuple[str, str]] = {
    torch.float64: ("float64", "float64"),
    torch.float32: ("float32", "float32"),
    torch.float16: ("float16", "float16"),
    torch.bfloat16: ("bfloat16", "bfloat16"),
    torch.float8_e4m3fn: ("float8_e4m3fn", "int8"),
    torch.float8_e5m2: ("float8_e5m2", "int8"),
}
"""What values are rounded to, and the type that is stored."""
INTERPRETED_BFLOAT16 = ("bfloat16 bits", "int16")
"""The interpreter cuts bits off where the hardware rounds."""


@dataclass(frozen=True, slots=True)
class Row:
    """A segment as the kernel reads it: ten integers, and the six numbers of its law.

    Pointer, base, run, stride, counters of a run, counters in all, stream, kind, and the multiplier
    and shift that divide by the counters of a run.
    """

    segment: Segment
    per_run: int
    """Counters that a run touches, at most."""
    aligned: bool

    @property
    def runs(self) -> int:
        """How many there are."""
        return self.segment.out.numel() // self.segment.run

    @property
    def groups(self) -> int:
        """Counters in all."""
        return self.per_run * self.runs


def interpreted() -> bool:
    """Whether kernels run on the CPU, in Python."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def available(device: torch.device) -> bool:
    """Whether the kernel runs on a device."""
    able = device.type in {"cuda", "xpu"} or (interpreted() and device.type == "cpu")
    return able and find_spec("triton") is not None


def fill(segments: Sequence[Segment], key: int) -> None:
    """Write every element of segments of one device."""
    sorts: defaultdict[tuple[torch.dtype, bool], list[Row]] = defaultdict(list)
    for segment in segments:
        for row in rows(segment):
            sorts[segment.out.dtype, row.aligned].append(row)
    for (dtype, aligned), found in sorts.items():
        _launch(found, key, dtype, aligned=aligned)


def rows(segment: Segment) -> Iterator[Row]:
    """A segment, cut where it has more counters than a row can count."""
    single = segment.out.numel() == segment.run
    step = 4 * MOST if single else max(1, MOST // _touched(segment, single=single)) * segment.run
    for piece in segment.pieces(step):
        base = piece.base + (piece.start if single else piece.start // piece.run * piece.stride)
        run = piece.out.numel() if single else piece.run
        moved = replace(piece, base=base, run=run, start=0)
        yield Row(moved, _touched(moved, single=single), _aligned(moved, single=single))


def _touched(segment: Segment, *, single: bool) -> int:
    """Counters that a run touches: of several, wherever they start."""
    if single:
        return (segment.base + segment.run + 3) // 4 - segment.base // 4
    return segment.run // 4 if _aligned(segment, single=single) else (segment.run + 6) // 4


def _aligned(segment: Segment, *, single: bool) -> bool:
    strides = () if single else (segment.stride,)
    counted = all(n % 4 == 0 for n in (segment.base, segment.run, *strides))
    return counted and segment.out.data_ptr() % 16 == 0


def divider(by: int) -> tuple[int, int]:
    """``multiplier, shift`` with ``n // by == n * multiplier >> shift`` for ``0 <= n < 2^31``.

    >>> multiplier, shift = divider(7)
    >>> (2**31 - 1) * multiplier >> shift == (2**31 - 1) // 7
    True
    """
    shift = 31 + (by - 1).bit_length()
    return -(-(1 << shift) // by), shift


def _launch(found: Sequence[Row], key: int, dtype: torch.dtype, *, aligned: bool) -> None:
    kernels, device = kernel_module(), found[0].segment.out.device
    groups = INTERPRETED_GROUPS if interpreted() else GROUPS
    places, laws, firsts, programs = table(found, groups)
    with _current(device):
        kernels.fill[(programs,)](
            places.to(device),
            laws.to(device),
            firsts.to(device),
            len(found),
            signed(key % HALF),
            signed(key // HALF),
            **constants(kernels, dtype, len(found), groups, aligned=aligned),
            num_warps=WARPS,
            enable_fp_fusion=False,
        )


def constants(
    kernels: ModuleType, dtype: torch.dtype, count: int, groups: int, *, aligned: bool
) -> dict[str, Any]:
    """What the kernel is compiled for."""
    bits = interpreted() and dtype is torch.bfloat16
    form, stored = INTERPRETED_BFLOAT16 if bits else FORMATS[dtype]
    return {
        "form": form,
        "stored": getattr(kernels.tl, stored),
        "aligned": aligned,
        "groups": groups,
        "steps": count.bit_length(),
    }


def table(
    found: Sequence[Row], groups: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
    """Places, laws, the first program of each row, and the number of programs."""
    firsts = [0]
    for row in found:
        firsts.append(firsts[-1] + -(-row.groups // groups))
    return (
        torch.tensor([_place(row) for row in found], dtype=torch.int64, device="cpu"),
        torch.tensor([_law(row) for row in found], dtype=torch.float32, device="cpu"),
        torch.tensor(firsts[:-1], dtype=torch.int32, device="cpu"),
        firsts[-1],
    )


def _place(row: Row) -> tuple[int, ...]:
    s = row.segment
    multiplier, shift = (0, 0) if row.runs == 1 else divider(row.per_run)
    stream = s.stream if s.stream < 2**63 else s.stream - 2**64
    return (
        s.out.data_ptr(), s.base, s.run, s.stride, row.per_run, row.groups, stream,
        int(s.draw.kind), multiplier, shift,
    )  # fmt: skip


def _law(row: Row) -> tuple[float, ...]:
    d = row.segment.draw
    return d.scale, d.shift, d.middle, d.spread, d.low, d.high


def signed(half: int) -> int:
    """32 bits as the integer that Triton takes them for, whatever they are."""
    return half - HALF if half >= HALF // 2 else half


def kernel_module() -> ModuleType:
    """The module of kernels."""
    return import_module("mupfx.kernels.fused")


def _current(device: torch.device) -> Any:
    """Triton launches on the current device, whatever its arguments lie on."""
    return nullcontext() if device.type == "cpu" else getattr(torch, device.type).device(device)

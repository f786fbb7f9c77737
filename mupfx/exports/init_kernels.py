"""``init_kernels.py``: the starting values of one model as a program that needs torch alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import inf
from typing import Any

from mupfx.exports.bundle import bundle
from mupfx.kernels.draw import Draw
from mupfx.kernels.spec import VERSION
from mupfx.kernels.start import Start

ENTRIES = ("mupfx.kernels.fused", "mupfx.kernels.standalone")
KERNEL = '''
from types import SimpleNamespace
import triton.language as tl
from mupfx.kernels import fused
def kernel_module() -> SimpleNamespace:
    """The kernel, and Triton's types."""
    return SimpleNamespace(fill=fused.fill, tl=tl)
'''
PATHS = """
PATHS: Mapping[str, Callable[[Sequence[Segment], int], None]] = {
    "triton": launch.fill,
    "eager": _eager,
    "copied": _copied,
}
"""
PATH = '''
def _path(device: torch.device, asked: str | None) -> str:
    """The fastest path for a device, or the one asked for."""
    if asked is not None:
        return asked
    if launch.available(device):
        return "triton"
    return "eager" if device.type in {"cpu", "cuda"} else "copied"
'''
REPLACED: Mapping[str, Mapping[str, str]] = {
    "mupfx.errors": {"": "What is refused, and why."},
    "mupfx.kernels.launch": {"kernel_module": KERNEL},
    "mupfx.kernels.fill": {"PATHS": PATHS, "_path": PATH},
    "mupfx.kernels.standalone": {"TABLE": "", "TIED": "", "HASH": ""},
}
"""What the file has otherwise than the library: the machine code for CPUs is not in it."""

HEAD = '''"""Starting values of {title}.

Written by mupfx; needs torch, and for its kernel Triton. Values depend on the seed, the parameter's
name and the place in it alone: not on device, sharding or processes; a dtype rounds them once.

    python init_kernels.py start.pt --seed 0          writes a state dict
    init_kernels.init_(model, seed=0)                 fills a model, FSDP2 and tensor parallel too

Buffers are not in it.{outside}

generator  {version}
table      {hash}
"""
'''
OUTSIDE = """ Nor is what the model itself has to multiply, or it is in no parametrization:
"""
ROWS = """\
# Shape, dtype, law: its kind, then scale, shift, middle, spread, low, high, as needed: see Draw.
# Then parts that have laws of their own, as boxes: by dimension the first entry, how many, the step
# between them. Then another parameter whose numbers these are.
TABLE = {"""


@dataclass(frozen=True, slots=True)
class Row:
    """One parameter, as the file has it."""

    start: Start
    dtype: str
    note: str = ""
    """A word on where its law is from."""


def init_kernels(
    title: str, rows: Mapping[str, Row], tied: Mapping[str, str], outside: Sequence[str] = ()
) -> str:
    """The program.

    Args:
        title: Of the model, part of one line.
        rows: Parameters, by name.
        tied: Other names of parameters, and the first.
        outside: Multipliers that no value carries, a line each.
    """
    table = {name: _row(row) for name, row in rows.items()}
    key = sha256(repr((table, dict(tied))).encode()).hexdigest()
    imports, body = bundle(ENTRIES, REPLACED)
    infinity = "from math import inf\n" if "inf" in repr(tuple(table.values())) else ""
    notes = {name: f"  # {row.note}" if row.note else "" for name, row in rows.items()}
    return "\n".join(
        [
            HEAD.format(title=title, version=VERSION, hash=key, outside=_outside(outside)),
            f"{infinity}{imports}\n",
            ROWS,
            *(f"    {name!r}: {row!r},{notes[name]}" for name, row in table.items()),
            "}",
            "TIED = {",
            *(f"    {name!r}: {first!r}," for name, first in tied.items()),
            "}",
            f'HASH = "{key}"\n\n',
            f"{body}\n",
        ]
    )


def _outside(lines: Sequence[str]) -> str:
    return OUTSIDE + "".join(f"\n    {line}" for line in lines) if lines else ""


def _row(row: Row) -> tuple[Any, ...]:
    start = row.start
    parts = tuple((tuple(map(tuple, box)), _law(draw)) for box, draw in start.parts)
    found = (tuple(start.shape), row.dtype, _law(start.draw), parts, start.like)
    return found if start.like else found[:4] if parts else found[:3]


def _law(draw: Draw) -> tuple[Any, ...]:
    numbers = (draw.scale, draw.shift, draw.middle, draw.spread, draw.low, draw.high)
    plain = numbers[2:] == (0.0, 1.0, -inf, inf)
    return (draw.kind.name.lower(), *(numbers[:2] if plain else numbers))

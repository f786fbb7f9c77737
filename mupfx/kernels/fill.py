"""Fill tensors, each on the fastest path there is for its device; all paths give the same bits.

::

    triton   CUDA, ROCm, XPU: all tensors of one dtype in one launch
    native   CPU, where numba is installed
    eager    CPU, CUDA: the same in torch's operations
    copied   any other device: drawn on the CPU, then copied
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from mupfx.errors import InitError
from mupfx.kernels import eager, launch, native
from mupfx.kernels.draw import Draw
from mupfx.kernels.segment import Part, Segment, segments
from mupfx.kernels.shards import is_sharded, shares
from mupfx.kernels.streams import key_of, streams_of

DTYPES = frozenset(
    {
        torch.float64, torch.float32, torch.float16, torch.bfloat16,
        torch.float8_e4m3fn, torch.float8_e5m2,
    }
)  # fmt: skip
PIECE = 2**24
"""Elements that are copied at a time."""


@dataclass(frozen=True, slots=True)
class Job:
    """A tensor, and what it is to hold."""

    out: Tensor = field(repr=False)
    """A DTensor is filled where it lies in this process."""
    draw: Draw
    name: str
    """Whose numbers: the parameter's name."""
    part: Part | None = None
    """Which part of that parameter; None for all of it, as for a DTensor always."""


def fill_(jobs: Iterable[Job], *, seed: int, nested: bool = False, path: str | None = None) -> None:
    """Fill tensors in place; nobody's generator is asked or moved.

    Args:
        jobs: What to fill, on any devices.
        seed: Of 64 bits.
        nested: Draw a matrix so that it is the corner of every wider one of its name.
        path: ``"eager"``, ``"native"``, ``"triton"`` or ``"copied"``, instead of the fastest.

    Raises:
        InitError: A tensor cannot be filled, or not on that path.

    >>> from mupfx.kernels.draw import uniform
    >>> weight = torch.empty(2, 2)
    >>> fill_([Job(weight, uniform(-1, 1), "weight")], seed=0)
    >>> weight
    tensor([[ 0.0511,  0.9451],
            [-0.7087,  0.4296]])
    """
    jobs, key = tuple(jobs), key_of(seed)
    streams = streams_of(dict.fromkeys(job.name for job in jobs))
    for job in jobs:
        require_values(job.out, job.name)
        if job.part is not None and is_sharded(job.out):
            raise InitError("a DTensor is no part of another tensor", where=job.name)
    held = [(job, *share) for job in jobs for share in _shares(job)]
    with torch.no_grad():
        dense = [_dense(out, job.name) for job, out, _ in held]
        by_device: defaultdict[torch.device, list[Segment]] = defaultdict(list)
        for (job, _, part), memory in zip(held, dense, strict=True):
            cut = segments(memory, job.draw, streams[job.name], part, nested=nested)
            by_device[memory.device].extend(cut)
        for device, found in by_device.items():
            PATHS[_path(device, path)](found, key)
        for (job, out, _), memory in zip(held, dense, strict=True):
            _hand_over(memory, out)
            if is_sharded(job.out):
                increment_version(job.out)


def _shares(job: Job) -> Iterator[tuple[Tensor, Part]]:
    """The memory that this process has of it, and where that lies."""
    return shares(job.out) if job.part is None else iter([(job.out, job.part)])


def _eager(found: Sequence[Segment], key: int) -> None:
    for segment in found:
        eager.fill(segment, key)


def _copied(found: Sequence[Segment], key: int) -> None:
    fill = PATHS[_path(torch.device("cpu"), None)]
    for segment in found:
        for piece in segment.pieces(PIECE):
            here = torch.empty_like(piece.out, device="cpu")
            fill([replace(piece, out=here)], key)
            piece.out.copy_(here)


PATHS: Mapping[str, Callable[[Sequence[Segment], int], None]] = {
    "triton": launch.fill,
    "native": native.fill,
    "eager": _eager,
    "copied": _copied,
}
ABLE: Mapping[str, Callable[[torch.device], bool]] = {
    "triton": launch.available,
    "native": native.available,
    "eager": lambda device: device.type in {"cpu", "cuda"},
    "copied": lambda _: True,
}


def _path(device: torch.device, asked: str | None) -> str:
    """The fastest path for a device, or the one asked for."""
    if asked is None:
        order = ("native", "eager") if device.type == "cpu" else ("triton", "eager", "copied")
        return next(path for path in order if ABLE[path](device))
    if asked not in PATHS or not ABLE[asked](device):
        raise InitError(
            f"tensors on {device.type} cannot be filled on the path {asked!r}",
            expected=" or ".join(repr(path) for path, able in ABLE.items() if able(device)),
            hint="path=None takes the fastest that runs",
        )
    return asked


def require_values(tensor: Tensor, name: str) -> None:
    """Refuse what has no memory, or is of no dtype that random numbers have.

    Raises:
        InitError: It is on the meta device, or holds integers.
    """
    if tensor.is_meta or tensor.dtype not in DTYPES:
        raise InitError(
            "a tensor cannot be filled with random numbers",
            where=name,
            expected="memory of a floating point dtype",
            found=f"{tensor.dtype} on {tensor.device}",
        )


def _dense(out: Tensor, name: str) -> Tensor:
    """Memory for the elements, row by row: the tensor's own where they lie so."""
    plain = out.detach()
    if type(plain) is not Tensor:
        raise InitError(
            "a tensor of its own class may hold anything",
            where=name,
            expected="a torch.Tensor, nn.Parameter or DTensor",
            found=type(plain).__name__,
        )
    if plain.is_contiguous():
        return plain
    return torch.empty(plain.shape, dtype=plain.dtype, device=plain.device)


def _hand_over(memory: Tensor, out: Tensor) -> None:
    if memory.data_ptr() == out.data_ptr():
        increment_version(out)
    else:
        out.copy_(memory)

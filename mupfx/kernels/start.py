"""How all parameters of a model start: one law each, and others for parts of them.

::

    {"embed.weight": Start((512, 64), normal(0.02), parts=((padding, constant(0)),))}

is a table in which one row is zero: ``padding = ((0, 1, 1), (0, 64, 1))``.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest

from torch import Tensor

from mupfx.errors import InitError
from mupfx.kernels.draw import Draw
from mupfx.kernels.fill import Job, fill_
from mupfx.kernels.shards import Box, crop, shares


@dataclass(frozen=True, slots=True)
class Start:
    """How one parameter starts."""

    shape: tuple[int, ...]
    """Of the whole parameter, however it is spread."""
    draw: Draw
    parts: tuple[tuple[Box, Draw], ...] = ()
    """Entries of other laws, later ones over earlier ones."""
    like: str = ""
    """Whose numbers: another parameter's, where both are drawn alike."""


def start_(
    tensors: Mapping[str, Tensor],
    starts: Mapping[str, Start],
    *,
    seed: int,
    nested: bool = False,
    path: str | None = None,
) -> None:
    """Fill parameters in place.

    Args:
        tensors: By name; a DTensor is filled where it lies in this process.
        starts: By the same names.
        seed: Of 64 bits.
        nested: Draw a matrix so that it is the corner of every wider one of its name.
        path: As ``fill_`` has it.

    Raises:
        InitError: Names or shapes differ, or a tensor cannot be filled.
    """
    require_same(tensors, starts)
    rounds = zip_longest(*(_jobs(tensor, name, starts[name]) for name, tensor in tensors.items()))
    for jobs in rounds:  # a part is drawn over what was drawn before it
        fill_(_flat(jobs), seed=seed, nested=nested, path=path)


def require_same(tensors: Mapping[str, Tensor], starts: Mapping[str, Start]) -> None:
    """Refuse another model.

    Raises:
        InitError: Names or shapes differ.
    """
    if other := sorted(tensors.keys() ^ starts.keys()):
        raise InitError(
            "these are not the parameters that are to be filled",
            expected=f"{len(starts)} parameters",
            found=f"{len(tensors)}; only here or only there: {', '.join(other[:5])}",
        )
    for name, tensor in tensors.items():
        if tuple(tensor.shape) != tuple(starts[name].shape):
            raise InitError(
                "a parameter has another shape than the one that is to be filled",
                where=name,
                expected=str(tuple(starts[name].shape)),
                found=str(tuple(tensor.shape)),
            )


def _jobs(tensor: Tensor, name: str, start: Start) -> Iterator[list[Job]]:
    """All of it, then each part."""
    numbers = start.like or name
    yield [Job(tensor, start.draw, numbers)]
    for box, draw in start.parts:
        boxes = (crop(out, part, box) for out, part in shares(tensor))
        yield [Job(out, draw, numbers, part) for out, part in boxes]


def _flat(jobs: Iterable[list[Job] | None]) -> Iterator[Job]:
    return (job for some in jobs for job in some or ())

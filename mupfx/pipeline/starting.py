"""Give the parameters of a model their starting values: captured laws times the plan's factors.

Every process fills what it holds of a parameter, so a parameter that is spread over processes is
never whole anywhere. Orthogonal and sparse matrices are: one after the other, for a moment.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isinf

import torch
from torch import Tensor

from mupfx.core.drawn import Box, Drawn, Shape, affine
from mupfx.core.plan import InitPlan, Plan
from mupfx.errors import InitError
from mupfx.kernels import draw as kernels
from mupfx.kernels.fill import Job, fill_
from mupfx.kernels.shards import crop, shares
from mupfx.kernels.start import Start, start_


@dataclass(frozen=True, slots=True)
class Starts:
    """What is known of how parameters and buffers start, by name."""

    drawn: Mapping[str, Drawn]
    values: Mapping[str, Tensor] = field(default_factory=dict)
    """Of those that no law gives, and of buffers."""


def initialise(
    tensors: Mapping[str, Tensor], starts: Starts, plan: Plan, *, seed: int, nested: bool = False
) -> None:
    """Fill parameters and buffers in place; nobody's generator is asked.

    Args:
        tensors: By the names of the plan; buffers, which it lacks, start as they were.
        starts: Laws, or values.
        plan: Its factors.
        seed: Of 64 bits.
        nested: Draw a matrix so that it is the corner of every wider one of its name.

    Raises:
        InitError: A tensor cannot be filled.
    """
    inits = {name: p.init for name, p in plan.parameters.items()}
    rows: dict[str, Start] = {}
    for name, tensor in tensors.items():
        init, law = inits.get(name), starts.drawn.get(name)
        factor = 1.0 if init is None else init.factor
        law = None if law is None else affine(law, factor)
        computed = name in starts.values and (init is None or law is None or not placed(law))
        if law is not None and not computed and tensor.is_floating_point() and _by_kernel(law):
            rows[name] = _start(tensor, law, zeros_of(tensor, init))
            continue
        if computed:
            _place(tensor, starts.values[name], factor)
        else:
            _place(tensor, _whole(name, tensor, law, seed))
        _clear(tensor, zeros_of(tensor, init))
    start_({name: tensors[name] for name in rows}, rows, seed=seed, nested=nested)


def start_of(tensor: Tensor, law: Drawn, init: InitPlan | None) -> Start | None:
    """How a parameter starts by a law of stored values; None where the kernels have no such law."""
    return _start(tensor, law, zeros_of(tensor, init)) if _by_kernel(law) else None


def _by_kernel(law: Drawn) -> bool:
    return law.known and all(one.shape in _KERNELS for one in (law, *(p for _, p in law.parts)))


_KERNELS = frozenset({Shape.NORMAL, Shape.UNIFORM, Shape.TRUNCATED, Shape.CONSTANT})


def _start(tensor: Tensor, law: Drawn, zeros: Iterator[Box]) -> Start:
    parts = [(box, kernel_draw(part)) for box, part in law.parts]
    parts += [(box, kernels.constant(0.0)) for box in zeros]
    return Start(tuple(tensor.shape), kernel_draw(law), tuple(parts), law.like)


def kernel_draw(law: Drawn) -> kernels.Draw:
    """A law as the kernels take it.

    >>> kernel_draw(Drawn(Shape.UNIFORM, scale=0.5)).scale
    0.5
    """
    at, scale = law.location, abs(law.scale)
    if law.shape is Shape.CONSTANT:
        return kernels.constant(at)
    if law.shape is Shape.UNIFORM:
        return kernels.uniform(at - scale, at + scale)
    if law.shape is Shape.NORMAL:
        return kernels.normal(scale, at)
    low, high = (b if isinf(b) else at + scale * b for b in (law.low, law.high))
    return kernels.truncated(scale, at, low, high)


def zeros_of(tensor: Tensor, init: InitPlan | None) -> Iterator[Box]:
    """Parts that the plan starts at zero, as boxes."""
    for dim, start, stop, period in () if init is None else init.zeros:
        size = tensor.shape[dim]
        if period == size:
            yield _along(tensor, dim, (start, stop - start, 1))
            continue
        for first in range(start, stop):
            yield _along(tensor, dim, (first, -(-(size - first) // period), period))


def _along(tensor: Tensor, dim: int, entries: tuple[int, int, int]) -> Box:
    return tuple(entries if d == dim else (0, n, 1) for d, n in enumerate(tensor.shape))


def _whole(name: str, tensor: Tensor, law: Drawn | None, seed: int) -> Tensor:
    """All values of a parameter that the kernels have no law for."""
    if law is not None and law.shape is Shape.CONSTANT and not law.parts:
        return torch.full(tensor.shape, law.location, dtype=tensor.dtype, device="cpu")
    if law is None or law.shape not in _MADE or law.parts:
        raise InitError(
            f"nobody can tell how {name!r} starts",
            where=name if law is None else f"{name}, {law.source}",
            found="no law" if law is None else str(law),
        )
    return _MADE[law.shape](law, tuple(tensor.shape), law.like or name, seed).mul_(law.scale)


def _place(tensor: Tensor, whole: Tensor, factor: float = 1.0) -> None:
    with torch.no_grad():
        for out, part in shares(tensor):
            sizes = zip(part.offsets, out.shape, strict=True)
            piece = whole[tuple(slice(first, first + count) for first, count in sizes)]
            out.copy_(piece if factor == 1.0 else piece * factor)


def _clear(tensor: Tensor, zeros: Iterator[Box]) -> None:
    with torch.no_grad():
        for box in zeros:
            for out, part in shares(tensor):
                crop(out, part, box)[0].zero_()


def _normal(shape: tuple[int, ...], name: str, seed: int) -> Tensor:
    made = torch.empty(shape, dtype=torch.float32, device="cpu")
    fill_([Job(made, kernels.normal(1.0), name)], seed=seed)
    return made


def _orthogonal(_: Drawn, shape: tuple[int, ...], name: str, seed: int) -> Tensor:
    """Uniform among orthogonal matrices: Mezzadri 2007 (arXiv:math-ph/0609050), section 5."""
    normal = _normal(shape, name, seed).flatten(1)
    upright = normal if normal.shape[0] >= normal.shape[1] else normal.T
    matrix, triangle = torch.linalg.qr(upright)
    made: Tensor = matrix * triangle.diagonal().sign()
    return (made if upright is normal else made.T).reshape(shape)


def _sparse(law: Drawn, shape: tuple[int, ...], name: str, seed: int) -> Tensor:
    """Zero where other numbers are least, as many in each column as were."""
    made = _normal(shape, name, seed)
    zeros = round((1 - law.density) * shape[0])
    least = _normal(shape, f"{name} is zero", seed).argsort(0)[:zeros]
    return made.scatter_(0, least, 0.0)


def _eye(_: Drawn, shape: tuple[int, ...], __: str, ___: int) -> Tensor:
    return torch.eye(*shape, device="cpu")


def _dirac(law: Drawn, shape: tuple[int, ...], _: str, __: int) -> Tensor:
    return torch.nn.init.dirac_(torch.empty(shape, device="cpu"), law.groups)


_MADE = {
    Shape.ORTHOGONAL: _orthogonal,
    Shape.SPARSE: _sparse,
    Shape.EYE: _eye,
    Shape.DIRAC: _dirac,
}


def placed(law: Drawn) -> bool:
    """Whether a law alone makes values.

    >>> placed(Drawn(Shape.ORTHOGONAL)), placed(Drawn(Shape.GIVEN))
    (True, False)
    """
    return _by_kernel(law) or (law.shape in _MADE and not law.parts)

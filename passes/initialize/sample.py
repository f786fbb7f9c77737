"""What the values of a tensor show: their std, how they are spread, whether rows are orthogonal.

A few numbers of at most a million elements; the tensor itself is only read.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

ENOUGH = 2**20
PROBES = 32


@dataclass(frozen=True, slots=True)
class Sample:
    """Moments of a tensor's values, zeros left out (padding rows, sparse initialisations)."""

    count: int
    """Elements looked at that are not zero."""
    mean: float
    std: float
    """Root mean square: every law but a fill is centred on zero."""
    kurtosis: float
    peak: float
    """Largest absolute value."""
    precision: float
    """Relative rounding of the tensor's dtype."""
    fill: float | None = None
    """The value, where it is the same everywhere."""
    orthogonal: bool = False

    @property
    def drawn(self) -> bool:
        """Whether there is anything random to look at: finite numbers that differ."""
        return self.fill is None and math.isfinite(self.kurtosis)

    @property
    def error(self) -> float:
        """Relative standard error of the std."""
        return math.sqrt(max(self.kurtosis - 1, 0.1) / (4 * self.count))


def measure(values: Tensor) -> Sample | None:
    """Look at a tensor's values; None where there are none to look at.

    >>> measure(torch.zeros(2, 3)).fill
    0.0
    """
    if values.is_meta or not values.is_floating_point() or not values.numel():
        return None
    with torch.no_grad():
        values = _whole(values.detach())
        low, high = (float(edge) for edge in values.aminmax())
        precision = torch.finfo(values.dtype).eps
        if low == high:
            return Sample(values.numel(), low, 0.0, 1.0, abs(low), precision, fill=low)
        return _moments(_thinned(values), precision, orthogonal=_orthogonal(values))


def one_value(values: Tensor) -> float | None:
    """The value that a tensor holds everywhere; None where there are several, or none.

    >>> one_value(torch.ones(2)), one_value(torch.arange(2.0))
    (1.0, None)
    """
    found = measure(values)
    return None if found is None else found.fill


def _moments(numbers: Tensor, precision: float, *, orthogonal: bool) -> Sample:
    if not orthogonal:
        numbers = numbers[numbers != 0]
    square = float(numbers.square().mean())
    return Sample(
        count=numbers.numel(),
        mean=float(numbers.mean()),
        std=math.sqrt(square),
        kurtosis=float(numbers.pow(4).mean()) / square**2,
        peak=float(numbers.abs().max()),
        precision=precision,
        orthogonal=orthogonal,
    )


def _whole(values: Tensor) -> Tensor:
    """All of a tensor that is spread over processes: each must come to the same answer."""
    if type(values) is Tensor or not torch.distributed.is_available():
        return values
    from torch.distributed.tensor import DTensor  # noqa: PLC0415  (half a second)

    return values.full_tensor() if isinstance(values, DTensor) else values


def _thinned(values: Tensor) -> Tensor:
    """Every n-th element, n odd so as not to walk down one column."""
    flat = values.reshape(-1)
    step = max(1, -(-flat.numel() // ENOUGH)) | 1
    return flat[::step].to("cpu", torch.float64)


def _orthogonal(values: Tensor) -> bool:
    """Whether a few of the fewer of rows and columns are orthogonal and of one length."""
    if values.ndim < 2 or min(values.shape) < 1:
        return False
    matrix = values.reshape(values.shape[0], -1)
    if matrix.shape[0] > matrix.shape[1]:
        matrix = matrix.mT
    few = matrix[:: max(1, matrix.shape[0] // PROBES)].to("cpu", torch.float64)
    few = few[few.square().sum(1) > 0]
    if len(few) < 2:
        return False
    gram = few @ few.mT
    length = float(gram.diagonal().mean())
    slack = max(torch.finfo(values.dtype).eps, 1e-5)
    return float((gram - length * torch.eye(len(few))).abs().max()) < slack * length

"""What an optimizer of no known kind makes of gradients, as its first step shows.

Muon's and Shampoo's updates have singular values that are all alike, Adam's and SGD's a few that
are large. With ``s`` for them, ``flatness`` is the cosine between ``s`` and ``s^3``::

    U V^T   1.00      random signs, square   0.89      signs of a gradient   0.7
"""

from collections.abc import Iterator

from torch import Tensor
from torch.optim import Optimizer

from mupfx.core.setup import Setup
from mupfx.observables.kept import Kept, at_the_place_of, key_of
from mupfx.pipeline.checking.readings import is_known

FLAT = 0.9
"""Less than this, and singular values are not alike. Five steps of Newton and Schulz leave 0.92."""


def orthogonal(setup: Setup, kept: Kept) -> frozenset[str]:
    """Parameters that moved by an orthogonal matrix since they were kept; of known kinds none."""
    changes = _changes(setup, kept)
    return frozenset(name for name, change in changes if flatness(change) >= FLAT)


def _changes(setup: Setup, kept: Kept) -> Iterator[tuple[str, Tensor]]:
    names = {id(p): name for name, p in setup.model.named_parameters()}
    roots = kept.roots()
    for parameter in (p for o in setup.optimizers if not is_known(o) for p in _matrices(o)):
        root = roots.get(key_of(parameter) or 0)
        if root is not None and id(parameter) in names:
            now = parameter.detach()
            yield names[id(parameter)], now - at_the_place_of(now, root.copy)


def _matrices(optimizer: Optimizer) -> Iterator[Tensor]:
    return (p for group in optimizer.param_groups for p in group["params"] if p.ndim > 1)


def flatness(change: Tensor) -> float:
    """How alike the singular values of a matrix are, or of a stack of three axes; 1 if they are.

    >>> import torch
    >>> flatness(torch.eye(3)), round(flatness(torch.diag(torch.tensor([4.0, 1, 1]))), 2)
    (1.0, 0.95)
    """
    rows = change.double() if change.ndim == 3 else change.double().flatten(1)
    rows = rows.mT if rows.shape[-2] > rows.shape[-1] else rows
    second = rows @ rows.mT
    fourth = second @ second
    sums = (second.diagonal(dim1=-2, dim2=-1), second.square(), fourth * second)
    squares, fourths, sixths = (float(part.sum()) for part in sums)
    return fourths / (squares * sixths) ** 0.5 if squares > 0 and sixths > 0 else 0.0

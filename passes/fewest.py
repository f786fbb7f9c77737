"""Fewest deviations: the gauge in which the least of a model is wrong.

Every parameter has values of its multiplier at which one of its numbers is as it should be: one for
its init, one for its learning rate. Rows say which multipliers leave the function alone::

    row   a(gain) + a(head) + site = 1/2     wishes   a(head): -1, -1   a(gain): 0, 0   site: 0

Of all solutions the one that grants most wishes is looked for, by least squares whose weights fall
with what is left over, from many small differences to few large ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch

WIDEST, NARROWEST = 1.0, 1e-4
"""What is small, in the first round and in the last."""
STEP = 0.7
ROUNDS = 40
FIRST = 30.0
"""How much more those wishes are worth at first that a way begins with."""
FLAT = 1e-9
"""A row that is so near to a sum of others says nothing."""
KEPT = 1e-3
"""A solution is as wished where it is no farther off."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A value that an unknown should have, and how much that is worth."""

    name: str
    value: float
    worth: float = 1.0
    kind: str = ""
    """Wishes of one kind may be granted together: one way to begin with is to grant these."""


Form = Mapping[str, float]
ONE = ""


def fewest(rows: Sequence[Form], wishes: Sequence[Wish]) -> dict[str, float]:
    """Values of all unknowns that satisfy the rows, as far as they can be, and most wishes."""
    found: dict[str, float] = {}
    for names, own in _components(rows, wishes):
        found |= _solve(names, own, [w for w in wishes if w.name in names])
    return found


def _components(
    rows: Sequence[Form], wishes: Sequence[Wish]
) -> list[tuple[dict[str, int], list[Form]]]:
    """Unknowns that rows bind together, each with its place, and these rows."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for row in rows:
        names = [name for name in row if name != ONE]
        for name in names[1:]:
            parent[root(name)] = root(names[0])
    every = dict.fromkeys([w.name for w in wishes] + [n for r in rows for n in r if n != ONE])
    ordered = sorted(every, key=root)
    groups = [list(group) for _, group in groupby(ordered, key=root)]
    bound: dict[str, list[Form]] = {}
    for row in {tuple(sorted(row.items())): row for row in rows}.values():
        names = [name for name in row if name != ONE]
        if names:
            bound.setdefault(root(names[0]), []).append(row)
    return [
        ({name: i for i, name in enumerate(group)}, bound.get(root(group[0]), []))
        for group in groups
    ]


def _solve(
    places: Mapping[str, int], rows: Sequence[Form], wishes: Sequence[Wish]
) -> dict[str, float]:
    matrix = torch.zeros(len(rows), len(places), dtype=torch.float64)
    wanted = torch.tensor([-row.get(ONE, 0.0) for row in rows], dtype=torch.float64)
    for i, row in enumerate(rows):
        for name, value in row.items():
            if name != ONE:
                matrix[i, places[name]] = value
    targets = torch.tensor([w.value for w in wishes], dtype=torch.float64)
    worths = torch.tensor([w.worth for w in wishes], dtype=torch.float64)
    index = torch.tensor([places[w.name] for w in wishes], dtype=torch.long)
    kinds = dict.fromkeys(("", *(w.kind for w in wishes)))
    first = [torch.tensor([FIRST if w.kind == kind else 1.0 for w in wishes]) for kind in kinds]
    tried = [_descend(matrix, wanted, index, targets, worths, start) for start in first]
    found = min(tried, key=lambda a: _cost(a, index, targets, worths))
    return {name: _as_wished(float(found[i]), targets[index == i]) for name, i in places.items()}


def _cost(
    found: torch.Tensor, index: torch.Tensor, targets: torch.Tensor, worths: torch.Tensor
) -> float:
    """What wishes that were not granted are worth; rounded, so that of equals the first wins."""
    return round(float(worths[(targets - found[index]).abs() > KEPT].sum()), 6)


def _as_wished(value: float, targets: torch.Tensor) -> float:
    """The wish that was granted, if one was."""
    near = [float(t) for t in targets if abs(float(t) - value) < KEPT]
    return near[0] if near else value


def _descend(  # noqa: PLR0913, PLR0917 - a problem and its start
    matrix: torch.Tensor,
    wanted: torch.Tensor,
    index: torch.Tensor,
    targets: torch.Tensor,
    worths: torch.Tensor,
    first: torch.Tensor,
) -> torch.Tensor:
    """From the solution nearest to all wishes, or to some, to one that grants most."""
    start, moves = _solutions(matrix, wanted)
    near, weights, found = WIDEST, worths * first, start
    for _ in range(ROUNDS):
        root = weights.sqrt()
        left = (targets - start[index]) * root
        steps = moves[index] * root[:, None]
        found = start + moves @ torch.linalg.lstsq(steps, left, driver="gelsd").solution
        off = targets - found[index]
        if not (off.abs() > KEPT).any():
            break
        near = max(near * STEP, NARROWEST)
        weights = worths * near**2 / (off**2 + near**2)
    return found


def _solutions(matrix: torch.Tensor, wanted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """One solution of the rows, and the directions in which there are more."""
    count = matrix.shape[1]
    if not len(matrix):
        return torch.zeros(count, dtype=matrix.dtype), torch.eye(count, dtype=matrix.dtype)
    left, sizes, right = torch.linalg.svd(matrix, full_matrices=True)
    rank = int((sizes > FLAT * sizes.max()).sum())
    inverse = (left[:, :rank].T @ wanted) / sizes[:rank]
    return right[:rank].T @ inverse, right[rank:].T

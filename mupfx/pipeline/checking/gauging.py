"""Which constants are counted to which weights: the same function, and fewest numbers wrong.

A weight's init and its learning rate each say what its multiplier would have to be; where both say
the same, it is right in that gauge.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mupfx.core.vocabulary import Role, SiteKind
from mupfx.passes.fewest import Wish, fewest
from mupfx.passes.scalars import FAULT, ONE, SITE, Scales

WRITTEN = 0.5
"""What it is worth that a weight's multiplier is the constants that stand beside it."""
PLAIN = 2.0
"""The same where nothing in the code follows size: nobody wrote another gauge."""
OPEN = 0.01
"""What it is worth that a site is as the table says, where the table says nothing."""
STRAY = 4.0
"""What it is worth that a constant belongs to something."""
BRANCHES = 1.4
"""What it is worth that branches which are written alike add as much as the table says."""
ROLES = {Role.OUTPUT: 0.85, Role.HIDDEN: 0.9, Role.INPUT: 0.9}
"""Where a constant may be counted to several weights, vectors come last."""
NEAR = 0.93
"""And those first that the constant is next to."""


@dataclass(frozen=True, slots=True)
class Pull:
    """What one parameter's numbers say of its multiplier's exponent."""

    name: str
    role: Role
    init: float | None
    rate: float | None


def find_gauge(
    scales: Scales,
    pulls: Sequence[Pull],
    open_sites: frozenset[str],
    beside: Mapping[str, float],
    size: float,
) -> dict[str, float]:
    """Exponents of all multipliers, of sites and of faults, by their names in rows.

    Args:
        scales: What must be zero.
        pulls: What parameters say.
        open_sites: Names of sites that no rule is for.
        beside: Exponents of the constants that stand beside parameters.
        size: Logarithm of the size ratio.
    """
    rows = [{n: v / size if n == ONE else v for n, v in row.form.items()} for row in scales.rows]
    plain = not any(ONE in row for row in rows)
    wishes: list[Wish] = []
    for pull in pulls:  # before a norm a weight may be as large as it likes
        written = PLAIN if plain and pull.name not in scales.free else WRITTEN
        wishes += _of_pull(pull, beside.get(pull.name), written)
    unknown = sorted({name for row in rows for name in row if name.startswith((SITE, FAULT))})
    for name in unknown:
        free = name.removeprefix(SITE) in open_sites
        wishes.append(Wish(name, 0.0, OPEN if free else _worth(name)))
    return fewest(rows, wishes)


def _worth(unknown: str) -> float:
    """Branches share one fault, and it is to be worth more than one number of one weight."""
    if unknown.startswith(FAULT):
        return STRAY
    return BRANCHES if unknown.startswith(f"{SITE}{SiteKind.BRANCH}") else 1.0


def _of_pull(pull: Pull, beside: float | None, written: float) -> Iterator[Wish]:
    worth = ROLES.get(pull.role, 1.0) * (1.0 if beside is None else NEAR)
    for value, kind in ((pull.init, "init"), (pull.rate, "rate")):
        if value is not None:
            yield Wish(pull.name, value, worth, kind)
    yield Wish(pull.name, beside or 0.0, written, "written")

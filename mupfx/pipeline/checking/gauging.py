"""Which constants are counted to which weights: the same function, and fewest numbers wrong.

A weight's init and its learning rate each say what its multiplier would have to be; where both say
the same, it is right in that gauge.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mupfx.core.vocabulary import Role, SiteKind
from mupfx.passes.fewest import Wish, fewest
from mupfx.passes.scalars import FAULT, ONE, SITE, Scales

CANONICAL = 0.1
"""What it is worth that a weight has no multiplier at all, where nothing else decides."""
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
    scales: Scales, pulls: Sequence[Pull], open_sites: frozenset[str], size: float
) -> dict[str, float]:
    """Exponents of all multipliers, of sites and of faults, by their names in rows.

    Args:
        scales: What must be zero.
        pulls: What parameters say.
        open_sites: Names of sites that no rule is for.
        size: Logarithm of the size ratio.
    """
    rows = [{n: v / size if n == ONE else v for n, v in row.form.items()} for row in scales.rows]
    near = _near(scales)
    wishes = [wish for pull in pulls for wish in _of_pull(pull, near=pull.name in near)]
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


def _of_pull(pull: Pull, *, near: bool) -> Iterator[Wish]:
    worth = ROLES.get(pull.role, 1.0) * (NEAR if near else 1.0)
    for value in (pull.init, pull.rate):
        if value is not None:
            yield Wish(pull.name, value, worth)
    yield Wish(pull.name, 0.0, CANONICAL)


def _near(scales: Scales) -> frozenset[str]:
    """Parameters whose weight alone is in the value that a constant multiplies."""
    found = set()
    for constant in scales.constants:
        form: Mapping[str, float] = scales.forms.get(constant.node, {})
        names = [n for n in form if n != ONE and not n.startswith((SITE, FAULT))]
        found |= set(names) if len(names) == 1 else set()
    return frozenset(found)

"""What the walk over a graph found, and the answers that are given to it factor by factor."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import prod

from mupfx.core.vocabulary import Kind, Reason, Status
from mupfx.passes.axis_rules.factors import Dim, Factor, Piece, expand
from mupfx.passes.axis_rules.tracker import Tracker

OUTPUT = str(Reason.OUTPUT)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of one factor."""

    kind: Kind
    status: Status
    reason: Reason | None
    evidence: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What the walk found, for the conventions to look at."""

    tracker: Tracker
    parameters: Mapping[str, tuple[Dim, ...]]
    factors: tuple[Factor, ...]
    """Every root."""
    grow: str

    @property
    def based(self) -> bool:
        """Whether a base is there that grew."""
        return any(grew(factor) is not None for factor in self.factors)


Answers = dict[int, Answer]
"""By ``id`` of the root factor; a factor that is absent is still open."""


def roots(dims: Iterable[Piece]) -> list[Factor]:
    """Root factors of a dimension."""
    return [piece.factor for piece in expand(dims)]


def length(factors: Iterable[Factor]) -> int:
    """Entries along an axis of factors."""
    return prod(f.size[0] for f in factors)


def groups(facts: Facts) -> list[list[Factor]]:
    """Factors that stand together: in one dimension, or on one side of a contraction."""
    found = [
        side
        for name, dims in facts.parameters.items()
        for d, dim in enumerate(dims)
        for side in _sides(roots(dim), facts.tracker.halves.get((name, d), ()))
    ]
    for use in facts.tracker.uses:
        dims = facts.parameters.get(use.parameter, ())
        kept = [d for d in range(len(dims)) if d not in use.fan_in and d not in use.index]
        sides = (use.fan_in, kept) if use.fan_in else ()
        halves = {d: facts.tracker.halves.get((use.parameter, d)) for d in use.fan_in}
        found += [
            [f for d in side for f in roots(halves.get(d) or dims[d])]
            for side in sides
            if len(side) > 1
        ]
    return found


def _sides(factors: list[Factor], contracted: Iterable[Piece]) -> list[list[Factor]]:
    """A dimension's factors; what a flat weight contracts of one does not stand with the rest."""
    gone = {id(f) for f in roots(contracted)}
    sides = [[f for f in factors if (id(f) in gone) is inside] for inside in (True, False)]
    return [side for side in sides if side]


def sole_fan_in(facts: Facts, answers: Answers) -> set[int]:
    """Factors that some parameter contracts and nothing open beside: these must be able to grow."""
    found = set()
    for use in facts.tracker.uses:
        dims = facts.parameters.get(use.parameter, ())
        inside = [f for d in use.fan_in for f in roots(dims[d]) if not is_finite(answers, f)]
        if len(inside) == 1:
            found.add(id(inside[0]))
    return found


def grew(factor: Factor) -> Fraction | None:
    """Growth from the base; None without a base, or where the factor is as it was."""
    return Fraction(factor.size[0], factor.size[-1]) if len(set(factor.size)) > 1 else None


def is_finite(answers: Answers, factor: Factor) -> bool:
    """Whether a factor was answered, and as one that does not grow."""
    answer = answers.get(id(factor))
    return answer is not None and answer.kind is Kind.FINITE

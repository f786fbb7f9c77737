"""Which factors are width: what the marks say, then what growth the user means.

Certain facts come first (inputs, kernels, indices, selections, counted parts, plain outputs), then
the base if there is one, and only then conventions, which are answered as ``assumed``: head counts
grow and head sizes stay, one factor of an axis grows, a narrow linear bottleneck stays.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod

from mupfx.core.vocabulary import Kind, Reason, Status
from mupfx.passes.axis_rules.factors import Dim, Factor, Piece, expand, partition
from mupfx.passes.axis_rules.mixing import counted, given
from mupfx.passes.axis_rules.tracker import (
    ADDED,
    CONTRACTED,
    FEATURES,
    MADE,
    MATCHED,
    REPEATED,
    Tracker,
)

CERTAIN = (
    Reason.INPUT,
    Reason.BATCH,
    Reason.SPATIAL,
    Reason.INDEX,
    Reason.SELECTION,
    Reason.PARTS,
)
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
        return any(_grew(factor) is not None for factor in self.factors)


Answers = dict[int, Answer]
"""By ``id`` of the root factor; a factor that is absent is still open."""


def settle(facts: Facts) -> Answers:
    """An answer for every factor."""
    answers: Answers = {}
    _from_marks(facts, answers)
    _spread(facts, answers)
    _outputs(facts, answers)
    _spread(facts, answers)
    if facts.based:
        _from_base(facts, answers)
    else:
        _unmade(facts, answers)
        _bottlenecks(facts, answers)
        _one_grows(facts, answers, _heads(facts, answers))
        _spread(facts, answers)
    _widths(facts, answers)
    return answers


def roots(dims: Iterable[Piece]) -> list[Factor]:
    """Root factors of a dimension."""
    return [piece.factor for piece in expand(dims)]


STREAM = {FEATURES, ADDED, CONTRACTED}
"""Marks of a residual stream that starts in an input; one that no output has is read by a head."""


def _from_marks(facts: Facts, answers: Answers) -> None:
    alone = not facts.based
    for factor in facts.factors:
        if alone and factor.marks.keys() >= STREAM and OUTPUT not in factor.marks:
            said = f"{factor.marks[FEATURES]}, and a residual stream that a head reads"
            answers[id(factor)] = Answer(Kind.WIDTH, Status.ASSUMED, None, said)
            continue
        for reason in CERTAIN:
            if reason in factor.marks:
                answers[id(factor)] = Answer(
                    Kind.FINITE, Status.CERTAIN, reason, factor.marks[reason]
                )
                break


def _spread(facts: Facts, answers: Answers) -> None:
    """Finiteness along part-whole relations, to a fixed point."""
    before = -1
    while before != len(answers):
        before = len(answers)
        for sources, made in facts.tracker.depends:
            _inherit(answers, roots(sources), _explained(roots(sources), roots(made)))
        for factor in facts.factors:
            parts = [f for part in factor.parts.values() for f in roots(part)]
            if _is_finite(answers, factor):
                _inherit(answers, [factor], parts)
            elif partition(factor) or _only_read(factor):
                _inherit(answers, parts, [factor])


def _explained(sources: Sequence[Factor], made: Sequence[Factor]) -> list[Factor]:
    """What is made of factors, without what grew where none of them did."""
    grew = any(_grew(f) is not None for f in sources)
    return [f for f in made if grew or _grew(f) is None]


def _inherit(answers: Answers, sources: Sequence[Factor], made: Sequence[Factor]) -> None:
    if not all(_is_finite(answers, f) for f in sources):
        return
    statuses = [answers[id(f)].status for f in sources]
    status = Status.CERTAIN if all(s is Status.CERTAIN for s in statuses) else Status.ASSUMED
    first = answers[id(sources[0])] if sources else None
    reason = first.reason if first else Reason.PARTS
    evidence = first.evidence if first else "made of finite parts"
    longer = prod(f.size[0] for f in made) > prod(f.size[0] for f in sources)
    for factor in made:
        if id(factor) in answers:
            continue
        padded = longer and MADE in factor.marks
        known = Status.ASSUMED if padded else status
        answers[id(factor)] = Answer(Kind.FINITE, known, reason, evidence)


def _is_finite(answers: Answers, factor: Factor) -> bool:
    answer = answers.get(id(factor))
    return answer is not None and answer.kind is Kind.FINITE


def _only_read(factor: Factor) -> bool:
    """Whether nothing but parts of it matter: the table of positions behind ``table[:length]``."""
    return bool(factor.parts) and not {CONTRACTED, MATCHED, MADE, OUTPUT} & set(factor.marks)


def _outputs(facts: Facts, answers: Answers) -> None:
    """Axes of the model's outputs that nothing contracts, unless they grew as a width did."""
    growth = _growth(facts, answers)
    for factor in facts.factors:
        if OUTPUT not in factor.marks or id(factor) in answers:
            continue
        inside = [factor, *(f for part in factor.parts.values() for f in roots(part))]
        if _grew(factor) in growth or any({CONTRACTED, MATCHED} & set(f.marks) for f in inside):
            continue
        evidence = "an axis of the output that nothing contracts"
        answers[id(factor)] = Answer(Kind.FINITE, Status.CERTAIN, Reason.OUTPUT, evidence)


def _growth(facts: Facts, answers: Answers) -> set[Fraction | None]:
    """By how much open factors grew from the base that are contracted somewhere."""
    return {
        _grew(f)
        for f in facts.factors
        if id(f) not in answers and CONTRACTED in f.marks and len(set(f.size)) > 1
    }


def _grew(factor: Factor) -> Fraction | None:
    """Growth from the base; None without a base, or where the factor is as it was."""
    return Fraction(factor.size[0], factor.size[-1]) if len(set(factor.size)) > 1 else None


def _from_base(facts: Facts, answers: Answers) -> None:
    for factor in facts.factors:
        known = answers.get(id(factor))
        grew = len(set(factor.size)) > 1
        if known is not None and known.status is Status.CERTAIN:
            continue
        sizes = f"{factor.size[0]} here, {factor.size[-1]} at the base"
        if grew:
            answers[id(factor)] = Answer(Kind.WIDTH, Status.CERTAIN, None, sizes)
        elif known is None:
            answers[id(factor)] = Answer(Kind.FINITE, Status.CERTAIN, Reason.BASE, sizes)


def _unmade(facts: Facts, answers: Answers) -> None:
    """What no weight makes does not grow with the weights, unless it is as long as what does."""
    known = (facts.tracker, facts.parameters, facts.factors)
    fixed = given(*known)
    alike = _as_long_as_a_width(facts, answers, {id(f) for f in fixed})
    for factor in fixed:
        evidence = f"contracted at {factor.marks[CONTRACTED]}, made by a constant in the code"
        answer = Answer(Kind.FINITE, Status.ASSUMED, Reason.INPUT, evidence)
        if id(factor) in alike:
            answer = Answer(Kind.WIDTH, Status.ASSUMED, None, f"{evidence}, as long as a width")
        answers.setdefault(id(factor), answer)
    for factor in counted(*known):
        evidence = "no weight makes or contracts it: it counts tokens, slots or the like"
        answer = Answer(Kind.FINITE, Status.ASSUMED, Reason.PARTS, evidence)
        answers.setdefault(id(factor), answer)
    _spread(facts, answers)


def _as_long_as_a_width(facts: Facts, answers: Answers, fixed: set[int]) -> set[int]:
    """Those of the factors whose dimension has the length of one that a weight makes."""
    made, contracted = set(), []
    for use in facts.tracker.uses:
        dims = facts.parameters.get(use.parameter, ())
        for d in range(len(dims)) if use.fan_in else ():
            growing = [f for f in roots(dims[d]) if not _is_finite(answers, f)]
            length = prod(f.size[0] for f in roots(dims[d]))
            if growing and d not in use.fan_in:
                made.add(length)
            elif growing and fixed.issuperset(map(id, growing)):
                contracted.append((length, growing))
    return {id(f) for length, growing in contracted if length in made for f in growing}


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
        inside = [f for d in use.fan_in for f in roots(dims[d]) if not _is_finite(answers, f)]
        if len(inside) == 1:
            found.add(id(inside[0]))
    return found


def _heads(facts: Facts, answers: Answers) -> set[int]:
    """Head counts against head sizes, at every product of two activations; counts that grow."""
    sole, near = sole_fan_in(facts, answers), _Near(facts)
    counts: set[int] = set()
    for node, _, _, contracted, beside in facts.tracker.matches:
        inner = [f for f in roots(contracted) if id(f) not in answers and id(f) not in sole]
        outer = [f for f in roots(beside) if id(f) not in answers and MATCHED not in f.marks]
        if not inner or not outer:
            continue
        stay = near.neighbours(inner, outer) if facts.grow == "head_dim" else inner
        word = (
            "head counts stay" if stay is not inner else "the size that two activations share stays"
        )
        evidence = f"{word}, by grow={facts.grow!r} (a product of activations at {node.name})"
        for factor in stay:
            answers[id(factor)] = Answer(Kind.FINITE, Status.ASSUMED, Reason.GROWTH, evidence)
        if stay is inner:
            counts |= {id(f) for f in outer if REPEATED not in f.marks} or set(map(id, outer))
    return counts


class _Near:
    """Which factors stand beside which: looked up once, for as many products as there are."""

    def __init__(self, facts: Facts) -> None:
        self.groups: dict[int, list[list[Factor]]] = {}
        """By member."""
        self.wholes: dict[int, set[int]] = {}
        """By part."""
        if facts.grow != "head_dim":
            return
        for group in groups(facts):
            for member in {id(f) for f in group}:
                self.groups.setdefault(member, []).append(group)
        for factor in facts.factors:
            for part in _parts(factor):
                self.wholes.setdefault(part, set()).add(id(factor))

    def neighbours(self, inner: Sequence[Factor], outer: Sequence[Factor]) -> list[Factor]:
        """Factors beside the head size in some parameter's dimension."""
        heads, beside = self._kin(inner), {id(f) for f in outer}
        fewer = min(heads, beside, key=self._count)  # either may stand in every layer
        together = [group for member in fewer for group in self.groups.get(member, ())]
        return [
            f
            for group in together
            if heads.intersection(map(id, group))
            for f in group
            if id(f) in beside
        ]

    def _count(self, members: set[int]) -> int:
        return sum(len(self.groups.get(member, ())) for member in members)

    def _kin(self, factors: Sequence[Factor]) -> set[int]:
        """The factors, and those that share parts with them: part of a head is turned."""
        own = {part for f in factors for part in _parts(f)}
        return {id(f) for f in factors}.union(*(self.wholes.get(part, ()) for part in own))


def _parts(factor: Factor) -> set[int]:
    return {id(f) for part in factor.parts.values() for f in roots(part)}


def _one_grows(facts: Facts, answers: Answers, counts: set[int]) -> None:
    """Of several open factors that stand together, one grows: the count of heads, if it is there.

    Small groups decide first, so that the order of parameters means nothing.
    """
    sole = sole_fan_in(facts, answers)
    together = list({tuple(map(id, g)): g for g in groups(facts) if len(g) > 1}.values())
    beside: dict[int, list[list[Factor]]] = {}
    for group in together:
        for factor in group:
            beside.setdefault(id(factor), []).append(group)

    def softness(factor: Factor) -> int:
        last = any(_is_last_open(answers, group) for group in beside[id(factor)])
        soft = 0 if last or id(factor) in sole else 2 if REPEATED in factor.marks else 1
        return -1 if id(factor) in counts else soft

    for group in sorted(together, key=lambda group: _openness(answers, group)):
        candidates = [f for f in group if id(f) not in answers]
        if len(candidates) < 2:
            continue
        grows = min(candidates, key=softness)
        for factor in candidates:
            if factor is not grows and softness(factor) > 0:
                evidence = (
                    f"another factor of the same axis, of size {grows.size[0]}, grows instead"
                )
                answers[id(factor)] = Answer(Kind.FINITE, Status.ASSUMED, Reason.GROWTH, evidence)


def _openness(answers: Answers, group: Sequence[Factor]) -> tuple[int, list[int]]:
    """How many of a group are open, and what else tells it from others but its place."""
    return sum(id(f) not in answers for f in group), [f.size[0] for f in group]


def _is_last_open(answers: Answers, group: Sequence[Factor]) -> bool:
    """Whether all but one in a group were told to stay, so that this one must grow."""
    known = [answers[id(f)] for f in group if id(f) in answers]
    return len(group) - len(known) == 1 and any(a.reason is Reason.GROWTH for a in known)


def _bottlenecks(facts: Facts, answers: Answers) -> None:
    """An axis that one weight makes of width and the next contracts to width is a rank.

    Where there is a residual stream, one of the two is it, and a narrow stream is none.
    """
    streams = any(ADDED in f.marks for f in facts.factors)
    for node, first, shared, last in facts.tracker.bridges:
        sides = [[f for f in roots(side) if not _is_finite(answers, f)] for side in (first, last)]
        if all(sides) and (not streams or any(ADDED in f.marks for side in sides for f in side)):
            said = f"a linear bottleneck before {node.name}, narrower than both sides"
            _narrow(answers, shared, min(_length(side) for side in sides), said)
    for node, shared, last in facts.tracker.entries:
        wide = [f for f in roots(last) if not _is_finite(answers, f) and ADDED in f.marks]
        if wide:
            said = f"an embedding before {node.name}, narrower than the stream it is projected to"
            _narrow(answers, shared, _length(wide), said)


def _length(factors: Iterable[Factor]) -> int:
    return prod(f.size[0] for f in factors)


def _narrow(answers: Answers, shared: Iterable[Piece], limit: int, evidence: str) -> None:
    """Open factors below a limit are ranks, unless residuals are added along them."""
    for factor in roots(shared):
        if id(factor) not in answers and factor.size[0] < limit and ADDED not in factor.marks:
            answers[id(factor)] = Answer(Kind.FINITE, Status.ASSUMED, Reason.GROWTH, evidence)


def _widths(facts: Facts, answers: Answers) -> None:
    """What remains is width; assumed where a neighbour was told to stay instead."""
    chosen = {
        id(f)
        for group in groups(facts)
        if any(
            a is not None and a.reason is Reason.GROWTH for a in map(answers.get, map(id, group))
        )
        for f in group
    }
    for factor in facts.factors:
        if id(factor) in answers:
            continue
        status = Status.ASSUMED if id(factor) in chosen else Status.CERTAIN
        evidence = "grows while its neighbour in the axis stays"
        if status is Status.CERTAIN:
            where = factor.marks.get(CONTRACTED)
            evidence = f"contracted at {where}" if where else "nothing holds it to a fixed size"
        answers[id(factor)] = Answer(Kind.WIDTH, status, None, evidence)

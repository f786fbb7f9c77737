"""Which factors are width: what the marks say, then what growth the user means.

Certain facts come first (inputs, kernels, indices, selections, counted parts, plain outputs), then
the base if there is one, and only then conventions, which are answered as ``assumed``: head counts
grow and head sizes stay, one factor of an axis grows, a narrow linear bottleneck stays.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import prod

from mupfx.core.vocabulary import Kind, Reason, Status
from mupfx.passes.axis_rules.alike import equals_stay
from mupfx.passes.axis_rules.conventions import (
    heads_grow,
    hidden_states,
    one_grows,
    ranks_stay,
)
from mupfx.passes.axis_rules.factors import Factor, partition
from mupfx.passes.axis_rules.facts import (
    OUTPUT,
    Answer,
    Answers,
    Facts,
    grew,
    groups,
    is_finite,
    roots,
)
from mupfx.passes.axis_rules.floors import held
from mupfx.passes.axis_rules.mixing import counted, given
from mupfx.passes.axis_rules.side import beside
from mupfx.passes.axis_rules.tracker import ADDED, CONTRACTED, FEATURES, MADE, MATCHED

CERTAIN = (
    Reason.INPUT,
    Reason.BATCH,
    Reason.SPATIAL,
    Reason.INDEX,
    Reason.SELECTION,
    Reason.PARTS,
)


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
        ranks_stay(facts, answers)
        _unmade(facts, answers)
        equals_stay(facts, answers)
        counts = heads_grow(facts, answers)
        _spread(facts, answers)
        one_grows(facts, answers, counts)
        _spread(facts, answers)
    _widths(facts, answers)
    return answers


STREAM = {FEATURES, ADDED, CONTRACTED}
"""Marks of a residual stream that starts in an input."""


def _from_marks(facts: Facts, answers: Answers) -> None:
    read = set() if facts.based else _read_out(facts)
    for factor in facts.factors:
        if id(factor) in read and factor.marks.keys() >= STREAM and OUTPUT not in factor.marks:
            said = f"{factor.marks[FEATURES]}, and a residual stream that a head reads"
            answers[id(factor)] = Answer(Kind.WIDTH, Status.ASSUMED, None, said)
            continue
        for reason in CERTAIN:
            if reason in factor.marks:
                answers[id(factor)] = Answer(
                    Kind.FINITE, Status.CERTAIN, reason, factor.marks[reason]
                )
                break


def _read_out(facts: Facts) -> set[int]:
    """Factors that a parameter contracts into an axis of the output."""
    found: set[int] = set()
    for use in facts.tracker.uses:
        dims = facts.parameters.get(use.parameter, ())
        kept = (d for d in range(len(dims)) if d not in use.fan_in)
        if use.fan_in and any(OUTPUT in f.marks for d in kept for f in roots(dims[d])):
            found |= {id(f) for d in use.fan_in for f in roots(dims[d])}
    return found


def _spread(facts: Facts, answers: Answers) -> None:
    """Finiteness along part-whole relations, to a fixed point."""
    before = -1
    while before != len(answers):
        before = len(answers)
        for sources, made in facts.tracker.depends:
            _inherit(answers, roots(sources), _explained(roots(sources), roots(made)))
        for factor in facts.factors:
            parts = [f for part in factor.parts.values() for f in roots(part)]
            if is_finite(answers, factor):
                _inherit(answers, [factor], parts)
            elif (partition(factor) and (parts or MADE not in factor.marks)) or _only_read(factor):
                _inherit(answers, parts, [factor])


def _explained(sources: Sequence[Factor], made: Sequence[Factor]) -> list[Factor]:
    """What is made of factors, without what grew where none of them did."""
    longer = any(grew(f) is not None for f in sources)
    return [f for f in made if longer or grew(f) is None]


def _inherit(answers: Answers, sources: Sequence[Factor], made: Sequence[Factor]) -> None:
    if not all(is_finite(answers, f) for f in sources):
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


def _only_read(factor: Factor) -> bool:
    """Whether nothing but parts of it matter: the table of positions behind ``table[:length]``."""
    return bool(factor.parts) and not {CONTRACTED, MATCHED, MADE, OUTPUT} & set(factor.marks)


def _outputs(facts: Facts, answers: Answers) -> None:
    """Axes of the model's outputs that nothing contracts, unless they grew as a width did."""
    growth = _growth(facts, answers)
    hidden = set() if facts.based else hidden_states(facts, answers)
    for factor in facts.factors:
        if OUTPUT not in factor.marks or id(factor) in answers:
            continue
        inside = [factor, *(f for part in factor.parts.values() for f in roots(part))]
        if grew(factor) in growth or any({CONTRACTED, MATCHED} & set(f.marks) for f in inside):
            continue
        if id(factor) in hidden:
            said = "an axis of the output, as long as the width before it: taken for a hidden state"
            answers[id(factor)] = Answer(Kind.WIDTH, Status.ASSUMED, None, said)
            continue
        evidence = "an axis of the output that nothing contracts"
        answers[id(factor)] = Answer(Kind.FINITE, Status.CERTAIN, Reason.OUTPUT, evidence)


def _growth(facts: Facts, answers: Answers) -> set[Fraction | None]:
    """By how much open factors grew from the base that are contracted somewhere."""
    return {
        grew(f)
        for f in facts.factors
        if id(f) not in answers and CONTRACTED in f.marks and grew(f) is not None
    }


def _from_base(facts: Facts, answers: Answers) -> None:
    for factor, evidence in list(held(facts, answers)):
        answers[id(factor)] = Answer(Kind.WIDTH, Status.CERTAIN, None, evidence)
    for factor in facts.factors:
        known = answers.get(id(factor))
        if known is not None and known.status is Status.CERTAIN:
            continue
        sizes = f"{factor.size[0]} here, {factor.size[-1]} at the base"
        if grew(factor) is not None:
            answers[id(factor)] = Answer(Kind.WIDTH, Status.CERTAIN, None, sizes)
        elif known is None:
            answers[id(factor)] = Answer(Kind.FINITE, Status.CERTAIN, Reason.BASE, sizes)


def _unmade(facts: Facts, answers: Answers) -> None:
    """What no weight makes does not grow with the weights, unless it is as long as what does."""
    known = (facts.tracker, facts.parameters, facts.factors)
    for factor, evidence in list(beside(facts, answers)):
        answers[id(factor)] = Answer(Kind.FINITE, Status.ASSUMED, Reason.GROWTH, evidence)
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
        kept = (d for d in range(len(dims)) if d not in use.fan_in)
        makes = any(not is_finite(answers, f) for d in kept for f in roots(dims[d]))
        for d in range(len(dims)) if use.fan_in else ():
            growing = [f for f in roots(dims[d]) if not is_finite(answers, f)]
            length = prod(f.size[0] for f in roots(dims[d]))
            if growing and d not in use.fan_in:
                made.add(length)
            elif growing and makes and fixed.issuperset(map(id, growing)):
                contracted.append((length, growing))
    return {id(f) for length, growing in contracted if length in made for f in growing}


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

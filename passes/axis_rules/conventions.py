"""Conventions of growth, for what no mark and no base settles: answered as ``assumed``.

Head counts grow and head sizes stay (or the other way, as asked), one factor of an axis grows, a
narrow linear bottleneck stays, and so does an embedding narrower than the stream it enters.
"""

from collections.abc import Iterable, Sequence

from mupfx.core.vocabulary import Kind, Reason, Status
from mupfx.passes.axis_rules.factors import Factor, Piece
from mupfx.passes.axis_rules.facts import (
    Answer,
    Answers,
    Facts,
    groups,
    is_finite,
    length,
    roots,
    sole_fan_in,
)
from mupfx.passes.axis_rules.tracker import ADDED, CONTRACTED, MATCHED, REPEATED


def heads_grow(facts: Facts, answers: Answers) -> set[int]:
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


def hidden_states(facts: Facts, answers: Answers) -> set[int]:
    """Axes of outputs as long as the width that a weight made them of, or as the stream's.

    Not where an axis that is known to stay has that length, too: then it may be the same one.
    """
    stay = {f.size[0] for f in facts.factors if is_finite(answers, f)}
    streams = {
        length(roots(dim))
        for dims in facts.parameters.values()
        for dim in dims
        if _holds_stream(roots(dim))
        and not any(is_finite(answers, f) or CONTRACTED not in f.marks for f in roots(dim))
    }
    found: set[int] = set()
    for use in facts.tracker.uses:
        dims = facts.parameters.get(use.parameter, ())
        inside = [f for d in use.fan_in for f in roots(dims[d]) if not is_finite(answers, f)]
        like = streams | {length(inside)} if inside else set()
        kept = [roots(dims[d]) for d in range(len(dims)) if d not in use.fan_in]
        found |= {id(dim[0]) for dim in kept if len(dim) == 1 and dim[0].size[0] in like - stay}
    return found


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


def one_grows(facts: Facts, answers: Answers, counts: set[int]) -> None:
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
        soft = 0 if last or id(factor) in sole else 3 if REPEATED in factor.marks else 2
        return 1 if soft and id(factor) in counts else soft

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


def ranks_stay(facts: Facts, answers: Answers) -> None:
    """An axis that one weight makes of width and the next contracts to width is a rank.

    Where there is a residual stream, one of the two is it, or both are one; it is none itself.
    """
    streams = any(ADDED in f.marks for f in facts.factors)
    for node, first, shared, last in facts.tracker.bridges:
        sides = [[f for f in roots(side) if not is_finite(answers, f)] for side in (first, last)]
        beside = not streams or sides[0] == sides[1] or _holds_stream(*sides)
        if all(sides) and beside:
            said = f"a linear bottleneck before {node.name}, narrower than both sides"
            _narrow(answers, shared, min(length(side) for side in sides), said)
    for node, rows, shared, last in facts.tracker.entries:
        codes = any(Reason.SELECTION in f.marks for f in roots(rows))
        wide = [f for f in roots(last) if not is_finite(answers, f) and (codes or ADDED in f.marks)]
        if wide:
            what = "codes" if codes else "an embedding"
            said = f"{what} before {node.name}, narrower than what they are projected to"
            said = said if codes else said.replace("what they are", "the stream it is")
            _narrow(answers, shared, length(wide), said)


def _holds_stream(*sides: Iterable[Factor]) -> bool:
    return any(ADDED in f.marks for side in sides for f in side)


def _narrow(answers: Answers, shared: Iterable[Piece], limit: int, evidence: str) -> None:
    """Open factors below a limit are ranks, unless residuals are added along them."""
    for factor in roots(shared):
        if id(factor) not in answers and factor.size[0] < limit and ADDED not in factor.marks:
            answers[id(factor)] = Answer(Kind.FINITE, Status.ASSUMED, Reason.GROWTH, evidence)

"""What blocks of different widths have alike does not follow the width.

A convention of growth, for one model without a base: heads by sizes that weights make equally many
of, from widths that differ, come from a constant in the code::

    Conv(96, 8 x 32) in one stage, Conv(176, 8 x 32) in the next: 8 and 32 stay
"""

from mupfx.core.vocabulary import Kind, Reason, Status
from mupfx.passes.axis_rules.factors import Factor
from mupfx.passes.axis_rules.facts import Answer, Answers, Facts, is_finite, length, roots

Made = tuple[int, int, tuple[Factor, ...]]
"""Length of what a weight makes, of the width it makes it of, and the open factors made."""


def equals_stay(facts: Facts, answers: Answers) -> None:
    """Answer the factors of such axes as finite, ``assumed``."""
    made = _made_of(facts, answers)
    equals: dict[int, dict[int, list[Factor]]] = {}
    for _, _, _, contracted, beside in facts.tracker.matches:
        members = {id(f) for f in (*roots(contracted), *roots(beside))}
        here = {entry for member in members for entry in made.get(member, ())}
        whole = [e for e in here if members.issuperset(map(id, e[2]))]
        if len({width for _, width, _ in here}) != 1:
            continue
        for total, width, inside in whole:
            equals.setdefault(total, {}).setdefault(width, []).extend(inside)
    for total, by_width in equals.items():
        if len(by_width) == 1 or total in by_width:
            continue
        widths = " and ".join(map(str, sorted(by_width)))
        said = f"part of {total}, which weights make of {widths} alike"
        for factor in (f for factors in by_width.values() for f in factors):
            answer = Answer(Kind.FINITE, Status.ASSUMED, Reason.GROWTH, said)
            answers.setdefault(id(factor), answer)


def _made_of(facts: Facts, answers: Answers) -> dict[int, set[Made]]:
    """By factor, the axes of several open factors that weights make of a width."""
    found: dict[int, set[Made]] = {}
    for use in facts.tracker.uses:
        dims = facts.parameters.get(use.parameter, ())
        width = length(f for d in use.fan_in for f in roots(dims[d]) if not is_finite(answers, f))
        for d, dim in enumerate(dims):
            inside = tuple(f for f in roots(dim) if id(f) not in answers)
            if width > 1 and d not in use.fan_in and len(inside) > 1:
                for factor in inside:
                    found.setdefault(id(factor), set()).add((length(inside), width, inside))
    return found

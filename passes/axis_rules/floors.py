"""Axes that grow with a width, and that a floor or a rounding kept as long at the base.

``max(width // 8, 16)`` is 16 at the base and at twice its width, and grows from there on. Where the
same two lines of code make and read other axes, which did grow, those tell the law; an axis
that keeps to it here was held at the base alone, one that is longer still stays::

    squeeze 256 -> 32 (128 -> 16 at the base)     an eighth
    squeeze 128 -> 16 ( 64 -> 16 at the base)     an eighth here: held at the base
    squeeze  64 -> 16 ( 32 -> 16 at the base)     more than an eighth: it stays
"""

from collections.abc import Iterator
from fractions import Fraction
from math import prod
from typing import NamedTuple

from mupfx.passes.axis_rules.factors import Factor
from mupfx.passes.axis_rules.facts import Answers, Facts, grew, is_finite, roots
from mupfx.passes.axis_rules.tracker import MATCHED


class _Squeeze(NamedTuple):
    """An axis that weights make of one width, at one line, and read at another."""

    factor: Factor
    law: Fraction
    """Its length here, by that of what it is made of."""
    law_at_base: Fraction


def held(facts: Facts, answers: Answers) -> Iterator[tuple[Factor, str]]:
    """Open factors that did not grow, for no other reason than a floor; and why."""
    places: dict[tuple[str, str], list[_Squeeze]] = {}
    for place, squeeze in _squeezes(facts, answers):
        places.setdefault(place, []).append(squeeze)
    for found in places.values():
        grown = [s for s in found if grew(s.factor) is not None]
        laws = {s.law for s in grown}
        plain = any(s.law == s.law_at_base for s in grown)
        for squeeze in found if len(laws) == 1 and plain else ():
            if grew(squeeze.factor) is None and squeeze.law in laws:
                said = f"{squeeze.law} of what it is made of, as where the same code grew"
                yield squeeze.factor, f"{said}: a floor held it at the base"


def _squeezes(facts: Facts, answers: Answers) -> Iterator[tuple[tuple[str, str], _Squeeze]]:
    """Every axis between two lines of code that contract what grew, and those lines."""
    made: dict[int, list[tuple[str, Factor, list[Factor]]]] = {}
    read: dict[int, set[str]] = {}
    for use in facts.tracker.uses:
        dims = facts.parameters.get(use.parameter, ())
        inside = [f for d in use.fan_in for f in roots(dims[d]) if not is_finite(answers, f)]
        for factor in inside:
            read.setdefault(id(factor), set()).add(use.where)
        kept = [f for d in range(len(dims)) if d not in use.fan_in for f in roots(dims[d])]
        whole = [f for f in kept if not is_finite(answers, f)]
        if inside and len(whole) == 1 and MATCHED not in whole[0].marks:
            made.setdefault(id(whole[0]), []).append((use.where, whole[0], inside))
    for key, found in made.items():
        lines = {where for where, _, _ in found}, read.get(key, set())
        if len(found) == 1 and all(len(at) == 1 and "" not in at for at in lines):
            (_, factor, inside), (start,), (end,) = found[0], *lines
            if start != end and any(grew(f) is not None for f in inside):
                yield (start, end), _Squeeze(factor, *_laws(factor, inside))


def _laws(factor: Factor, inside: list[Factor]) -> tuple[Fraction, Fraction]:
    here, base = (Fraction(factor.size[i], prod(f.size[i] for f in inside)) for i in (0, -1))
    return here, base

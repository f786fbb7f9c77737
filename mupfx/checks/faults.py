"""What rules ask of evidence: which numbers of a parameter are wrong, and in what words to say so.

A parameter is judged by one rule: by the number that is wrong and what the parameter is. Where all
numbers are wrong as one multiplier would make them, it is the multiplier's fault.
"""

from collections.abc import Iterator
from enum import StrEnum

from mupfx.core.evidence import INIT, RATE, Evidence, Measure, ParameterEvidence
from mupfx.core.finding import Finding, Level
from mupfx.core.vocabulary import Role

TOLERANCE = {INIT: 0.1}
"""How far an exponent may be off; that of init is measured from values."""
CLOSE = 0.02
LOOSE = 0.15
"""How far two measured exponents may differ and be one."""


class Fault(StrEnum):
    """A multiplier's."""

    TWICE = "twice"
    NEVER = "never"


def wrong(parameter: ParameterEvidence, quantity: str) -> Measure | None:
    """A number that does not follow the table; None where it does, or nothing can be said."""
    measure = parameter.measures.get(quantity)
    if measure is None or not measure.deviates(TOLERANCE.get(quantity, CLOSE)):
        return None
    small = (measure.deviation or 0.0) < 0
    if quantity == INIT and small and parameter.companion is not None:
        return None  # biases may start as small as one likes
    trained = parameter.trained and parameter.in_optimizer
    return measure if quantity == INIT or trained else None


def multiplier_fault(parameter: ParameterEvidence) -> Fault | None:
    """Whether init and rate are wrong as one multiplier too many, or one too few, makes them."""
    init, rate = wrong(parameter, INIT), wrong(parameter, RATE)
    if parameter.role not in (Role.HIDDEN, Role.OUTPUT) or parameter.tied_readout:
        return None
    if parameter.adjusts and init is None:
        return _adjusted_twice(rate)
    if rate is None or rate.deviation is None or not parameter.rate_gauge:
        return None
    over = -rate.deviation / parameter.rate_gauge
    if not _agrees(parameter, init, over) or not _is_whole(parameter, over):
        return None
    return Fault.TWICE if over < 0 else Fault.NEVER


def _agrees(parameter: ParameterEvidence, init: Measure | None, over: float) -> bool:
    """Whether init is off by the same; values of zero say nothing, the code's constant does."""
    if init is not None:
        return abs((init.deviation or 0.0) - over) <= max(LOOSE, 4 * init.error)
    unknown = parameter.measures[INIT].measured is None
    return unknown and bool(parameter.constants)


def _is_whole(parameter: ParameterEvidence, over: float) -> bool:
    expected = parameter.expected_init
    return bool(expected) and abs(abs(over) - abs(expected or 0.0)) <= LOOSE


def _adjusted_twice(rate: Measure | None) -> Fault | None:
    """An optimizer that follows the shape itself, whose rate falls with it once more."""
    if rate is None or (rate.deviation or 0.0) > 0:
        return None
    return Fault.TWICE


def judged(evidence: Evidence, *roles: Role) -> Iterator[ParameterEvidence]:
    """Parameters of some roles that rules of width judge, and no rule of multipliers does."""
    if evidence.axis != "width":
        return
    for parameter in evidence.parameters.values():
        known = parameter.name not in evidence.unjudged
        if known and parameter.role in roles and multiplier_fault(parameter) is None:
            yield parameter


def finding(  # noqa: PLR0913, PLR0917 - the parts of a sentence
    evidence: Evidence,
    code: str,
    parameter: ParameterEvidence,
    what: str,
    measure: Measure,
    follows: str,
    hint: str,
    level: Level = Level.ERROR,
) -> Finding:
    """A finding on one number of one parameter."""
    return Finding(
        code=code,
        parameter=parameter.name,
        message=f"{what} {said(parameter, measure, evidence.axis)}; {follows}",
        measured=_rounded(measure.measured),
        expected=_rounded(measure.expected),
        level=level,
        place=parameter.place,
        hint=hint,
        axis=evidence.axis,
    )


def said(parameter: ParameterEvidence, measure: Measure, axis: str) -> str:
    """How a number goes and how it should.

    ``is the same at every width, and should fall as n^-1``
    """
    found, wanted = goes(measure.measured or 0.0, axis), goes(measure.expected or 0.0, axis)
    if measure.breaks_off:
        return f"is zero at some sizes and not at others, and should {wanted[1]}"
    counted = ""
    if abs(parameter.multiplier_exponent) > CLOSE:
        power = spelled(parameter.multiplier_exponent)
        counted = f", with the multiplier n^{power} in the code"
    return f"{found[0]}{counted}, and should {wanted[1]}"


def goes(power: float, axis: str) -> tuple[str, str]:
    """How a number with this exponent goes, and how it is to go."""
    if abs(power) < CLOSE:
        return f"is the same at every {axis}", f"be the same at every {axis}"
    word = ("grows", "grow") if power > 0 else ("falls", "fall")
    return f"{word[0]} as n^{spelled(power)}", f"{word[1]} as n^{spelled(power)}"


def spelled(power: float) -> str:
    """An exponent as people write it.

    >>> spelled(-1.0), spelled(0.5), spelled(0.482)
    ('-1', '1/2', '0.48')
    """
    for parts in (1, 2, 3, 4):
        if abs(power * parts - round(power * parts)) < CLOSE:
            whole = round(power * parts)
            return f"{whole}" if parts == 1 else f"{whole}/{parts}"
    return f"{power:.2f}"


def excess(measure: Measure) -> str:
    """What is too much of it: ``grows as n^1``."""
    if measure.breaks_off:
        return "is gone at some sizes"
    over = measure.deviation or 0.0
    return f"{'grows' if over > 0 else 'falls'} as n^{spelled(over)}"


def correction(measure: Measure, axis: str) -> str:
    """What to multiply a number by: ``(width / base width)^-1``."""
    return f"({axis} / base {axis})^{spelled(-(measure.deviation or 0.0))}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3) + 0.0


def judged_multipliers(evidence: Evidence, fault: Fault) -> Iterator[ParameterEvidence]:
    """Parameters that a rule of multipliers judges."""
    if evidence.axis != "width":
        return
    for parameter in evidence.parameters.values():
        known = parameter.name not in evidence.unjudged
        if known and multiplier_fault(parameter) is fault:
            yield parameter

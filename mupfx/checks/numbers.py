"""Findings on the init and the learning rate of a parameter, under one rule's code."""

from collections.abc import Iterator

from mupfx.checks.faults import CLOSE, correction, excess, finding, wrong
from mupfx.core.evidence import INIT, RATE, Evidence, Measure, ParameterEvidence
from mupfx.core.finding import Finding, Level


def init_and_rate(evidence: Evidence, code: str, parameter: ParameterEvidence) -> Iterator[Finding]:
    """One finding: of the learning rate, where that is wrong, and else of the init."""
    init, rate = wrong(parameter, INIT), wrong(parameter, RATE)
    if rate is not None:
        what = f"its learning rate under {parameter.family}"
        follows = f"what its update makes {excess(rate)}"
        if init is not None:
            follows += f", and what it makes at the start {excess(init)}"
        hint = f"multiply its learning rate by {correction(rate, evidence.axis)}"
        if init is not None:
            hint += f" and its starting values by {correction(init, evidence.axis)}"
        level = Level.WARNING if _is_dragged(parameter, rate) else Level.ERROR
        yield finding(evidence, code, parameter, what, rate, follows, hint, level)
    elif init is not None:
        follows = f"what it makes at the start {excess(init)}"
        hint = f"multiply its starting values by {correction(init, evidence.axis)}"
        yield finding(evidence, code, parameter, "its init std", init, follows, hint)


def _is_dragged(parameter: ParameterEvidence, rate: Measure) -> bool:
    """Whether a bias is slow for a multiplier alone that is meant for the weight beside it."""
    own = abs((rate.written or 0.0) - (rate.expected or 0.0)) < CLOSE
    return own and parameter.companion is not None and parameter.multiplier_exponent < 0

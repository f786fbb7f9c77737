"""Findings on the init and the learning rate of a parameter, under one rule's code."""

from collections.abc import Iterator

from mupfx.checks.faults import correction, excess, finding, wrong
from mupfx.core.evidence import INIT, RATE, Evidence, ParameterEvidence
from mupfx.core.finding import Finding


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
        yield finding(evidence, code, parameter, what, rate, follows, hint)
    elif init is not None:
        follows = f"what it makes at the start {excess(init)}"
        hint = f"multiply its starting values by {correction(init, evidence.axis)}"
        yield finding(evidence, code, parameter, "its init std", init, follows, hint)

"""A factor that is applied once more than it should be.

What:
    All numbers of a weight deviate as one multiplier too many makes them: its std and its learning
    rate are scaled, and what it makes is scaled again. Or an optimizer that follows a matrix's
    shape itself, such as Muon, is given a learning rate that falls with the shape as well. Or a
    constant follows width where no table has a multiplier, and no weight makes up for it.
Why:
    Either way of scaling is right; both together make the weight vanish with width.

Example:
    A readout drawn with std 1/n and trained with lr / n, whose logits are divided by n.
Fix:
    Keep one of the two: the multiplier in the code with the base's std and learning rate (Adam), or
    std and learning rate without the multiplier.
Reference:
    Tensor Programs V (arXiv:2203.03466), Lemma J.1; for Muon arXiv:2310.17813.
"""

from collections.abc import Iterator

from mupfx.checks.faults import CLOSE, Fault, correction, finding, judged_multipliers, spelled
from mupfx.core.evidence import RATE, Evidence
from mupfx.core.finding import Finding

CODE = "MUP011"
TITLE = "a multiplier applied twice"


def judge(evidence: Evidence) -> Iterator[Finding]:
    """Weights that are scaled once too often."""
    for parameter in judged_multipliers(evidence, Fault.TWICE):
        measure = parameter.measures[RATE]
        what = f"it is scaled twice: its learning rate under {parameter.family}"
        follows = "its init is off by as much, and what it makes vanishes"
        hint = "keep the multiplier in the code, or the scaled init and learning rate, not both"
        if parameter.adjusts:
            follows = f"{parameter.family} follows the shape by itself, and its updates vanish"
            hint = f"multiply its learning rate by {correction(measure, evidence.axis)}"
        yield finding(evidence, CODE, parameter, what, measure, follows, hint)
    for constant in evidence.constants:
        if abs(constant.over) > CLOSE:
            yield Finding(
                CODE,
                constant.node,
                f"a constant in the code follows {evidence.axis} as n^"
                f"{spelled(constant.exponent or 0.0)}; no table has a multiplier here, and no "
                f"weight makes up for n^{spelled(constant.over)} of it",
                measured=constant.exponent,
                expected=0.0,
                place=constant.place,
                hint=f"take {evidence.axis} out of this constant",
                axis=evidence.axis,
            )

"""The eps that is added to the size of gradients.

What:
    Where eps is not far below the gradients' size it must fall with them: as 1/fan_out for input
    and hidden weights and for vectors, and stay for output weights.
Why:
    Gradients of a wide model are small. An eps as large as they are makes steps smaller with width
    than the learning rate says.

Example:
    AdamW(..., eps=1e-4) at every width; or eps * n in a group whose lr is lr / n.
Fix:
    Multiply eps by base width / width, or leave it at 1e-8 or below where gradients are larger
    than 1e-6.
Reference:
    Everett et al. (arXiv:2407.05872), on eps underflow.
"""

from collections.abc import Iterator

from mupfx.checks.faults import CLOSE, correction, finding, wrong
from mupfx.core.evidence import EPS, Evidence, Measure, ParameterEvidence
from mupfx.core.finding import Finding, Level

CODE = "MUP009"
TITLE = "eps of Adam and its like"

SMALL = 0.03
"""Of a gradient's rms: what an eps may be and not be felt."""
USUAL = 1e-8
"""Adam's own eps: felt where a model has nothing to learn, and nobody chose it."""
NOTHING = 1e-4
"""Of the largest gradient's rms: what is smaller is rounding, as of a bias of keys."""


def judge(evidence: Evidence) -> Iterator[Finding]:
    """Parameters whose eps grows beside their gradients, and is felt or was scaled."""
    gradients = (p.gradient or 0.0 for p in evidence.parameters.values())
    noise = NOTHING * max(gradients, default=0.0)
    for parameter in evidence.parameters.values():
        measure = wrong(parameter, EPS)
        if parameter.name in evidence.unjudged or measure is None:
            continue
        if (measure.deviation or 0.0) < 0 or not _matters(parameter, measure, noise):
            continue
        hint = f"multiply its eps by {correction(measure, evidence.axis)}"
        follows = "steps fall with it where it is as large as the gradient"
        level = Level.WARNING if measure.stored[-1] <= USUAL else Level.ERROR
        yield finding(evidence, CODE, parameter, "its eps", measure, follows, hint, level)


def _matters(parameter: ParameterEvidence, measure: Measure, noise: float) -> bool:
    """Whether it was scaled up, or is felt at the largest size."""
    if (measure.written or 0.0) > CLOSE:
        return True
    gradient = parameter.gradient or 0.0
    return gradient > noise and measure.stored[-1] > SMALL * gradient

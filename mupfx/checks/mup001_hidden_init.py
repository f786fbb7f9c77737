"""Init std of hidden weights, those that contract width into width.

What:
    The std of a hidden weight's starting values must fall as fan_in^-1/2.
Why:
    It sums fan_in terms. With a larger std what it makes grows with width from the first step
    on, with a smaller one it vanishes. Before a norm the size of what it makes is forgotten; its
    update beside it is not, so that a wrong std there is a wrong learning rate.

Example:
    nn.init.normal_(linear.weight, std=0.02) at every width: rms(W x) grows as n^1/2.
Fix:
    Draw with std proportional to 1 / sqrt(fan_in), as nn.Linear and nn.init.kaiming_normal_ do,
    or keep the std fixed and multiply what the weight makes by 1 / sqrt(fan_in).
Reference:
    Tensor Programs V (arXiv:2203.03466), Table 3.
"""

from collections.abc import Iterator

from mupfx.checks.faults import correction, excess, finding, judged, wrong
from mupfx.core.evidence import INIT, Evidence
from mupfx.core.finding import Finding
from mupfx.core.vocabulary import Role

CODE = "MUP001"
TITLE = "init of hidden weights"


def judge(evidence: Evidence) -> Iterator[Finding]:
    """Hidden weights whose starting values do not fall as they should."""
    for parameter in judged(evidence, Role.HIDDEN):
        measure = wrong(parameter, INIT)
        if measure is None or parameter.tied_readout:
            continue
        follows = f"what it makes at the start {excess(measure)}"
        if parameter.free:
            follows = f"beside it its update {excess(measure)} too little, for a norm follows"
            if (measure.deviation or 0) < 0:
                follows = "its update beside it grows too much with width, for a norm follows"
        hint = f"multiply its starting values by {correction(measure, evidence.axis)}"
        yield finding(evidence, CODE, parameter, "its init std", measure, follows, hint)

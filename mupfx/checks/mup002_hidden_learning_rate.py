"""Learning rate of hidden weights, by the family of the optimizer.

What:
    The effective learning rate of a weight that contracts width into width must fall as 1/fan_in
    under Adam and its like, stay under SGD, and follow the optimizer's own change by shape under
    Muon.
Why:
    The entries of an update line up with those of the input, so that what an update makes grows
    with fan_in: under Adam, whose steps are as large at every width, by all of it.

Example:
    AdamW(model.parameters(), lr=1e-3) at every width: each hidden update grows as n^1, and the
    best learning rate of a small model is far too large for a wide one.
Fix:
    Give hidden weights a group of their own with lr / (width / base width), or build groups with
    mupfx.param_groups.
Reference:
    Tensor Programs V (arXiv:2203.03466), Table 3; for Muon the spectral condition
    (arXiv:2310.17813).
"""

from collections.abc import Iterator

from mupfx.checks.faults import correction, excess, finding, judged, wrong
from mupfx.core.evidence import RATE, Evidence
from mupfx.core.finding import Finding
from mupfx.core.vocabulary import Role

CODE = "MUP002"
TITLE = "learning rate of hidden weights"


def judge(evidence: Evidence) -> Iterator[Finding]:
    """Hidden weights whose learning rate does not follow their optimizer's rule."""
    for parameter in judged(evidence, Role.HIDDEN):
        measure = wrong(parameter, RATE)
        if measure is None or parameter.tied_readout:
            continue
        what = f"its learning rate under {parameter.family}"
        follows = f"what its update makes {excess(measure)}"
        hint = f"multiply its learning rate by {correction(measure, evidence.axis)}"
        yield finding(evidence, CODE, parameter, what, measure, follows, hint)

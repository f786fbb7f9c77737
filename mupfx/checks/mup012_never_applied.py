"""A factor that a model was prepared for, and that its forward pass lacks.

What:
    All numbers of a weight deviate as one multiplier too few makes them: std and learning rate are
    those of a weight that the code multiplies by 1/n, and it does not. Or a model converted by
    mupfx lacks the multiplier that its plan gives to a site.
Why:
    Such a weight is as large as in the smallest model, and what it makes grows with width.

Example:
    set_base_shapes with nn.Linear where MuReadout was meant; a copy that lost its forward hooks.
Fix:
    Use the module that multiplies (MuReadout), or convert the model where its hooks are kept.
Reference:
    Tensor Programs V (arXiv:2203.03466), Table 8.
"""

from collections.abc import Iterator

from mupfx.checks.faults import CLOSE, Fault, finding, judged_multipliers
from mupfx.checks.sites import site_finding
from mupfx.core.evidence import RATE, Evidence
from mupfx.core.finding import Finding
from mupfx.core.vocabulary import SiteKind

CODE = "MUP012"
TITLE = "a multiplier never applied"


def judge(evidence: Evidence) -> Iterator[Finding]:
    """Weights and sites that lack a multiplier."""
    for parameter in judged_multipliers(evidence, Fault.NEVER):
        measure = parameter.measures[RATE]
        what = f"it lacks a multiplier: its learning rate under {parameter.family}"
        follows = "its init is off by as much, and what it makes grows"
        hint = "multiply what it reads by base width / width, or scale its init and learning rate"
        yield finding(evidence, CODE, parameter, what, measure, follows, hint)
    for site in evidence.sites if evidence.converted else ():
        over = site.deviation
        if site.kind is not SiteKind.BRANCH and over is not None and abs(over) > CLOSE:
            hint = "the plan gives this place a multiplier: convert where its hook is kept"
            what = "this place is multiplied"
            yield site_finding(evidence, CODE, site, what, site.parameter or site.name, hint)

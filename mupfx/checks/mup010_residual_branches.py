"""What residual branches add to their stream, and how their weights learn as a model gets deeper.

What:
    Under a table for depth, branches are multiplied by depth^-alpha, and the weights in them learn
    as the table says: under completep at the same rate, under depth_mup at depth^-1/2 with Adam.
    What is outside the branches does not follow depth. Nothing a branch adds follows width.
Why:
    A stream sums as many branches as it is deep. Undivided, it and its updates grow with depth.

Example:
    x = x + mlp(norm(x)) at every depth, trained as completep: updates add up to depth^1.
Fix:
    x = x + mlp(norm(x)) * base_depth / depth for completep, the square root of it for depth_mup.
Reference:
    Tensor Programs VI (arXiv:2310.02244), Table 1; CompleteP (arXiv:2505.01618), Table 1.
"""

from collections.abc import Iterator

from mupfx.checks.faults import CLOSE
from mupfx.checks.numbers import init_and_rate
from mupfx.checks.sites import site_finding
from mupfx.core.evidence import Evidence
from mupfx.core.finding import Finding
from mupfx.core.vocabulary import SiteKind

CODE = "MUP010"
TITLE = "residual branches and depth"


def judge(evidence: Evidence) -> Iterator[Finding]:
    """Branches with a wrong multiplier, and parameters that follow depth wrongly."""
    for site in evidence.sites:
        over = site.deviation
        if site.kind is SiteKind.BRANCH and over is not None and abs(over) > CLOSE:
            hint = "multiply what the branch adds by what the table says, no more and no less"
            what = "what the branch adds is multiplied"
            yield site_finding(evidence, CODE, site, what, site.name, hint)
    if evidence.axis == "depth":
        for name, parameter in evidence.parameters.items():
            if name not in evidence.unjudged:
                yield from init_and_rate(evidence, CODE, parameter)

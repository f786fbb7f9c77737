"""Weights that are looked up in one place and are the readout in another.

What:
    One tensor has one std and one learning rate, those of an embedding. The readout's use needs a
    multiplier of 1/width on top.
Why:
    As an embedding its entries are as large at every width, as a readout they must fall as
    1/fan_in; without the multiplier logits grow as n^1/2 at the start and as n^1 in training.

Example:
    head.weight = embedding.weight and logits = head(x): nothing divides by the width.
Fix:
    logits = head(x / (width / base_width)), as MuSharedReadout does.
Reference:
    Tensor Programs V (arXiv:2203.03466), Table 8.
"""

from collections.abc import Iterator

from mupfx.checks.faults import CLOSE
from mupfx.checks.numbers import init_and_rate
from mupfx.checks.sites import site_finding
from mupfx.core.evidence import Evidence
from mupfx.core.finding import Finding
from mupfx.core.vocabulary import SiteKind

CODE = "MUP007"
TITLE = "weights tied between embedding and readout"


def judge(evidence: Evidence) -> Iterator[Finding]:
    """Tied readouts without their multiplier, and tied tensors that are scaled like another."""
    for site in evidence.sites:
        over = site.deviation
        tied = site.kind is SiteKind.TIED_READOUT and not evidence.converted
        if not tied or over is None or abs(over) < CLOSE:
            continue
        hint = "divide what the readout reads by width / base width"
        name = site.parameter or site.name
        yield site_finding(
            evidence, CODE, site, "the readout's use of it is multiplied", name, hint
        )
    for parameter in evidence.parameters.values():
        if parameter.tied_readout and evidence.axis == "width":
            yield from init_and_rate(evidence, CODE, parameter)

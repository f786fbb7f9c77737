"""Output weights, those that contract width into something finite: readouts, routers.

What:
    Counted together with multipliers in the code, their std must fall as 1/fan_in, or be zero,
    and their learning rate as 1/fan_in, under SGD and Adam alike.
Why:
    What they read is correlated after one step, so that the sum over fan_in grows as fan_in. With
    the usual std of 1/sqrt(fan_in) logits are as large at every width at the start, but their
    noise reaches every gradient below.

Example:
    nn.Linear(width, classes) as it is: std n^-1/2 in place of n^-1.
Fix:
    Divide what the readout reads by width / base width and draw it with the base's std at every
    width (MuReadout), or draw it with std / width and scale its learning rate alike, not both.
Reference:
    Tensor Programs V (arXiv:2203.03466), Tables 3, 8 and 9.
"""

from collections.abc import Iterator

from mupfx.checks.faults import judged
from mupfx.checks.numbers import init_and_rate
from mupfx.core.evidence import Evidence
from mupfx.core.finding import Finding
from mupfx.core.vocabulary import Role

CODE = "MUP003"
TITLE = "output weights: init, multiplier and learning rate"


def judge(evidence: Evidence) -> Iterator[Finding]:
    """Output weights with a wrong std or learning rate."""
    for parameter in judged(evidence, Role.OUTPUT):
        if not parameter.tied_readout:
            yield from init_and_rate(evidence, CODE, parameter)

"""Embeddings and input weights, those that contract something finite into width, or are looked up.

What:
    Counted together with multipliers in the code, their std must be the same at every width, and
    so must their learning rate under Adam; under SGD it must grow as fan_out.
Why:
    Every entry of what they make stands for itself. A gradient's entries fall as 1/fan_out, which
    Adam's steps do not see and SGD's do.

Example:
    x = embedding(tokens) * sqrt(width): entries of the stream grow as n^1/2.
Fix:
    Take width out of the multiplier and out of the learning rate; under SGD multiply the learning
    rate by width / base width.
Reference:
    Tensor Programs V (arXiv:2203.03466), Table 3.
"""

from collections.abc import Iterator

from mupfx.checks.faults import judged
from mupfx.checks.numbers import init_and_rate
from mupfx.core.evidence import Evidence
from mupfx.core.finding import Finding
from mupfx.core.vocabulary import Role

CODE = "MUP005"
TITLE = "embeddings and input weights"


def judge(evidence: Evidence) -> Iterator[Finding]:
    """Input weights with a wrong std or learning rate."""
    for parameter in judged(evidence, Role.INPUT):
        if not parameter.tied_readout:
            yield from init_and_rate(evidence, CODE, parameter)

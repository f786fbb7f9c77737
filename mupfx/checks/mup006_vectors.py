"""Biases, gains of norms, class tokens and scalars: nothing is contracted with them.

What:
    Their learning rate must be the same at every width under Adam, and grow as their length under
    SGD; scalars, such as a readout's bias, keep theirs. Values may start as zeros, as ones, or
    smaller with width where they are biases.
Why:
    A bias is an input weight that reads a one. Scaled like the matrix beside it, it hardly moves in
    a wide model.

Example:
    One group for linear.weight and linear.bias with lr / width: biases stand still.
Fix:
    Give vectors a group of their own.
Reference:
    Tensor Programs V (arXiv:2203.03466), Table 3 and Appendix B.
"""

from collections.abc import Iterator

from mupfx.checks.faults import judged
from mupfx.checks.numbers import init_and_rate
from mupfx.core.evidence import Evidence
from mupfx.core.finding import Finding
from mupfx.core.vocabulary import Role

CODE = "MUP006"
TITLE = "biases, gains and scalars"


def judge(evidence: Evidence) -> Iterator[Finding]:
    """Vectors and scalars with wrong starting values or learning rate."""
    for parameter in judged(evidence, Role.VECTOR, Role.SCALAR):
        if not parameter.tied_readout:
            yield from init_and_rate(evidence, CODE, parameter)

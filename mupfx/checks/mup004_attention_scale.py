"""Scale of attention logits where heads grow wider.

What:
    Where the size of heads grows with width, logits must fall as 1/head_dim, not as
    1/sqrt(head_dim). Where only their number grows, any scale may stay.
Why:
    Queries and keys are correlated once they have learned, so that their product sums head_dim
    terms of one sign. (On short runs 1/sqrt(head_dim) can be as stable: this rests on the theory.)

Example:
    scaled_dot_product_attention(q, k, v) with num_heads fixed: logits grow as n^1/2 in training.
Fix:
    scale=sqrt(base_head_dim) / head_dim, or keep head_dim and let the number of heads grow.
Reference:
    Tensor Programs V (arXiv:2203.03466), Definition 4.1.
"""

from collections.abc import Iterator

from mupfx.checks.faults import CLOSE
from mupfx.checks.sites import site_finding
from mupfx.core.evidence import Evidence
from mupfx.core.finding import Finding
from mupfx.core.vocabulary import SiteKind

CODE = "MUP004"
TITLE = "scale of attention logits"
WORDS = {
    SiteKind.ATTENTION: (
        "attention logits are scaled",
        "scale logits by sqrt(base head_dim) / head_dim, or keep the size of heads",
    ),
    SiteKind.PRODUCT: (
        "the product of two activations that is the output is scaled",
        "divide it by the width that it sums over, over that of the smallest model",
    ),
}


def judge(evidence: Evidence) -> Iterator[Finding]:
    """Attention sites whose logits do not fall as the table says."""
    for site in evidence.sites:
        over = site.deviation
        lost = evidence.converted  # a multiplier that is gone: another rule's
        if site.kind not in WORDS or over is None or abs(over) < CLOSE or lost:
            continue
        what, hint = WORDS[site.kind]
        yield site_finding(evidence, CODE, site, what, site.name, hint)

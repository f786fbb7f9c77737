"""A model that is as in standard parametrization at every width.

What:
    Every learning rate is the same at every width, no constant in the code follows it, and readouts
    are drawn as usual: nothing of the parametrization is there.
Why:
    Set up and never applied, it fails in silence: training runs, and the best learning rate falls
    with width.

Example:
    set_base_shapes(model, model), with the model as its own base; MuAdam imported and Adam used;
    mupfx.convert(model, base=model).
Fix:
    Give the small model as the base, and build the optimizer from the groups that belong to it.
Reference:
    Tensor Programs V (arXiv:2203.03466), section 3.
"""

from collections.abc import Iterator

from mupfx.checks.faults import CLOSE, wrong
from mupfx.core.evidence import INIT, RATE, Evidence, ParameterEvidence
from mupfx.core.finding import Finding
from mupfx.core.vocabulary import Role

CODE = "MUP016"
TITLE = "the parametrization was never switched on"


def judge(evidence: Evidence) -> Iterator[Finding]:
    """Once for a model of which nothing follows width."""
    known = [p for n, p in evidence.parameters.items() if n not in evidence.unjudged]
    trained = [p for p in known if p.trained and p.in_optimizer]
    scaled = [p for p in trained if abs(p.measures[RATE].expected or 0.0) > CLOSE]
    if evidence.axis != "width" or not scaled or evidence.constants:
        return
    constant = all(abs(p.measures[RATE].written or 0.0) < CLOSE for p in trained)
    if not constant or not all(wrong(p, RATE) for p in scaled) or not _standard_readouts(trained):
        return
    yield Finding(
        CODE,
        None,
        f"{evidence.parametrization} was never switched on: all {len(trained)} tensors have one "
        f"learning rate at every width, no constant in the code follows width, and "
        f"{len(scaled)} tensors need one or the other",
        measured=0.0,
        hint="check that the base is the small model, and that the optimizer has its groups",
        axis=evidence.axis,
    )


def _standard_readouts(parameters: list[ParameterEvidence]) -> bool:
    readouts = [p for p in parameters if p.role is Role.OUTPUT and not p.tied_readout]
    drawn = [p for p in readouts if p.measures[INIT].measured is not None]
    return all(wrong(p, INIT) is not None for p in drawn)

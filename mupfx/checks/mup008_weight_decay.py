"""Weight decay where the learning rate changes with width.

What:
    Decoupled decay (AdamW), and the penalty of SGD, must keep lr * weight_decay as the learning
    rate is scaled: where lr falls as 1/n, weight_decay grows as n. A penalty that Adam normalises
    with the gradient follows no rule.
Why:
    lr * weight_decay is how much of a weight is forgotten in a step. Left as it is, hidden weights
    of wide models hardly decay at all.

Example:
    AdamW groups with lr / n and weight_decay=0.1 in all of them.
Fix:
    weight_decay * (width / base width) in groups whose lr is divided by it; mupfx.param_groups
    does so. For Adam: torch.optim.AdamW.
Reference:
    Wang and Aitchison (arXiv:2405.13698); MuAdamW of microsoft/mup.
"""

from collections.abc import Iterator

from mupfx.checks.faults import CLOSE, correction, finding, wrong
from mupfx.core.evidence import DECAY, RATE, Evidence, Measure, ParameterEvidence
from mupfx.core.finding import Finding, Level
from mupfx.core.vocabulary import Role

CODE = "MUP008"
TITLE = "weight decay that follows the learning rate"


def judge(evidence: Evidence) -> Iterator[Finding]:
    """Decay that does not follow the learning rate, and decay that follows no rule."""
    parameters = [p for n, p in evidence.parameters.items() if n not in evidence.unjudged]
    for parameter in parameters:
        measure = wrong(parameter, DECAY)
        if measure is None or wrong(parameter, RATE) is not None:
            continue
        what = f"its weight decay under {parameter.family}"
        follows = "what a step forgets of it, lr * weight_decay, changes with the model"
        hint = f"multiply its weight decay by {correction(measure, evidence.axis)}"
        level = Level.WARNING if evidence.axis == "depth" else _level(parameter, measure)
        yield finding(evidence, CODE, parameter, what, measure, follows, hint, level)
    yield from _coupled(evidence, parameters)


def _level(parameter: ParameterEvidence, measure: Measure) -> Level:
    """A default that nobody chose harms less; so does half of the way, which some prefer.

    Along depth the rule is derived and not published, and only warns.
    """
    unchosen = abs(measure.written or 0.0) < CLOSE
    unchosen = unchosen and measure.stored[-1] == parameter.default_decay
    half = abs((measure.measured or 0.0) - (measure.expected or 0.0) / 2) < CLOSE
    return (
        Level.WARNING
        if unchosen or (half and abs(measure.expected or 0.0) > CLOSE)
        else Level.ERROR
    )


def _coupled(evidence: Evidence, parameters: list[ParameterEvidence]) -> Iterator[Finding]:
    """Once for the model: a penalty that is normalised with the gradient."""
    hidden = [p for p in parameters if p.coupled and p.role is Role.HIDDEN and DECAY in p.measures]
    for parameter in hidden:
        measure = parameter.measures[DECAY]
        if measure.written is None or measure.written > CLOSE:
            continue
        yield Finding(
            CODE,
            None,
            f"weight decay of {parameter.family} is added to the gradient and normalised with it: "
            f"how much it forgets of a weight changes with {evidence.axis}",
            level=Level.WARNING,
            place=parameter.place,
            hint="decouple it: torch.optim.AdamW, or decoupled_weight_decay=True",
            axis=evidence.axis,
        )
        return

"""What could not be judged, and checks that tested nothing.

What:
    The models of all sizes are the same; or the analysis refused the model; or an optimizer is of
    no known family; or parameters are never reached by the batch, or used in a way that asks for
    different numbers at once; or the control passed, in which nothing was converted.

Why:
    A check that looks at nothing passes, and says nothing. What is not judged is told, so that
    nobody takes it for tested; where nothing at all was, the check fails.

Example:
    def make(width):
        return Model(n_embd=256)    # the width is not used

Fix:
    Make the target's model as wide as it is told. Bring a batch that reaches every part of it. For
    an optimizer that is not known, say how it scales: ``mupfx.optimizer(..., family="adamw")``.

Reference:
    Unscaled models are the control of Tensor Programs V (arXiv:2203.03466), Figure 5.
"""

from collections.abc import Iterator

from mupfx.core.evidence import Evidence
from mupfx.core.finding import Finding, Level
from mupfx.core.tested import Tested

CODE = "MUP019"
TITLE = "what could not be judged, and checks that tested nothing"


def judge(tested: Tested) -> Iterator[Finding]:
    """What could not be judged, and why; an error where that was all."""
    for axis in tested.alike:
        yield _error(
            f"the models of every {axis} are the same: nothing grows",
            f"build the model of the {axis} that the target is called with",
            axis,
        )
    for evidence in tested.evidence:
        yield from _unread(evidence)
    if not tested.alike and not any(tested.compared()):
        yield _error(
            "nothing was tested: no number could be compared, and no update be measured",
            "the other findings and the notes say why",
        )
    if tested.control_errors == 0:
        yield _error(
            "the control passes: a check that cannot tell it from the target says nothing",
            "give more or larger sizes; or a control that is not in this parametrization",
        )


def _unread(evidence: Evidence) -> Iterator[Finding]:
    axis = evidence.axis
    if evidence.refused:
        lines = evidence.refused.splitlines()
        yield Finding(
            CODE,
            None,
            f"the model could not be analysed: {lines[0]}",
            level=Level.WARNING,
            place=evidence.place,
            hint=next((line.strip() for line in lines if "hint:" in line), "mupfx inspect"),
            axis=axis,
        )
        return
    for optimizer in evidence.optimizers:
        if optimizer.family is None:
            why = optimizer.refused or "how it scales is not known"
            message = f"learning rates of {optimizer.name} are not read: {why}"
            yield Finding(CODE, None, message, level=Level.WARNING, axis=axis)
    if axis == "depth" and not evidence.depth_rule:
        message = f"{evidence.parametrization!r} says nothing of depth: branches are not judged"
        hint = 'parametrization="completep"'
        yield Finding(CODE, None, message, level=Level.WARNING, axis=axis, hint=hint)
        return
    for name in evidence.unreached:
        yield _note(name, "the batch never reaches it, so it is not judged", axis)
    for name, why in evidence.unjudged.items():
        yield _note(name, f"it is not judged: {why}", axis, Level.WARNING)


def _note(name: str, message: str, axis: str, level: Level = Level.NOTE) -> Finding:
    return Finding(CODE, name, message, level=level, axis=axis)


def _error(message: str, hint: str, axis: str = "width") -> Finding:
    return Finding(CODE, None, message, hint=hint, axis=axis)

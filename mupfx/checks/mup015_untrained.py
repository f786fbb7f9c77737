"""Parameters that no optimizer trains, or that are trained twice.

What:
    A parameter that the model uses is in no group of any optimizer; or it is in several, or
    several times in one; or it requires no gradient, though an optimizer holds it.

Why:
    A weight that is never updated stays at its random start, at every width: the model learns
    around it, and nothing fails. One that two optimizers step moves by both, so neither of their
    learning rates is the one that was scaled.

Example:
    groups = [{"params": [p for n, p in model.named_parameters() if p.ndim == 2]}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3)    # biases and gains are in no group

Fix:
    Put every parameter in exactly one group. ``mupfx.optimizer(cls, model, groups=...)`` refuses
    groups that miss one. Freeze what is not to be trained with ``requires_grad_(False)``, and
    leave it out of the optimizer.

Reference:
    Tensor Programs V (arXiv:2203.03466), Table 3: every parameter has a learning rate of its own.
"""

from collections.abc import Iterator

from mupfx.core.evidence import Evidence, ParameterEvidence
from mupfx.core.finding import Finding, Level
from mupfx.core.trained import Trained

CODE = "MUP015"
TITLE = "parameters that no optimizer trains, or that are trained twice"


def judge(evidence: Evidence) -> Iterator[Finding]:
    """A finding for every parameter that is not in exactly one group."""
    parameters = evidence.parameters.values()
    if any(p.trained for p in parameters) and not any(p.in_optimizer for p in parameters):
        yield _nothing(evidence)
        return
    for parameter in evidence.parameters.values():
        if parameter.name not in evidence.unreached:
            yield from _judged(parameter, evidence.axis)


def _judged(parameter: ParameterEvidence, axis: str) -> Iterator[Finding]:
    count = parameter.in_optimizer
    if parameter.trained and count == 0:
        yield _finding(
            parameter,
            axis,
            "it is used and requires a gradient, but no optimizer holds it: it stays as it started",
            "add it to a group, or freeze it with requires_grad_(False)",
        )
    elif count > 1:
        yield _finding(
            parameter,
            axis,
            f"it is in {count} groups of optimizers, and is updated {count} times a step",
            "keep it in exactly one group",
        )
    elif not parameter.trained and count:
        yield _finding(
            parameter,
            axis,
            "an optimizer holds it, but it requires no gradient: it stays as it started",
            "requires_grad_(True), or leave it out of the optimizer",
            Level.WARNING,
        )


def judge_training(trained: Trained) -> Iterator[Finding]:
    """Parameters that are used and held by an optimizer, and that no gradient ever comes to."""
    steps = [step for run in trained.runs for step in run.gradients]
    told = {finding.parameter for finding in trained.before}
    for name in trained.runs[0].given if steps else ():
        known = name in trained.places and name not in told
        if known and not _moved(trained, name) and not any(name in step for step in steps):
            yield Finding(
                CODE,
                name,
                "an optimizer holds it and the model uses it, but no gradient ever comes to it: it"
                " stays as it started",
                place=trained.places[name],
                hint="look for detach() or torch.no_grad() between it and the loss",
                axis=trained.axis,
                dynamic=True,
            )


def _moved(trained: Trained, name: str) -> bool:
    """Whether a step ever changed it; sparse gradients are not measured."""
    updates = [run.updates for run in trained.runs]
    return any(u[use].size for u in updates for use in u if use.parameter == name)


def _nothing(evidence: Evidence) -> Finding:
    return Finding(
        CODE,
        None,
        "the optimizer holds no parameter of the model: nothing is trained",
        hint="make the optimizer of the parameters of the model that is returned, after every"
        " change to it",
        axis=evidence.axis,
    )


def _finding(
    parameter: ParameterEvidence, axis: str, message: str, hint: str, level: Level = Level.ERROR
) -> Finding:
    return Finding(
        CODE, parameter.name, message, level=level, place=parameter.place, hint=hint, axis=axis
    )

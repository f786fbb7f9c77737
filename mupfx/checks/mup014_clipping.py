"""Clipping of gradients that bites more, or less, in larger models.

What:
    If gradients are clipped, by a hook or in the optimizer's step, then by a size that is the same
    at every width: the norm in which each parameter counts by its factor of SGD's learning rate.
Why:
    The plain norm of all gradients grows as the square root of the width, because the readout's
    gradient does not shrink as the others do; entries shrink as 1/n. A threshold that was tuned on
    a small model bites ever more, or ever less, in larger ones, and nothing else shows it.

Example:
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0) before each step.
Fix:
    mupfx.clip_grad_norm_(model, 1.0), which is the plain norm at the base.
Reference:
    The learning-rate factors of SGD make the weighed norm the rate at which the loss falls, which
    is the same at every width (Tensor Programs V, arXiv:2203.03466, Appendix B).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mupfx.checks.faults import spelled
from mupfx.core.finding import Finding, Level
from mupfx.core.run import Gradient, Run
from mupfx.core.statistics import log_slope
from mupfx.core.trained import Trained

CODE = "MUP014"
TITLE = "clipping that does not commute with the gauge"
_EQUAL = 1e-3
"""Relative: what clipping leaves is the threshold, but for rounding."""
_DRIFT, _MARGIN = 0.1, 0.25
"""Exponents that matter: of what is clipped, and of what clipping leaves."""


@dataclass(frozen=True, slots=True)
class _Clip:
    """How gradients are clipped."""

    what: str
    size: float | None
    """The exponent of the size that is compared with the threshold."""
    kept: float
    """The exponent of what is left of gradients."""


def judge(trained: Trained) -> Iterator[Finding]:
    """Gradients that come to the update smaller than backward left them."""
    runs = [run for run in trained.runs if run.gradients]
    if len({run.size for run in runs}) < 2:
        return
    clip = _by_norm(runs, trained.axis) or _by_value(runs, trained.axis)
    clip = clip or _by_tensor(runs, trained.axis)
    if clip is None:
        return
    drifts = abs(clip.kept) > _MARGIN
    if clip.size is None:
        level = Level.ERROR if drifts else None
    else:
        free = not trained.normalised.issuperset(runs[0].gradients[0])
        matters = abs(clip.size) > _DRIFT and (free or drifts)
        level = Level.ERROR if matters else Level.WARNING
    if level is not None:
        yield _finding(trained, clip, level)


def _finding(trained: Trained, clip: _Clip, level: Level) -> Finding:
    exponent = clip.kept if clip.size is None else clip.size
    follows = "bites ever more" if (clip.size or -clip.kept) > 0 else "bites ever less"
    goes = f"goes as n^{spelled(exponent)}"
    said = (
        f"what is left of them {goes}" if clip.size is None else f"it {goes}, so that it {follows}"
    )
    return Finding(
        CODE,
        None,
        f"gradients are clipped by {clip.what}; {said} in larger models",
        measured=round(exponent, 3),
        expected=0.0,
        level=level,
        axis=trained.axis,
        dynamic=True,
        hint="mupfx.clip_grad_norm_(model, max_norm) clips alike at every width",
    )


def _steps(runs: Sequence[Run]) -> Iterator[tuple[Run, Sequence[Gradient]]]:
    """The gradients of each step that are not zero."""
    for run in runs:
        for step in run.gradients:
            gradients = [g for g in step.values() if g.norm > 0 and math.isfinite(g.norm)]
            if gradients:
                yield run, gradients


def _clipped(gradient: Gradient) -> bool:
    return abs(gradient.kept - 1) > _EQUAL or abs(gradient.kept_largest - 1) > _EQUAL


def _common(gradients: Sequence[Gradient]) -> bool:
    """All are multiplied by one number."""
    factors = [f for g in gradients for f in (g.kept, g.kept_largest)]
    return max(factors) <= min(factors) * (1 + _EQUAL)


def _by_norm(runs: Sequence[Run], axis: str) -> _Clip | None:
    """One factor for all gradients: the plain norm, or another."""
    steps = list(_steps(runs))
    active = [gradients for _, gradients in steps if any(map(_clipped, gradients))]
    if not active or not all(map(_common, active)):
        return None
    left = [g[0].kept * _norm(g) for g in active]
    kept = _slope([(run, g[0].kept) for run, g in steps], axis)
    if not _constant(left):
        return _Clip("one factor", None, kept)
    return _Clip("their norm", _slope([(run, _norm(g)) for run, g in steps], axis), kept)


def _by_value(runs: Sequence[Run], axis: str) -> _Clip | None:
    steps = list(_steps(runs))
    active = [g for _, gradients in steps for g in gradients if _clipped(g)]
    if not active or not _constant([g.kept_largest * g.largest for g in active]):
        return None
    sizes = [(run, _middle([g.largest for g in gradients])) for run, gradients in steps]
    kept = [(run, _middle([g.kept for g in gradients])) for run, gradients in steps]
    return _Clip("the size of their entries", _slope(sizes, axis), _slope(kept, axis))


def _by_tensor(runs: Sequence[Run], axis: str) -> _Clip | None:
    steps = list(_steps(runs))
    active = [g for _, gradients in steps for g in gradients if _clipped(g)]
    if not active or not _constant([g.kept * g.norm for g in active]):
        return None
    sizes = [(run, _middle([g.norm for g in gradients])) for run, gradients in steps]
    kept = [(run, _middle([g.kept for g in gradients])) for run, gradients in steps]
    return _Clip("the norm of each tensor", _slope(sizes, axis), _slope(kept, axis))


def _norm(gradients: Sequence[Gradient]) -> float:
    return math.sqrt(sum(g.norm**2 for g in gradients))


def _constant(values: Sequence[float]) -> bool:
    return max(values) <= min(values) * (1 + _EQUAL)


def _middle(values: Sequence[float]) -> float:
    """Geometric mean."""
    return math.exp(sum(math.log(max(v, 1e-300)) for v in values) / len(values))


def _slope(values: Sequence[tuple[Run, float]], axis: str) -> float:
    return log_slope([run.size.along(axis) for run, _ in values], [value for _, value in values])

"""Updates that grow or vanish with size in training, whatever the reason.

What:
    A few real steps at several sizes, with the model's own optimizer: the rms of (W_t - W_0) x_t
    of every use of every parameter must follow the exponent that the table gives it, 0 in muP.
Why:
    It is what all rules are for. A number that no rule reads, in the code, in a hook, or in an
    optimizer of one's own, shows here: an update that grows makes wide models diverge at learning
    rates that suit small ones; one that vanishes is a layer that stops learning.

Example:
    x = layer(x) * gain(width), in a custom op that nothing can read: the update of the layer after
    it grows as the gain does.
Fix:
    Look for what changes with the size between the parameter and its use, and for its learning
    rate in the steps themselves. Slopes and intervals are in the report.
Reference:
    Everett et al. (arXiv:2407.05872), alignment and updates by layer; Tensor Programs V
    (arXiv:2203.03466), Appendix J, for the coordinate check that this one refines.
"""

from collections.abc import Iterator

from mupfx.checks.faults import spelled
from mupfx.core.finding import Finding
from mupfx.core.report import Slope, Verdict
from mupfx.core.trained import Trained

CODE = "MUP017"
TITLE = "an update grows or vanishes in training"


def judge(trained: Trained) -> Iterator[Finding]:
    """The updates that are furthest off; none where something else explains them."""
    failed = [s for s in trained.slopes if s.verdict is Verdict.FAIL and s.expected is not None]
    if trained.explained or not failed:
        return
    worst = max(abs(_excess(slope)) for slope in failed)
    said: set[str] = set()
    for slope in failed:
        if abs(_excess(slope)) >= worst / 2 and slope.parameter not in said:
            said.add(slope.parameter)
            yield _finding(trained, slope)


def _excess(slope: Slope) -> float:
    return _mean(slope) - (slope.expected or 0.0)


def _mean(slope: Slope) -> float:
    return sum(slope.slopes) / len(slope.slopes)


def _finding(trained: Trained, slope: Slope) -> Finding:
    over, low_high = _excess(slope), slope.interval
    goes = "grows" if over > 0 else "vanishes"
    place = trained.places.get(slope.parameter)
    return Finding(
        CODE,
        slope.parameter,
        f"in training its update {goes}: (W_t - W_0) x goes as n^{_mean(slope):.2f} "
        f"({low_high[0]:.2f} to {low_high[1]:.2f}), and should as "
        f"n^{spelled(slope.expected or 0.0)}",
        measured=round(_mean(slope), 3) + 0.0,
        expected=slope.expected,
        place=place,
        hint="what changes with the size around this tensor, or in its learning rate in the steps?",
        axis=slope.axis,
        dynamic=True,
    )

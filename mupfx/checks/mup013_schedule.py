"""A schedule that erased the ratios between learning rates.

What:
    At every step the learning rate of each group must stand to that of a smaller model as it did
    when the optimizer was made. A schedule has to multiply all groups by one factor.
Why:
    Schedules that set a rate outright, such as a constant warm-up, a floor, or one maximum for all
    groups, give every group the same rate. The rates are right when one looks at the groups, and
    wrong in every step while the schedule holds: hidden updates then grow with width.

Example:
    for group in optimizer.param_groups: group["lr"] = warmup_lr    # the same at every width
Fix:
    Multiply each group's own rate: group["lr"] = group["initial_lr"] * factor; give OneCycleLR a
    max_lr for every group; or make the schedule with mupfx.scheduler.
Reference:
    Tensor Programs V (arXiv:2203.03466), Table 3: the ratios hold at every step.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

from mupfx.checks.faults import CLOSE, spelled
from mupfx.core.finding import Finding, Level
from mupfx.core.report import Verdict
from mupfx.core.run import Run
from mupfx.core.statistics import log_slope
from mupfx.core.trained import Trained

CODE = "MUP013"
TITLE = "a schedule erased the ratios"
_FELT = 0.02
"""A floor that is a smaller part of a rate is as good as zero."""
_TOLERANCE = 1e-3
"""Relative: schedules multiply over and over."""


def judge(trained: Trained) -> Iterator[Finding]:
    """Steps in which rates do not stand as they were given."""
    said = next(_said(trained), None)
    runs = [run for run in trained.runs if run.seed == trained.runs[0].seed]
    for step in range(trained.steps):
        off = _off(runs, step)
        if any(_is_wrong(trained, runs, name, step) for name in off):
            yield _finding(trained, runs, off, step)
            return
    if said is not None:
        yield Finding(CODE, None, said, axis=trained.axis, dynamic=True, hint=_HINT)


_HINT = "multiply the rate of each group by one factor, or use mupfx.scheduler"


def set_right(trained: Trained) -> Iterator[str]:
    """Parameters whose rate is what it is to be in every step, whatever it was given as."""
    runs = [run for run in trained.runs if run.seed == trained.runs[0].seed]
    for name in trained.due if trained.steps else ():
        off = any(name in _off(runs, step) for step in range(trained.steps))
        if off and all(_is_due(trained, runs, name, step) for step in range(trained.steps)):
            yield name


def _is_wrong(trained: Trained, runs: Sequence[Run], name: str, step: int) -> bool:
    """Whether a rate that goes otherwise than it was given is a fault.

    What an optimizer of an unknown kind makes of rates in its own step, updates show.
    """
    if name in trained.due:
        return not _is_due(trained, runs, name, step)
    slopes = (slope for slope in trained.slopes if slope.parameter == name)
    return name in _off(runs, step, scheduled=True) or any(
        slope.verdict is Verdict.FAIL for slope in slopes
    )


def _is_due(trained: Trained, runs: Sequence[Run], name: str, step: int) -> bool:
    rates = [run.rates[step].get(name, 0.0) for run in runs]
    now = _exponent(runs, rates, trained.axis)
    wanted = trained.due.get(name)
    return now is not None and wanted is not None and math.isclose(now, wanted, abs_tol=CLOSE)


def _said(trained: Trained) -> Iterator[str]:
    """What schedulers themselves tell; one rate for all is a fault where rates are wrong."""
    yield from (said for run in trained.runs for said in run.schedules)
    yield from _floored(trained)
    if any("learning rate" in f.message for f in trained.before if f.level is Level.ERROR):
        yield from max(trained.runs, key=lambda run: run.size).pinned


def _floored(trained: Trained) -> Iterator[str]:
    """A floor that is one number at every size, below rates that are not."""
    runs = [run for run in trained.runs if run.seed == trained.runs[0].seed]
    floors = {floor for run in runs for floor in run.floors}
    if len(floors) != 1 or not all(run.floors for run in runs):
        return
    (floor,) = floors
    for name in runs[0].given:
        given = [run.given[name] for run in runs if run.given.get(name)]
        if len(given) == len(runs) and _differ(given) and floor > _FELT * min(given):
            yield (
                f"the schedule ends at {floor:g} for all groups at every size, and the rate of "
                f"{name} starts at {given[0]:g} in the smallest model and at {given[-1]:g} in the "
                "largest: the ratio is lost on the way"
            )


def _differ(values: Sequence[float]) -> bool:
    return max(values) > min(values) * (1 + _TOLERANCE)


def _off(
    runs: Sequence[Run], step: int, *, scheduled: bool = False
) -> dict[str, tuple[float, float]]:
    """Parameters whose factor differs between sizes: the least factor and the greatest."""
    found = {}
    for name in runs[0].given:
        rows = [(run, run.scheduled if scheduled else run.rates) for run in runs]
        each = (_factor(run.given, rates[step], name) for run, rates in rows if rates)
        factors = [factor for factor in each if factor is not None]
        if len(factors) == len(runs) and max(factors) > min(factors) * (1 + _TOLERANCE):
            found[name] = (min(factors), max(factors))
    return found


def _factor(was: Mapping[str, float], rates: Mapping[str, float], name: str) -> float | None:
    given, now = was.get(name, 0.0), rates.get(name)
    return None if not given or now is None else now / given


def _finding(
    trained: Trained, runs: Sequence[Run], off: Mapping[str, tuple[float, float]], step: int
) -> Finding:
    name = max(off, key=lambda n: off[n][1] / max(off[n][0], 1e-300))
    was = _exponent(runs, [run.given[name] for run in runs], trained.axis)
    now = _exponent(runs, [run.rates[step][name] for run in runs], trained.axis)
    rest = f" and {len(off) - 1} others" if len(off) > 1 else ""
    return Finding(
        CODE,
        None,
        f"the schedule changes rates by factors that differ between sizes: in step {step + 1} "
        f"that of {name}{rest} goes as {_power(now)}, and was given as {_power(was)}; "
        + _alike(runs, step),
        measured=_rounded(now),
        expected=_rounded(was),
        axis=trained.axis,
        dynamic=True,
        hint=_HINT,
    )


def _alike(runs: Sequence[Run], step: int) -> str:
    largest = max(runs, key=lambda run: run.size)
    rates = list(largest.rates[step].values())
    same = max(rates) <= min(rates) * (1 + _TOLERANCE)
    return "all groups have one rate" if same else "updates go as the rates do"


def _exponent(runs: Sequence[Run], rates: Sequence[float], axis: str) -> float | None:
    sizes = [run.size.along(axis) for run in runs]
    return log_slope(sizes, rates) if min(rates) > 0 and len(set(sizes)) > 1 else None


def _power(power: float | None) -> str:
    if power is None or math.isclose(power, 0.0, abs_tol=1e-6):
        return "n^0"
    return f"n^{spelled(power)}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3) + 0.0

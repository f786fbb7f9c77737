"""Slopes of what training changed, with what the table expects of them, and a verdict each.

::

    head.weight, use 0   update   slopes -0.03 -0.01 -0.04   expected 0   (-0.09, 0.04)   pass
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from mupfx.core.evidence import Evidence, ParameterEvidence, UseEvidence
from mupfx.core.report import Size, Slope, Verdict
from mupfx.core.run import Run, Seen, Use
from mupfx.core.statistics import Line, holm, line, log_slope
from mupfx.core.vocabulary import Role
from mupfx.tables.optimizers import FAMILIES

MARGIN = 0.25
"""Exponents closer than this are the same."""
LEVEL = 0.05
"""Of all tests of one axis together, at all looks that it may take at them."""
START = 0.2
"""How much more than the margin any update may fall short of: in few steps, at few sizes."""
SLOWER = 0.5
"""How much slower than expected some updates grow at first, in exponents."""
CONTRACTS = 0.1
"""The least difference of exponents of fan-in and fan-out."""
_SUMMED = {Role.HIDDEN, Role.OUTPUT}
RESOLVED = 0.1
"""Less of an update than this, and it is all random signs."""
CONFIDENCE = 0.9
"""Of intervals: one that lies inside the margin is wrong in one of twenty cases."""
NEGLIGIBLE = 1e-6
"""The share of all gradients' norm below which a gradient is rounding: that of a bias of keys."""
FEW = 8
"""Fewer entries than this and an update is a coin or two that were tossed."""
GROWS = 0.25
"""The least exponent of what is more in larger models."""
WHOLE = frozenset({"muon", "muon match_rms_adamw", "shampoo"})
"""Families that make a whole matrix orthogonal: random signs are what they leave."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the table says of one use of a parameter, as exponents of the size ratio."""

    update: float | None
    """Of ``(W_t - W_0) x_t`` in the canonical gauge; None where no rule says."""
    after: float = 0.0
    """Of the constants behind the op that are counted to the weight."""
    sums: bool | None = None
    """Whether the op sums more products in larger models; None where that does not matter."""
    slower: bool = False
    """It may start slower, so that only growth is a fault."""
    whole: bool = False
    """The optimizer makes a whole matrix orthogonal."""
    start: float | None = None
    """Of ``W_0 x_0``, to be shown: it is judged where stored values are read."""


def expectations(evidence: Evidence) -> dict[str, tuple[Expected, ...]]:
    """What is expected of every use of every parameter, in the order of the forward pass."""
    return {
        name: tuple(_expected(evidence, parameter, use) for use in parameter.uses)
        for name, parameter in evidence.parameters.items()
        if name not in evidence.unjudged
    }


def _expected(evidence: Evidence, parameter: ParameterEvidence, use: UseEvidence) -> Expected:
    sizes = [size.along(evidence.axis) for size in evidence.sizes]
    sums = use.role in _SUMMED
    known = parameter.expected_init
    inside = log_slope(sizes, parameter.fan_in) / 2 if sums else 0.0
    update = log_slope(sizes, use.update) + _of_site(evidence, parameter, use)
    return Expected(
        update=update if math.prod(parameter.shape) >= FEW else None,
        after=log_slope(sizes, use.after),
        sums=sums if evidence.axis == "width" else None,
        slower=_contracts(evidence, sizes) or _follows_gradient(parameter.family),
        whole=parameter.adjusts or parameter.family in WHOLE,
        start=None if known is None or parameter.free else known + inside,
    )


def _follows_gradient(family: str | None) -> bool:
    """Whether an optimizer's steps are as large as gradients are.

    These may be smaller at first than in the limit: those of queries and keys are, until attention
    has moved away from its mean, and those of gates. Steps of one size do not show it.
    """
    return family is not None and family in FAMILIES and FAMILIES[family].lr.gradient != 0


def _contracts(evidence: Evidence, sizes: Sequence[int]) -> bool:
    """Whether some weight's fan-out grows more slowly than its fan-in.

    It starts smaller than others, so that its update does not grow; until it has moved, what
    follows it is smaller in larger models.
    """
    return any(
        log_slope(sizes, p.fan_out) < log_slope(sizes, p.fan_in) - CONTRACTS
        for p in evidence.parameters.values()
        if p.role is Role.HIDDEN and evidence.axis == "width"
    )


def _of_site(evidence: Evidence, parameter: ParameterEvidence, use: UseEvidence) -> float:
    """The exponent of the multiplier that a tied readout has in the canonical gauge."""
    if not parameter.tied_readout or use.role is not Role.OUTPUT:
        return 0.0
    mine = (site for site in evidence.sites if site.parameter == parameter.name)
    return next((site.expected for site in mine if site.expected is not None), 0.0)


@dataclass(frozen=True, slots=True)
class _Row:
    """One statistic of one use at all sizes and seeds."""

    use: Use
    statistic: str
    values: tuple[tuple[float, ...], ...]
    expected: Expected
    wanted: float | None
    fit: Line
    low: float
    high: float

    @property
    def judged(self) -> bool:
        return self.statistic == "update" and self.wanted is not None


def dynamic_evidence(
    runs: Iterable[Run],
    expected: Mapping[str, Sequence[Expected]],
    *,
    axis: str = "width",
    margin: float = MARGIN,
    looks: int = 1,
) -> tuple[Slope, ...]:
    """What some runs show along one axis, a row for every use that all of them have.

    Args:
        runs: The same sizes for every seed.
        expected: By parameter, an entry a use; a parameter without entries is not judged.
        axis: ``width`` or ``depth``.
        margin: Exponents closer than this are the same.
        looks: How often this may be asked while runs are added, each a chance to be wrong.
    """
    runs = tuple(runs)
    by_seed, idle = _by_seed(runs), rounding(runs)
    expected = {name: rules for name, rules in expected.items() if name not in idle}
    rows = [
        row
        for statistic in ("update", "start")
        for use in _common(by_seed, statistic)
        if (row := _row(by_seed, use, statistic, expected, (axis, margin))) is not None
    ]
    judged = [row for row in rows if row.judged]
    p_values = holm([row.fit.p_outside(row.low, row.high) for row in judged])
    adjusted = {id(row): p for row, p in zip(judged, p_values, strict=True)}
    return tuple(_slope(row, looks * adjusted.get(id(row), 1.0), axis) for row in rows)


BySeed = Mapping[int, Mapping[Size, Run]]


def _by_seed(runs: Iterable[Run]) -> BySeed:
    found: dict[int, dict[Size, Run]] = {}
    for run in sorted(runs, key=lambda r: (r.seed, r.size)):
        found.setdefault(run.seed, {})[run.size] = run
    sizes = {tuple(rows) for rows in found.values()}
    if len(sizes) > 1:
        raise ValueError(f"seeds differ in their sizes: {sorted(sizes)}")
    return found


def _seen(run: Run, statistic: str) -> Mapping[Use, Seen]:
    return run.updates if statistic == "update" else run.starts


def _common(by_seed: BySeed, statistic: str) -> list[Use]:
    """Uses that all runs have, in the order of the smallest."""
    runs = [run for rows in by_seed.values() for run in rows.values()]
    return [
        use
        for use in (_seen(runs[0], statistic) if runs else ())
        if all(use in _seen(run, statistic) for run in runs)
    ]


def _row(
    by_seed: BySeed,
    use: Use,
    statistic: str,
    expected: Mapping[str, Sequence[Expected]],
    how: tuple[str, float],
) -> _Row | None:
    """A fit; None where a value is zero or not finite, which has no exponent."""
    axis, margin = how
    seen = [[_seen(run, statistic)[use] for run in rows.values()] for rows in by_seed.values()]
    sizes = [size.along(axis) for size in next(iter(by_seed.values()))]
    whole = _whole(expected, use) or _is_whole(by_seed, use.parameter)
    values, resolved = _values(seen, sizes, statistic, whole=whole)
    if len(sizes) < 2 or not all(v > 0 and math.isfinite(v) for row in values for v in row):
        return None
    rule = _match(expected.get(use.parameter, ()), use, _growth(seen[0], sizes))
    wanted = rule.update if statistic == "update" else rule.start
    wanted = None if wanted is None else wanted - rule.after
    fit = line([math.log(s) for s in sizes], [[math.log(v) for v in row] for row in values])
    slack = START + (0.0 if resolved and not rule.slower else SLOWER) + _behind(seen, sizes)
    low, high = (wanted or 0.0) - margin - slack, (wanted or 0.0) + margin
    return _Row(use, statistic, values, rule, wanted, fit, low, high)


def _behind(seen: Sequence[Sequence[Seen]], sizes: Sequence[int]) -> float:
    """How far the data that a parameter meets falls behind: an update of it does, too.

    It may start small, at what a bias or a layer before makes of it.
    """
    rows = [[s.beside for s in row if s.beside] for row in seen]
    if any(len(row) != len(sizes) for row in rows):
        return 0.0
    return max(0.0, -fmean(log_slope(sizes, row) for row in rows))


def rounding(runs: Iterable[Run]) -> frozenset[str]:
    """Parameters whose gradients, in some run, are nothing but rounding: they have no effect."""
    return frozenset(name for run in runs for name, share in _shares(run) if 0 < share < NEGLIGIBLE)


def _shares(run: Run) -> Iterator[tuple[str, float]]:
    """By parameter, the largest share of all gradients' norm in one step."""
    totals = [math.hypot(*(g.norm for g in step.values())) for step in run.gradients]
    steps = [(step, total) for step, total in zip(run.gradients, totals, strict=True) if total]
    for name in dict.fromkeys(name for step, _ in steps for name in step):
        yield name, max(step[name].norm / total for step, total in steps if name in step)


def _whole(expected: Mapping[str, Sequence[Expected]], use: Use) -> bool:
    return any(e.whole for e in expected.get(use.parameter, ()))


def _is_whole(by_seed: BySeed, name: str) -> bool:
    """Whether updates were orthogonal in most runs."""
    runs = [run for rows in by_seed.values() for run in rows.values()]
    return 2 * sum(name in run.whole for run in runs) > len(runs)


def _values(
    seen: Sequence[Sequence[Seen]], sizes: Sequence[int], statistic: str, *, whole: bool
) -> tuple[tuple[tuple[float, ...], ...], bool]:
    """The statistic, and whether it is free of what random signs do to it.

    Where the sum grows with the model, it is the update less what random signs would give; where
    that is nearly all there is, the update itself, which then grows more slowly than its limit.
    """
    raw = tuple(tuple(s.size for s in row) for row in seen)
    grows = (_growth(seen[0], sizes) or 0.0) > GROWS
    if statistic == "start" or not grows or whole:
        return raw, True
    parts = tuple(tuple(s.coherent for s in row if s.coherent is not None) for row in seen)
    if [len(row) for row in parts] != [len(row) for row in raw]:
        return raw, True
    for row, part in zip(raw, parts, strict=True):
        if any(p < RESOLVED * r for p, r in zip(part, row, strict=True)):
            return raw, False
    return parts, True


def _growth(row: Sequence[Seen], sizes: Sequence[int]) -> float | None:
    """The exponent of how many products are summed."""
    counts = [s.contracted for s in row if s.contracted]
    return log_slope(sizes, counts) if len(counts) == len(sizes) > 1 else None


def _match(rules: Sequence[Expected], use: Use, growth: float | None) -> Expected:
    """What is expected of a use: its own entry, or the one that all entries agree on."""
    fitting = [
        rule
        for rule in rules
        if rule.sums is None or growth is None or rule.sums == (growth > GROWS)
    ]
    if len(set(fitting)) == 1:
        return fitting[0]
    if len(fitting) == len(rules) > use.number:
        return rules[use.number]
    return Expected(None)


def _slope(row: _Row, p_value: float, axis: str) -> Slope:
    interval = row.fit.interval(CONFIDENCE)
    return Slope(
        parameter=row.use.parameter,
        use=row.use.number,
        statistic=row.statistic,
        axis=axis,
        values=row.values,
        slopes=row.fit.slopes,
        expected=row.wanted,
        interval=interval,
        verdict=_verdict(row, interval, p_value),
    )


def _verdict(row: _Row, interval: tuple[float, float], p_value: float) -> Verdict:
    if not row.judged or (row.low <= interval[0] and interval[1] <= row.high):
        return Verdict.PASS
    return Verdict.FAIL if p_value < LEVEL else Verdict.INCONCLUSIVE

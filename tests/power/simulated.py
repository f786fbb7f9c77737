"""How often the decision rule is wrong, on slopes that are drawn: no model is trained.

Every trial is one check of many uses; of a trial with a fault, one use has another slope. Noise is
that of a value at one size and seed; it may be larger at small sizes.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from mupfx.core.report import Size, Slope, Verdict
from mupfx.core.run import Run, Seen
from mupfx.core.statistics import wilson
from mupfx.pipeline.checking.dynamic import Expected, dynamic_evidence
from mupfx.pipeline.checking.growth import Budget, grow
from tests.checks.drawn_runs import WIDTHS, run

USES = 30
BUDGET = Budget(seeds=(0, 1, 2), most_seeds=12, wider=1)


@dataclass(frozen=True)
class Case:
    """What is drawn."""

    name: str
    slope: float = 0.0
    """Of one use; the others' is as expected but for ``bias``."""
    bias: float = 0.0
    """Of all uses, within the margin."""
    noise: float = 0.1
    uneven: bool = False
    """Whether noise falls as the root of the width."""


@dataclass(frozen=True)
class Rates:
    """Of some trials."""

    case: Case
    trials: int
    failed: int
    passed: int
    named: int
    """Failed at the use that is at fault, and at no other."""
    seeds: float
    """Mean number that were tried."""

    def __str__(self) -> str:
        """A row of the table."""
        cells = (_rate(hits, self.trials) for hits in (self.failed, self.passed, self.named))
        return f"{self.case.name:42} {'  '.join(cells)}  {self.seeds:5.1f}"


def _rate(hits: int, of: int) -> str:
    low, high = wilson(hits, of)
    return f"{hits / of:6.3f} ({low:.3f}-{high:.3f})"


HEADER = f"{'':42} {'failed':22}  {'passed':22}  {'named':22}  seeds"


def rates(case: Case, trials: int, seed: int = 0) -> Rates:
    """Of one case, with more seeds and a wider model where the rule asks for them."""
    draw = random.Random(seed)
    failed = passed = named = 0
    seeds = 0
    for _ in range(trials):
        verdicts, tried = _trial(case, draw)
        seeds += tried
        wrong = [at for at, verdict in enumerate(verdicts) if verdict is Verdict.FAIL]
        failed += bool(wrong)
        passed += all(verdict is Verdict.PASS for verdict in verdicts)
        named += wrong == [0]
    return Rates(case, trials, failed, passed, named, seeds / trials)


def _trial(case: Case, draw: random.Random) -> tuple[list[Verdict], int]:
    slopes = [case.slope or case.bias, *[case.bias] * (USES - 1)]
    rules = {f"w{at:02}": (Expected(0.0),) for at in range(USES)}

    def make(size: Size, seed: int) -> Run:
        width = size.along("width")
        noise = case.noise * ((width / WIDTHS[0]) ** -0.5 if case.uneven else 1.0)
        found = {
            name: Seen((width / WIDTHS[0]) ** slope * math.exp(draw.gauss(0, noise)), 1)
            for name, slope in zip(rules, slopes, strict=True)
        }
        return run(width, seed, found)

    def judge(runs: Sequence[Run]) -> tuple[Slope, ...]:
        return dynamic_evidence(runs, rules, looks=BUDGET.looks)

    found = grow([Size(w) for w in WIDTHS], "width", BUDGET, make, judge)
    return [slope.verdict for slope in found.slopes], len(found.seeds)


CASES = (
    Case("as expected"),
    Case("as expected, little noise", noise=0.03),
    Case("as expected, much noise", noise=0.3),
    Case("as expected, noise at small widths", noise=0.3, uneven=True),
    Case("all 0.1 off, inside the margin", bias=0.1),
    Case("all 0.15 off, inside the margin", bias=0.15),
    Case("all at the margin", bias=0.25),
    Case("one grows as n^1/2", slope=0.5),
    Case("one grows as n^1/2, much noise", slope=0.5, noise=0.3),
    Case("one grows as n^1", slope=1.0),
    Case("one grows as n^1, much noise", slope=1.0, noise=0.3),
    Case("one falls as n^-1", slope=-1.0),
    Case("one falls as n^-1, noise at small widths", slope=-1.0, noise=0.3, uneven=True),
)

"""Slopes and verdicts of runs whose slopes are known, and of small models with planted faults."""

import math
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from mupfx.core.report import Size, Slope, Verdict
from mupfx.core.run import Gradient, Run, Seen, Use
from mupfx.pipeline.checking.dynamic import Expected, dynamic_evidence
from mupfx.pipeline.checking.growth import Budget, grow
from tests.checks.drawn_runs import SEEDS, WIDTHS, drawn, run

NONE = {"w": (Expected(0.0),)}


def only(slopes: Sequence[Slope]) -> Slope:
    (found,) = slopes
    return found


@pytest.mark.parametrize(
    ("slope", "expected", "verdict"),
    [
        (0.0, 0.0, "pass"),
        (1.0, 0.0, "fail"),
        (-0.5, 0.0, "fail"),
        (-0.5, -0.5, "pass"),
        (0.15, 0.0, "pass"),
        (0.4, 0.0, "fail"),
        (-0.4, 0.0, "pass"),
        (-0.6, 0.0, "fail"),
    ],
)
def test_verdicts(slope: float, expected: float, verdict: str) -> None:
    found = only(dynamic_evidence(drawn({"w": slope}), {"w": (Expected(expected),)}))
    assert found.verdict == verdict
    assert found.expected == expected
    assert found.interval[0] < slope < found.interval[1]
    assert len(found.slopes) == 3
    assert [len(row) for row in found.values] == [4, 4, 4]


def test_noise_leaves_it_open() -> None:
    found = only(dynamic_evidence(drawn({"w": 0.2}, noise=0.3), NONE))
    assert found.verdict is Verdict.INCONCLUSIVE


def test_many_tests_ask_for_more() -> None:
    """One p-value of 0.01 fails alone, and not as one of forty."""
    near = {"w": 0.36}
    noise = 0.12
    alone = only(dynamic_evidence(drawn(near, noise), NONE))
    others = {f"v{i}": 0.0 for i in range(40)}
    rules = {name: (Expected(0.0),) for name in others | near}
    crowd = dynamic_evidence(drawn(near | others, noise), rules)
    first = next(s for s in crowd if s.parameter == "w")
    assert alone.verdict is Verdict.FAIL
    assert first.verdict is Verdict.INCONCLUSIVE


def test_what_no_rule_says_is_shown_and_not_judged() -> None:
    found = only(dynamic_evidence(drawn({"w": 1.0}), {}))
    assert found.expected is None
    assert found.verdict is Verdict.PASS


def test_constants_behind_the_op_count() -> None:
    """In the NTK gauge W x is multiplied by n^-1/2 afterwards."""
    behind = {"w": (Expected(0.0, after=-0.5),)}
    assert only(dynamic_evidence(drawn({"w": 0.5}), behind)).verdict is Verdict.PASS
    assert only(dynamic_evidence(drawn({"w": 0.0}), behind)).verdict is Verdict.FAIL


def test_what_may_start_slower_fails_for_growth_alone() -> None:
    slower = {"w": (Expected(0.0, slower=True),)}
    assert only(dynamic_evidence(drawn({"w": -0.5}), slower)).verdict is Verdict.PASS
    assert only(dynamic_evidence(drawn({"w": 0.5}), slower)).verdict is Verdict.FAIL


def test_an_update_may_fall_behind_as_its_data_does() -> None:
    def runs(power: float) -> list[Run]:
        return [
            run(w, s, {"w": Seen((1 + 0.01 * s) * w**-0.7, w, None, w**power)})
            for s in SEEDS
            for w in WIDTHS
        ]

    assert only(dynamic_evidence(runs(0.0), NONE)).verdict is Verdict.FAIL
    assert only(dynamic_evidence(runs(0.5), NONE)).verdict is Verdict.FAIL
    assert only(dynamic_evidence(runs(-0.5), NONE)).verdict is Verdict.PASS


def test_the_margin_is_a_choice() -> None:
    (wide,) = dynamic_evidence(drawn({"w": 0.4}), NONE, margin=0.6)
    assert wide.verdict is Verdict.PASS


def test_a_gradient_that_is_rounding_says_nothing() -> None:
    """A bias of keys changes nothing, and an optimizer that normalises makes steps of the noise."""

    def runs(norm: float) -> list[Run]:
        step = {"w": Gradient(norm, norm), "v": Gradient(1.0, 1.0)}
        return [replace(r, gradients=(step,)) for r in drawn({"w": -1.0})]

    assert only(dynamic_evidence(runs(1e-9), NONE)).expected is None
    assert only(dynamic_evidence(runs(1e-3), NONE)).verdict is Verdict.FAIL


def test_zeros_have_no_slope() -> None:
    runs = [run(width, seed, {"w": Seen(0.0)}) for seed in SEEDS for width in WIDTHS]
    assert dynamic_evidence(runs, NONE) == ()


def summed(coherent: float, width: int) -> Seen:
    """An update of which the coherent part is the same at every width, and signs are the rest."""
    return Seen(math.sqrt(coherent**2 + 1 / width), width, coherent)


def test_random_signs_are_taken_off_where_sums_grow() -> None:
    runs = [run(w, s, {"w": summed(0.05 + 1e-4 * s, w)}) for s in SEEDS for w in WIDTHS]
    found = only(dynamic_evidence(runs, {"w": (Expected(0.0, sums=True),)}))
    assert found.verdict is Verdict.PASS
    assert max(map(abs, found.slopes)) < 1e-6


def test_random_signs_are_what_orthogonal_updates_leave() -> None:
    seen = {w: Seen(1.0, w, 0.01 * w**0.5) for w in WIDTHS}
    runs = [run(w, s, {"w": seen[w]}) for s in SEEDS for w in WIDTHS]
    found = only(dynamic_evidence(runs, {"w": (Expected(0.0, sums=True, whole=True),)}))
    assert found.slopes == pytest.approx([0.0] * 3)
    most = [replace(r, whole=frozenset("w" if r.seed else "")) for r in runs]
    assert dynamic_evidence(most, {"w": (Expected(0.0, sums=True),)}) == (found,)


def test_an_update_of_signs_alone_may_shrink_and_not_grow() -> None:
    def runs(power: float) -> list[Run]:
        return [
            run(w, s, {"w": Seen((1 + 0.01 * s) * w**power, w, 0.0)}) for s in SEEDS for w in WIDTHS
        ]

    rules = {"w": (Expected(0.0, sums=True),)}
    assert only(dynamic_evidence(runs(-0.5), rules)).verdict is Verdict.PASS
    assert only(dynamic_evidence(runs(0.5), rules)).verdict is Verdict.FAIL
    assert only(dynamic_evidence(runs(-1.0), rules)).verdict is Verdict.FAIL


def tied(lookup: float, readout: float) -> list[Run]:
    """A table that is looked up, and then a readout."""
    return [
        replace(
            run(w, s),
            updates={
                Use("w", 0, "embedding"): Seen((1 + 0.01 * s) * w**lookup, 1),
                Use("w", 1, "mm"): Seen((1 - 0.01 * s) * w**readout, w),
            },
        )
        for s in SEEDS
        for w in WIDTHS
    ]


def test_uses_are_told_apart_by_what_they_sum() -> None:
    rules = {"w": (Expected(0.0, sums=False), Expected(0.0, after=-1.0, sums=True))}
    found = dynamic_evidence(tied(0.0, 1.0), rules)
    assert [(s.use, s.expected, s.verdict) for s in found] == [(0, 0.0, "pass"), (1, 1.0, "pass")]
    assert [s.verdict for s in dynamic_evidence(tied(1.0, 0.0), rules)] == ["fail", "fail"]


def test_a_use_that_no_rule_is_about_is_not_judged() -> None:
    """Experts that data picks first: the rule is about where they are summed."""
    found = dynamic_evidence(tied(-1.0, 0.0), {"w": (Expected(0.0, sums=True),)})
    assert [(s.expected, s.verdict) for s in found] == [(None, "pass"), (0.0, "pass")]


def test_seeds_that_differ_in_their_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="differ"):
        dynamic_evidence([run(64), run(128), run(64, 1)], NONE)


BUDGET = Budget(seeds=(0, 1, 2), most_seeds=5, wider=1)


def grown(noise: float, slope: float = 0.0, budget: Budget = BUDGET) -> tuple[list[Size], int]:
    """Sizes that were tried in the end, and the number of seeds."""
    draw = random.Random(3)
    calls = []

    def make(size: Size, seed: int) -> Run:
        calls.append((size, seed))
        return drawn({"w": slope}, noise, draw=draw, widths=[size.along("width")], seeds=[seed])[0]

    found = grow(
        [Size(w) for w in WIDTHS], "width", budget, make, lambda runs: dynamic_evidence(runs, NONE)
    )
    assert len(calls) == len(set(calls)) == len(found.runs)
    return list(found.sizes), len(found.seeds)


def test_what_is_decided_is_not_looked_at_again() -> None:
    assert grown(0.01) == ([Size(w) for w in WIDTHS], 3)
    assert grown(0.01, slope=1.0) == ([Size(w) for w in WIDTHS], 3)


def test_what_is_open_gets_more_seeds_and_then_a_wider_model() -> None:
    assert grown(1.5) == ([Size(w) for w in (*WIDTHS, 1024)], 5)


def test_a_little_noise_takes_a_few_more_seeds() -> None:
    sizes, seeds = grown(0.3, budget=replace(BUDGET, most_seeds=12))
    assert len(sizes) == 4
    assert 3 < seeds < 12


def test_what_is_not_finite_is_not_repeated() -> None:
    found = grow(
        [Size(w) for w in WIDTHS],
        "width",
        BUDGET,
        lambda size, seed: run(size.along("width"), seed, not_finite="the loss"),
        lambda runs: (replace(only(dynamic_evidence(drawn({"w": 0.2}, 0.5), NONE))),),
    )
    assert found.seeds == (0, 1, 2)


def test_every_look_is_a_chance_to_be_wrong() -> None:
    """So that each has its share of the level; looks are as many as the budget allows."""
    runs = drawn({"w": 0.4}, 0.3, seeds=(0, 1, 2, 3), draw=random.Random(3))
    once, often = (only(dynamic_evidence(runs, NONE, looks=looks)) for looks in (1, BUDGET.looks))
    assert BUDGET.looks == 4
    assert once.interval == often.interval
    assert (once.verdict, often.verdict) == (Verdict.FAIL, Verdict.INCONCLUSIVE)

"""Drift along an axis: what passes, what fails, and what cannot be said."""

from collections.abc import Mapping, Sequence
from random import Random

import pytest

from mupfx.core.report import Size, Verdict
from mupfx.core.transfer import Curve
from mupfx.observables.drift import ONE_SEED, OPTIMUM_BEYOND, Fitted, drift, fitted, judge

DOWN, UP, BOTH = frozenset({"down"}), frozenset({"up"}), frozenset({"down", "up"})
NONE: frozenset[str] = frozenset()

CASES = {
    "inside": ((-0.2, 0.3), 0.05, NONE, Verdict.PASS),
    "clearly below": ((-3.2, -2.8), -3.0, NONE, Verdict.FAIL),
    "clearly above": ((0.6, 1.2), 0.9, NONE, Verdict.FAIL),
    "across the tolerance": ((-0.2, 0.7), 0.25, NONE, Verdict.INCONCLUSIVE),
    "across it the other way": ((-0.9, -0.4), -0.6, NONE, Verdict.INCONCLUSIVE),
    "at least that far down": ((-3.2, -2.8), -3.0, DOWN, Verdict.FAIL),
    "at least that far up": ((0.6, 1.2), 0.9, UP, Verdict.FAIL),
    "perhaps less far": ((-3.2, -2.8), -3.0, UP, Verdict.INCONCLUSIVE),
    "both ends unknown": ((-3.2, -2.8), -3.0, BOTH, Verdict.INCONCLUSIVE),
    "inside, but perhaps further": ((-0.1, 0.1), 0.0, DOWN, Verdict.INCONCLUSIVE),
    "one seed": (None, 0.0, NONE, Verdict.INCONCLUSIVE),
}


@pytest.mark.parametrize("name", CASES)
def test_judgement(name: str) -> None:
    interval, total, beyond, verdict = CASES[name]
    assert judge(interval, total, beyond, 0.5)[0] is verdict


def sizes(optima: Mapping[int, float], *, seeds: int = 3) -> dict[Size, Fitted]:
    """Parabolas with these optima, and seeds that nearly agree."""
    random = Random(0)
    return {Size(width): fitted(_curve(random, at, seeds)) for width, at in optima.items()}


def _curve(random: Random, at: float, seeds: int) -> Curve:
    xs = range(-10, -2)
    moved = [at + random.gauss(0, 0.01) for _ in range(seeds)]
    rows = tuple(tuple((x - moved[seed]) ** 2 for seed in range(seeds)) for x in xs)
    return Curve(tuple(2.0**x for x in xs), rows, tuple(range(seeds)))


def found(optima: Sequence[float], **more: int) -> tuple[float, float, Verdict, str]:
    widths = [64 * 2**at for at in range(len(optima))]
    made = drift("mup", "width", None, sizes(dict(zip(widths, optima, strict=True)), **more), 0.5)
    return made.per_doubling, made.total, made.verdict, made.why


def test_standing_still_passes() -> None:
    per_doubling, total, verdict, _ = found([-6.0, -6.1, -6.05, -6.1])
    assert per_doubling == pytest.approx(-0.025, abs=0.02)
    assert total == pytest.approx(-0.1, abs=0.05)
    assert verdict is Verdict.PASS


def test_an_octave_for_each_doubling_fails() -> None:
    per_doubling, total, verdict, why = found([-5.0, -6.0, -7.0, -8.0])
    assert per_doubling == pytest.approx(-1, abs=0.03)
    assert total == pytest.approx(-3, abs=0.05)
    assert verdict is Verdict.FAIL
    assert why == f"the optimum moves down by {-total:.2f} octaves"


def test_an_optimum_below_the_grid_still_fails_where_that_is_only_further() -> None:
    _, _, verdict, why = found([-6.0, -8.0, -12.0])
    assert verdict is Verdict.FAIL
    assert "at least" in why


def test_an_optimum_at_the_end_says_extend() -> None:
    _, _, verdict, why = found([-10.2, -10.0, -9.9])
    assert (verdict, why) == (Verdict.INCONCLUSIVE, OPTIMUM_BEYOND)


def test_one_in_the_middle_at_the_end_says_so_too() -> None:
    assert found([-6.0, -12.0, -6.0])[3] == OPTIMUM_BEYOND


def test_one_seed_says_nothing() -> None:
    assert found([-6.0, -6.0], seeds=1)[2] is Verdict.INCONCLUSIVE


def test_seeds_that_are_all_alike_say_no_more_than_one() -> None:
    every = {
        Size(width): fitted(
            Curve((0.5, 1.0, 2.0, 4.0), ((3.0,) * 3, (1.0,) * 3, (2.0,) * 3, (4.0,) * 3), (0, 1, 2))
        )
        for width in (64, 128)
    }
    made = drift("mup", "width", None, every, 0.5)
    assert (made.verdict, made.why) == (Verdict.INCONCLUSIVE, ONE_SEED)
    assert every[Size(64)].optimum.interval is None


def test_a_size_at_which_all_diverged_is_named() -> None:
    every = sizes({64: -6.0, 128: -6.0})
    every[Size(256)] = fitted(Curve((0.5, 1.0, 2.0), ((None,) * 3,) * 3, (0, 1, 2)))
    made = drift("mup", "width", None, every, 0.5)
    assert (made.verdict, made.why) == (Verdict.INCONCLUSIVE, "every rate diverged at width 256")


def test_intervals_of_the_way_cover_it() -> None:
    random = Random(1)
    covered = 0
    for _ in range(60):
        optima = {64: -6.0, 128: -6.2, 256: -6.5}
        every = {Size(w): fitted(_noisy(random, at)) for w, at in optima.items()}
        made = drift("mup", "width", None, every, 0.5)
        low, high = made.total_interval or (0.0, 0.0)
        covered += low <= -0.5 <= high
    assert covered >= 50


def _noisy(random: Random, at: float) -> Curve:
    xs = range(-10, -2)
    rows = tuple(tuple(0.05 * (x - at) ** 2 + random.gauss(0, 0.008) for _ in range(4)) for x in xs)
    return Curve(tuple(2.0**x for x in xs), rows, (0, 1, 2, 3))

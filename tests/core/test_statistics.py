"""Student's t from the standard library alone, against tables and by simulation."""

import random
import statistics
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mupfx.core.statistics import (
    holm,
    line,
    log_slope,
    slope,
    t_quantile,
    t_tail,
    wilson,
)

TABLE = {
    (0.975, 1): 12.7062047,
    (0.95, 2): 2.9199856,
    (0.975, 2): 4.3026527,
    (0.975, 4): 2.7764451,
    (0.995, 3): 5.8409093,
    (0.975, 10): 2.2281389,
    (0.975, 100): 1.9839715,
    (0.9, 7): 1.4149239,
    (0.9995, 2): 31.5990546,
}
"""Printed tables of Student's t."""


@pytest.mark.parametrize(("probability", "freedom"), TABLE)
def test_quantiles_are_those_of_the_tables(probability: float, freedom: int) -> None:
    assert t_quantile(probability, freedom) == pytest.approx(TABLE[probability, freedom], abs=1e-6)


@given(st.floats(1e-6, 1 - 1e-6), st.integers(1, 60))
def test_the_tail_is_the_inverse_of_the_quantile(probability: float, freedom: int) -> None:
    assert t_tail(t_quantile(probability, freedom), freedom) == pytest.approx(
        1 - probability, rel=1e-7
    )


def test_the_tail_with_one_degree_is_cauchy() -> None:
    assert t_tail(1.0, 1) == pytest.approx(0.25)
    assert t_tail(-1.0, 1) == pytest.approx(0.75)


X = [0.0, 1.0, 2.0, 3.0]


def drawn(
    draw: random.Random, slope: float, noise: Sequence[float] = (0.2,) * 4, seeds: int = 3
) -> list[list[float]]:
    return [
        [slope * x + draw.gauss(0, s) for x, s in zip(X, noise, strict=True)] for _ in range(seeds)
    ]


@pytest.mark.parametrize("noise", [(0.2,) * 4, (0.4, 0.28, 0.2, 0.14)])
def test_an_interval_covers_as_often_as_it_says(noise: Sequence[float]) -> None:
    draw = random.Random(0)
    covered = 0
    for _ in range(2000):
        low, high = line(X, drawn(draw, 0.3, noise)).interval(0.9)
        covered += low <= 0.3 <= high
    low, high = wilson(covered, 2000, z=3.3)
    assert low <= 0.9 <= high + (0.02 if noise[0] != noise[1] else 0)
    assert high >= 0.87


def test_p_values_at_the_margin_are_uniform() -> None:
    draw = random.Random(1)
    found = [line(X, drawn(draw, 0.25)).p_outside(-0.25, 0.25) for _ in range(2000)]
    low, high = wilson(sum(p < 0.05 for p in found), 2000, z=3.3)
    assert low <= 0.05 <= high


def test_the_error_is_that_of_seeds_and_points_together() -> None:
    rows = [[0.0, 1.0], [0.0, 2.0], [0.0, 3.0]]
    two = line([0.0, 1.0], rows)
    assert two.slopes == (1.0, 2.0, 3.0)
    assert two.error == pytest.approx(3**-0.5)
    assert two.freedom == 2
    one = line(X, [[0.0, 1.0, 0.0, 1.0]])
    fitted = statistics.linear_regression(X, [0.0, 1.0, 0.0, 1.0])
    strays = (y - fitted.slope * x - fitted.intercept for x, y in zip(X, [0, 1, 0, 1], strict=True))
    assert one.error == pytest.approx((sum(s * s for s in strays) / 2 / 5) ** 0.5)
    assert one.freedom == 2


def test_nothing_follows_from_one_seed_at_two_sizes() -> None:
    found = line([0.0, 1.0], [[0.0, 7.0]])
    assert found.p_outside(-0.25, 0.25) == 1.0
    assert found.interval(0.95) == (float("-inf"), float("inf"))


def test_lines_without_any_error() -> None:
    rows = [[0.0, 1.0, 2.0]] * 2
    assert line([0.0, 1.0, 2.0], rows).p_outside(-0.25, 0.25) == 0.0
    assert line([0.0, 1.0, 2.0], rows).p_outside(0.75, 1.25) == 1.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_no_correction_and_bonferroni(p_values: list[float]) -> None:
    for found, p in zip(holm(p_values), p_values, strict=True):
        assert p <= found <= min(1.0, len(p_values) * p) + 1e-12


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8))
def test_holm_keeps_the_order(p_values: list[float]) -> None:
    pairs = sorted(zip(p_values, holm(p_values), strict=True))
    assert [q for _, q in pairs] == sorted(q for _, q in pairs)


def test_slopes() -> None:
    assert slope([1, 2, 4], [1, 3, 7]) == pytest.approx(2)
    x, y = [0.0, 1.0, 2.0, 3.0], [0.1, -0.2, 0.7, 0.4]
    assert slope(x, y) == pytest.approx(statistics.linear_regression(x, y).slope)
    assert log_slope([64, 256, 512], [8.0, 4.0, 8**0.5]) == pytest.approx(-0.5)


def test_a_slope_needs_two_places() -> None:
    with pytest.raises(ValueError, match="one place"):
        slope([1, 1], [0, 1])

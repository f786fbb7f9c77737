"""Laws as data: their std, and how it moves from base to target."""

from fractions import Fraction

import pytest

from mupfx.core.init_law import Distribution, Fan, Fans, Law

HERE = {Fan.FAN_IN: Fraction(256), Fan.FAN_OUT: Fraction(64)}
BASE = {Fan.FAN_IN: Fraction(64), Fan.FAN_OUT: Fraction(64)}
FANS = Fans(HERE, BASE)


def law(fan: Fan, coefficient: float | None = 2.0, exponent: Fraction = Fraction(-1, 2)) -> Law:
    return Law("x", Distribution.NORMAL, fan, coefficient, exponent=exponent)


def test_std_falls_with_the_root_of_its_size() -> None:
    assert law(Fan.FAN_IN).std(HERE) == 2 / 16
    assert law(Fan.FAN_IN).std(BASE) == 2 / 8
    assert law(Fan.FAN_IN, exponent=Fraction(-1)).std(HERE) == 2 / 256


def test_std_without_size_or_coefficient() -> None:
    assert law(Fan.ONE).std({}) == 2.0
    assert law(Fan.ROWS).std(HERE) is None
    assert law(Fan.FAN_IN, None).std(HERE) is None


def test_growth_is_exact_for_squares() -> None:
    assert law(Fan.FAN_IN).growth(FANS) == 2.0
    assert law(Fan.FAN_IN, exponent=Fraction(-1)).growth(FANS) == 4.0
    assert law(Fan.FAN_OUT).growth(FANS) == 1.0
    assert law(Fan.ONE).growth(FANS) == 1.0
    assert law(Fan.ROWS).growth(FANS) is None


def test_growth_needs_no_coefficient() -> None:
    assert law(Fan.FAN_IN, None).growth(FANS) == 2.0


def test_equal_sizes() -> None:
    assert Fans(HERE, dict(HERE)).equal
    assert not FANS.equal


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (law(Fan.FAN_IN), "x: std 2 * fan_in^-1/2"),
        (law(Fan.FAN_IN, None), "x: std fan_in^-1/2"),
        (law(Fan.MEAN, 1.0), "x: std (mean of fan_in and fan_out)^-1/2"),
        (law(Fan.ONE, 0.02), "x: std 0.02 at every width"),
        (law(Fan.ONE, None), "x: std that it has at every width"),
    ],
)
def test_text(made: Law, text: str) -> None:
    assert str(made) == text

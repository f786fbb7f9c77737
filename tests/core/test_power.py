"""Powers are an abelian group, evaluate as one, and read what they print."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mupfx.core.power import ONE, SYMBOLS, Power

exponents = st.fractions(min_value=-3, max_value=3, max_denominator=4)
powers = st.dictionaries(st.sampled_from(SYMBOLS), exponents).map(lambda d: Power.of(**d))
ratios = st.dictionaries(
    st.sampled_from(SYMBOLS), st.fractions(min_value=Fraction(1, 8), max_value=8)
)


@given(powers, powers, powers)
def test_multiplication_is_an_abelian_group(a: Power, b: Power, c: Power) -> None:
    assert (a * b) * c == a * (b * c)
    assert a * b == b * a
    assert a * ONE == a
    assert a * a**-1 == ONE
    assert a / b == a * b**-1


@given(powers, exponents, exponents)
def test_exponents_act_on_it(a: Power, x: Fraction, y: Fraction) -> None:
    assert (a**x) ** y == a ** (x * y)
    assert a**x * a**y == a ** (x + y)
    assert a**1 == a
    assert a**0 == ONE


@given(powers)
def test_parse_reads_what_str_writes(a: Power) -> None:
    assert Power.parse(str(a)) == a


@given(powers, powers, ratios)
def test_value_is_a_homomorphism(a: Power, b: Power, at: dict[str, Fraction]) -> None:
    product = a.value(at) * b.value(at)
    assert math.isclose((a * b).value(at), product, rel_tol=1e-12)


@given(powers)
def test_every_power_is_exactly_one_at_the_base(a: Power) -> None:
    assert a.value({name: Fraction(1) for name in SYMBOLS}) == 1.0
    assert a.value({}) == 1.0


@given(st.integers(-3, 3), st.fractions(min_value=Fraction(1, 9), max_value=9))
def test_whole_exponents_are_exact(exponent: int, ratio: Fraction) -> None:
    assert Power.of(fan_in=exponent).value({"fan_in": ratio}) == float(ratio**exponent)


def test_equal_powers_hash_and_print_alike() -> None:
    one_way = Power.of(fan_out=1, fan_in="-1/2")
    other_way = Power.of(fan_in=Fraction(-2, 4)) * Power.of(fan_out=1) * Power.of(depth=0)
    assert one_way == other_way
    assert hash(one_way) == hash(other_way)
    assert str(one_way) == str(other_way) == "fan_in^-1/2 fan_out^1"


@pytest.mark.parametrize("text", ["width^1", "fan_in^1 fan_on^2"])
def test_unknown_symbols_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="unknown symbols"):
        Power.parse(text)

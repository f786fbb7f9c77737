"""The gauge in which the fewest wishes are broken, of all that satisfy the rows."""

import pytest

from mupfx.passes.fewest import Wish, fewest


def both(name: str, value: float = 0.0, worth: float = 1.0) -> list[Wish]:
    """An init and a rate that say the same."""
    return [Wish(name, value, worth, kind) for kind in ("init", "rate")]


def test_a_factor_on_a_table_is_the_tables() -> None:
    """Three terms of a sum are alike; one of them has a factor in the code."""
    rows = [{"table": -1.0, term: 1.0, "": 0.5} for term in ("places", "out", "down")]
    wishes = [w for name in ("table", "places", "out", "down") for w in both(name)]
    found = fewest(rows, wishes)
    assert found["table"] == pytest.approx(0.5)
    assert [found[name] for name in ("places", "out", "down")] == [0, 0, 0]


def test_a_weight_that_is_made_for_its_factor_has_it() -> None:
    found = fewest([{"gain": -1.0, "head": -1.0, "": -1.0}], [*both("gain"), *both("head", -1)])
    assert found == {"gain": 0, "head": -1}


def test_of_equals_the_one_that_is_worth_less_gives_way() -> None:
    rows = [{"gain": -1.0, "head": -1.0, "": -1.0}]
    found = fewest(rows, [*both("gain"), *both("head", worth=0.9)])
    assert found["head"] == pytest.approx(-1)
    assert found["gain"] == 0


def test_a_single_number_gives_way_to_two() -> None:
    """A rate that is wrong alone does not move the gauge."""
    wishes = [Wish("a", 0.0), Wish("a", -1.0), *both("b")]
    assert fewest([{"a": 1.0, "b": 1.0}], wishes) == {"a": 0, "b": 0}


def test_what_nothing_binds_is_as_it_wishes() -> None:
    assert fewest([], both("free", -0.5)) == {"free": -0.5}


def test_rows_hold() -> None:
    rows = [{"a": 1.0, "b": 2.0, "": -3.0}, {"b": 1.0, "c": -1.0, "": 0.25}]
    found = fewest(rows, [w for name in "abc" for w in both(name)])
    for row in rows:
        total = sum(v * (1 if n == "" else found[n]) for n, v in row.items())
        assert total == pytest.approx(0, abs=1e-6)

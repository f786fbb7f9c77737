"""Repeated layers shown as one row, and what keeps rows apart."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mupfx.core.ranges import ranges, spread
from mupfx.render.collapse import INDEX, NUMBER, collapse
from mupfx.render.document import Column, Row, Table

COLUMNS = (
    Column("name", varies=INDEX),
    Column("role"),
    Column("branch", varies=NUMBER),
    Column("why", sample=True),
)


def rows_of(*rows: Row) -> Sequence[Row]:
    return collapse(Table("", COLUMNS, rows)).rows


def layers(name: str, *, step: int = 1, role: str = "hidden", count: int = 3) -> tuple[Row, ...]:
    return tuple((name.format(i), role, f"b{step * i}", f"node {i}") for i in range(count))


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ([3], "3"),
        ([0, 1], "{0,1}"),
        ([0, 1, 2, 3], "{0..3}"),
        ([0, 2, 4], "{0..4:2}"),
        ([1, 4, 5], "{1,4,5}"),
        ([0, 1, 2, 7, 8, 9, 20], "{0..2,7..9,20}"),
        ([2, 1, 0, 1], "{0..2}"),
    ],
)
def test_ranges(numbers: list[int], text: str) -> None:
    assert ranges(numbers) == text


@given(st.sets(st.integers(0, 40), min_size=2))
def test_ranges_lose_nothing(numbers: set[int]) -> None:
    assert spread(f"c{ranges(numbers)}.w") == [f"c{number}.w" for number in sorted(numbers)]


def test_ranges_are_read_wherever_they_stand() -> None:
    assert spread("a{0,1}.b{2..4:2}") == ["a0.b2", "a0.b4", "a1.b2", "a1.b4"]


@pytest.mark.parametrize("text", ["width", "", "{}", "c{", "c{a,b}", "c{1..4:0}", "c{1,}"])
def test_what_is_no_range_is_itself(text: str) -> None:
    assert spread(text) == [text]


def test_one_row_for_all_layers_where_it_stood() -> None:
    rows = (("wte", "input", "-", ""), *layers("h.{}.w", step=2), ("head", "output", "-", ""))
    assert rows_of(*rows) == (
        ("wte", "input", "-", ""),
        ("h.{0..2}.w", "hidden", "b{0..4:2}", "node 0"),
        ("head", "output", "-", ""),
    )


def test_another_cell_keeps_a_row_apart() -> None:
    odd = ("h.3.w", "output", "b3", "node 3")
    assert rows_of(*layers("h.{}.w"), odd) == (
        ("h.{0..2}.w", "hidden", "b{0..2}", "node 0"),
        odd,
    )


def test_two_indices() -> None:
    rows = [(f"h.{i}.experts.{j}.w", "hidden", f"b{i}", "") for i in range(2) for j in range(4)]
    assert rows_of(*rows) == (("h.{0,1}.experts.{0..3}.w", "hidden", "b{0,1}", ""),)


def test_indices_that_are_no_grid_are_not_said_to_be_one() -> None:
    pairs = ((0, 0), (0, 1), (1, 1))
    rows = [(f"h.{i}.{j}.w", "hidden", "-", "") for i, j in pairs]
    assert [row[0] for row in rows_of(*rows)] == ["h.0.{0,1}.w", "h.1.1.w"]


def test_digits_inside_a_word_are_no_index() -> None:
    rows = [(f"conv{i}.w", "hidden", "-", "") for i in range(2)]
    assert rows_of(*rows) == tuple(rows)


def test_a_table_without_indices_stays() -> None:
    table = Table("", (Column("name"),), (("a.0",), ("a.1",)))
    assert collapse(table) == table

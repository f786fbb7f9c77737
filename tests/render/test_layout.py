"""A table fits any width without losing a column."""

from hypothesis import given
from hypothesis import strategies as st

from mupfx.render.document import Column, Table
from mupfx.render.layout import layout

TABLE = Table(
    "",
    (Column("name"), Column("role"), Column("size", right=True), Column("why", wraps=True)),
    (("blocks.0.attention.weight", "hidden", "4096", "a sentence of some length " * 4),),
)


def test_wide_enough_for_all() -> None:
    where = layout(TABLE, 200)
    assert (where.above, where.beside, where.below) == ((), (0, 1, 2, 3), ())
    assert where.sizes == (25, 6, 4, 104)


def test_a_sentence_is_broken_while_it_has_room() -> None:
    where = layout(TABLE, 100)
    assert where.beside == (0, 1, 2, 3)
    assert where.sizes[3] == 100 - 25 - 6 - 4 - 10


def test_sentences_go_below() -> None:
    where = layout(TABLE, 60)
    assert (where.above, where.beside, where.below) == ((), (0, 1, 2), (3,))


def test_then_names_go_above() -> None:
    where = layout(TABLE, 30)
    assert (where.above, where.beside, where.below) == ((0,), (1, 2), (3,))


def test_a_table_without_sentences() -> None:
    table = Table("", TABLE.columns[:3], (TABLE.rows[0][:3],))
    assert layout(table, 60).beside == (0, 1, 2)
    assert layout(table, 30).above == (0,)


@given(st.integers(1, 200))
def test_every_column_is_somewhere_and_fits(available: int) -> None:
    where = layout(TABLE, available)
    assert sorted((*where.above, *where.beside, *where.below)) == [0, 1, 2, 3]
    assert all(size > 0 for size in where.sizes)
    if available >= 20:
        assert sum(where.sizes) + 2 * len(where.sizes) <= available

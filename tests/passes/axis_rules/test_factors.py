"""The algebra of factors: sizes are kept, joins are idempotent and symmetric, views go back."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mupfx.passes.axis_rules.factors import (
    Conflict,
    Dim,
    Factor,
    Piece,
    Size,
    expand,
    fresh,
    mark,
    part,
    regroup,
    size_of,
    unify,
)

PAIR = (1, 1)
small = st.integers(1, 4)
pairs = st.tuples(small, small)
"""Sizes here and at the base."""
one_way = st.booleans().map(lambda grow: lambda size: tuple(sorted(size, reverse=grow)))
several = st.tuples(one_way, st.lists(pairs, min_size=1, max_size=4)).map(
    lambda drawn: [drawn[0](size) for size in drawn[1]]
)
"""Factors of one axis: none shrinks from here to the base where another grows."""
factorings = several.flatmap(lambda sizes: st.tuples(st.just(sizes), st.permutations(sizes)))
"""Two axes of one length, cut differently."""


def dim(*sizes: Size) -> Dim:
    return tuple(piece for size in sizes for piece in fresh(size))


def times(sizes: Sequence[Size]) -> Size:
    return tuple(prod(size[i] for size in sizes) for i in range(2))


def shape(made: Dim) -> list[Size]:
    return [piece.factor.root().size for piece in expand(made)]


def roots(made: Dim) -> list[int]:
    return [id(piece.factor) for piece in expand(made)]


@given(several, st.data())
def test_regrouping_keeps_the_product_and_goes_back(sizes: list[Size], data: st.DataObject) -> None:
    """Cut the flattened axes at any boundaries of theirs, then ask for the first sizes again."""
    dims = [fresh(size) for size in sizes]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(sizes) - 1)))) if len(sizes) > 1 else []
    bounds = [0, *cuts, len(sizes)]
    merged = [times(sizes[a:b]) for a, b in pairwise(bounds)]
    there = regroup(dims, merged)
    assert there is not None
    assert [size_of(d, PAIR) for d in there] == merged
    back = regroup(there, sizes)
    assert back is not None
    assert [roots(d) for d in back] == [roots(d) for d in dims]


@given(several)
def test_splitting_keeps_the_product_and_goes_back(sizes: list[Size]) -> None:
    whole = fresh(times(sizes))
    apart = regroup([whole], sizes)
    assert apart is not None
    assert [size_of(d, PAIR) for d in apart] == sizes
    together = regroup(apart, [times(sizes)])
    assert together is not None
    assert roots(together[0]) == roots(whole)


@given(factorings)
def test_joining_is_idempotent_and_keeps_sizes(both: tuple[list[Size], list[Size]]) -> None:
    left, right = both
    a, b = dim(*left), dim(*right)
    try:
        unify(a, b)
    except Conflict:
        return
    assert roots(a) == roots(b)
    assert size_of(a, PAIR) == size_of(b, PAIR) == times(left)
    before = shape(a)
    unify(a, b)
    unify(b, a)
    assert shape(a) == shape(b) == before


@given(factorings)
def test_joining_is_symmetric(both: tuple[list[Size], list[Size]]) -> None:
    left, right = both
    results: list[list[Size]] = []
    for swap in (False, True):
        a, b = dim(*left), dim(*right)
        try:
            unify(*((b, a) if swap else (a, b)))
        except Conflict:
            results.append([])
        else:
            results.append(shape(a))
    assert results[0] == results[1]


@given(several)
def test_joining_with_another_cut_of_the_same_is_possible(sizes: list[Size]) -> None:
    """One axis against its own factors always has a common factoring."""
    a, b = dim(*sizes), fresh(times(sizes))
    unify(a, b)
    assert roots(a) == roots(b)


@given(pairs, st.lists(st.sampled_from(["x", "y", "z"]), max_size=3, unique=True))
def test_marks_live_through_joins_and_cuts(size: Size, words: list[str]) -> None:
    a, b = fresh(times([size, (2, 2)])), dim(size, (2, 2))
    for word in words:
        mark(a, word, "a reason")
    unify(a, b)
    for piece in expand(b):
        assert set(piece.factor.marks) == set(words)


def test_sizes_that_only_one_model_can_cut_conflict() -> None:
    """48 is 6 x 8, but its base of 20 is no multiple of 8."""
    assert regroup([fresh((48, 20))], [(6, 2), (8, 8)]) is None
    assert regroup([fresh((48, 16))], [(6, 2), (8, 8)]) is not None
    with pytest.raises(Conflict):
        unify(fresh((48, 20)), fresh((48, 24)))
    with pytest.raises(Conflict):
        unify(fresh((6, 6)), fresh((4, 4)))


def test_a_factor_that_grows_while_its_rest_shrinks_is_none() -> None:
    """8 here and 8 at the base are not 4 x 2 and 2 x 4: that product is a coincidence."""
    assert regroup([fresh((8, 8))], [(4, 2), (2, 4)]) is None
    assert regroup([fresh((8, 4))], [(4, 2), (2, 2)]) is not None
    with pytest.raises(Conflict):
        unify(dim((4, 2), (2, 4)), fresh((8, 8)))


def test_the_first_conflict_is_told_with_sizes() -> None:
    with pytest.raises(Conflict, match=r"\(6,\) against \(4,\)"):
        unify(fresh((6,)), fresh((4,)))
    with pytest.raises(Conflict, match="left over"):
        unify(dim((2, 2), (3, 3)), dim((2, 2)))


def test_axes_of_one_have_no_pieces() -> None:
    assert fresh((1, 1)) == ()
    assert fresh((2, 1)) != ()
    assert regroup([()], [(1, 1), (1, 1)]) == ((), ())


@given(st.lists(pairs, min_size=2, max_size=4))
def test_parts_make_up_the_whole(sizes: list[Size]) -> None:
    """Slices of one axis: the same range is the same factor, another is another."""
    whole = times_sum(sizes)
    axis = fresh(whole)
    ends = list(accumulate(sizes, lambda a, b: (a[0] + b[0], a[1] + b[1])))
    starts = [(0, 0), *ends[:-1]]
    ranges = list(zip(starts, ends, strict=True))
    cuts = [part(axis, start, stop, whole) for start, stop in ranges]
    again = [part(axis, start, stop, whole) for start, stop in ranges]
    for size, cut, same in zip(sizes, cuts, again, strict=True):
        assert cut is not None
        assert same is not None
        assert size_of(cut, PAIR) == size
        assert roots(cut) == roots(same)
    kept = [tuple(roots(c)) for c in cuts if c]
    assert len(set(kept)) == len(kept)


def times_sum(sizes: list[Size]) -> Size:
    return sum(s[0] for s in sizes), sum(s[1] for s in sizes)


def test_a_part_of_whole_rows_keeps_the_inner_axis() -> None:
    heads, size = fresh((6,))[0], fresh((5,))[0]
    cut = part((heads, size), (10,), (30,), (30,))
    assert cut is not None
    assert size_of(cut, (1,)) == (20,)
    assert expand(cut)[-1].factor is size.factor
    assert part((heads, size), (3,), (30,), (30,)) is None


def test_a_part_found_first_is_the_inner_axis_of_a_later_cut() -> None:
    axis = fresh((12,))
    first = part(axis, (0,), (4,), (12,))
    halves = regroup([axis], [(3,), (4,)])
    assert first is not None
    assert halves is not None
    assert roots(first) == roots(halves[1])


@given(st.integers(1, 30))
def test_a_chain_of_joins_has_one_root(count: int) -> None:
    factors = [Factor((2, 3)) for _ in range(count + 1)]
    for left, right in pairwise(factors):
        unify((Piece(left),), (Piece(right),))
    assert len({id(factor.root()) for factor in factors}) == 1

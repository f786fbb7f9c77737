"""Pictures: boxes do not overlap, edges lead down, long ones are straight; runs lose nothing."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mupfx.render.page.layers import Edge, arrange
from mupfx.render.page.placing import place
from mupfx.render.page.repeats import runs

Graph = tuple[list[tuple[float, float]], list[Edge]]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    count = draw(st.integers(1, 9))
    size = st.tuples(st.floats(10, 200), st.floats(10, 80))
    sizes = draw(st.lists(size, min_size=count, max_size=count))
    number = st.integers(0, count - 1)
    pairs = draw(st.lists(st.tuples(number, number), max_size=16))
    return sizes, [(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]]


@given(graphs())
def test_edges_lead_to_later_rows(graph: Graph) -> None:
    sizes, edges = graph
    layers = arrange(len(sizes), edges)
    row_of = {v: at for at, row in enumerate(layers.rows) for v in row}
    assert sorted(v for v in row_of if v < len(sizes)) == list(range(len(sizes)))
    assert set(layers.paths) == set(edges)
    for (start, end), path in layers.paths.items():
        assert (path[0], path[-1]) == (start, end)
        assert all(row_of[b] == row_of[a] + 1 for a, b in pairwise(path))


@given(graphs())
def test_boxes_do_not_overlap_and_fit(graph: Graph) -> None:
    sizes, edges = graph
    placed = place(sizes, edges)
    boxes = [(x, y, x + w, y + h) for (x, y), (w, h) in zip(placed.corners, sizes, strict=True)]
    for a, b in combinations(boxes, 2):
        apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
        assert apart, (a, b)
    for left, top, right, bottom in boxes:
        assert left >= -1e-6
        assert top >= 0
        assert right <= placed.size[0] + 1e-6
        assert bottom <= placed.size[1] + 1e-6


@given(graphs())
def test_routes_join_the_boxes_and_never_turn_back(graph: Graph) -> None:
    sizes, edges = graph
    placed = place(sizes, edges)
    for (start, end), route in placed.routes.items():
        (x, y), (width, height) = placed.corners[start], sizes[start]
        assert route[0] == pytest.approx((x + width / 2, y + height))
        (x, y), (width, _) = placed.corners[end], sizes[end]
        assert route[-1] == pytest.approx((x + width / 2, y))
        assert all(b[1] >= a[1] for a, b in pairwise(route))


def test_a_stream_is_straight_beside_its_branches() -> None:
    sizes = [(18.0, 18.0), (200.0, 300.0), (18.0, 18.0), (90.0, 100.0), (18.0, 18.0)]
    placed = place(sizes, [(0, 1), (1, 2), (0, 2), (2, 3), (3, 4), (2, 4)])
    centres = [x + w / 2 for (x, _), (w, _) in zip(placed.corners, sizes, strict=True)]
    assert centres[0] == pytest.approx(centres[2], abs=2)
    assert centres[2] == pytest.approx(centres[4], abs=2)


@given(st.lists(st.integers(0, 3), max_size=40))
def test_runs_are_the_sequence(things: list[int]) -> None:
    spread = [x for run in runs(things) for x in things[run.start :][: run.length] * run.times]
    assert spread == things


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("abc", [("a", 1), ("b", 1), ("c", 1)]),
        ("aaaa", [("a", 4)]),
        ("xababay", [("x", 1), ("ab", 2), ("a", 1), ("y", 1)]),
        ("abcabcabd", [("abc", 2), ("a", 1), ("b", 1), ("d", 1)]),
    ],
)
def test_the_shortest_unit_that_goes_furthest(text: str, expected: list[tuple[str, int]]) -> None:
    assert [(text[r.start : r.start + r.length], r.times) for r in runs(text)] == expected

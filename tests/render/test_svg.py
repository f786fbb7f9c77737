"""Plots: everything that is drawn has a place, what has none is counted, and XML stays XML."""

from itertools import pairwise
from math import inf, nan
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mupfx.render.scale import label, scale, ticks
from mupfx.render.svg import STYLE, Line, Plot, standalone, svg, through

SVG = "{http://www.w3.org/2000/svg}"
WIDTHS = (64.0, 128.0, 256.0, 512.0)
positive = st.floats(min_value=1e-30, max_value=1e30)


def plot(*lines: Line, log_y: bool = True) -> Plot:
    return Plot("title", "width", "rms", lines, WIDTHS, log_y=log_y)


def parsed(of: Plot) -> ET.Element:
    return ET.fromstring(svg(of))


def rises(line: ET.Element) -> list[float]:
    points = [place.split(",") for place in line.attrib["points"].split()]
    return [float(y) for _, y in points]


def test_larger_is_higher_and_further_right() -> None:
    (line,) = parsed(plot(Line("a", tuple((w, w) for w in WIDTHS)))).iterfind(
        f"{SVG}g/{SVG}polyline"
    )
    places = [tuple(map(float, place.split(","))) for place in line.attrib["points"].split()]
    assert places == sorted(places)
    assert [y for _, y in places] == sorted((y for _, y in places), reverse=True)


def test_a_power_law_is_straight_on_log_axes() -> None:
    (line,) = parsed(plot(Line("a", tuple((w, w**-0.5) for w in WIDTHS)))).iterfind(
        f"{SVG}g/{SVG}polyline"
    )
    ys = rises(line)
    steps = [b - a for a, b in pairwise(ys)]
    assert steps == pytest.approx([steps[0]] * 3, abs=0.2)


def test_points_without_a_place_are_counted_and_break_the_line() -> None:
    points = tuple(zip(WIDTHS, (1.0, inf, 0.0, 2.0), strict=True))
    root = parsed(plot(Line("a", points)))
    assert "2 points not shown: zero or not finite" in ET.tostring(root, "unicode")
    assert len(list(root.iterfind(f"{SVG}g/{SVG}polyline"))) == 2
    assert len(list(root.iter(f"{SVG}circle"))) == 2


def test_text_of_the_user_is_escaped() -> None:
    name = '<script>"&'
    root = parsed(Plot(name, name, name, (Line(name, ((1.0, 1.0),)),)))
    assert root.attrib["aria-label"] == name
    assert root.find(f".//{SVG}script") is None


def test_lines_of_one_name_share_an_entry() -> None:
    lines = (Line(name, ((1.0, 1.0), (2.0, 2.0))) for name in ("seed", "seed", "control"))
    entries = [
        text.text
        for text in parsed(plot(*lines)).iter(f"{SVG}text")
        if text.get("class") == "entry"
    ]
    assert entries == ["seed", "control"]


def test_an_interval_is_a_band_within_the_frame() -> None:
    line = Line("a", ((64.0, 1.0), (128.0, 1.0)), interval=((0.01, 10.0), (0.5, 2.0)))
    root = parsed(plot(line))
    (band,) = root.iter(f"{SVG}polygon")
    frame = root.find(f"{SVG}rect")
    assert frame is not None
    top, height = float(frame.attrib["y"]), float(frame.attrib["height"])
    assert all(top <= y <= top + height for y in rises(band))
    assert len(rises(band)) == 4


def test_noise_about_a_constant_looks_flat_on_square_axes() -> None:
    line = Line("a", tuple(zip(WIDTHS, (1.0, 1.02, 0.98, 1.0), strict=True)))
    heights = []
    for square in (False, True):
        root = parsed(Plot("t", "width", "rms", (line,), WIDTHS, square=square))
        (drawn,) = root.iterfind(f"{SVG}g/{SVG}polyline")
        heights.append(max(rises(drawn)) - min(rises(drawn)))
    assert heights[0] > 100
    assert heights[1] < 10


def test_nothing_to_draw_is_an_empty_frame() -> None:
    root = parsed(plot(Line("a", ())))
    assert root.find(f"{SVG}rect") is not None


@given(st.lists(st.tuples(positive, st.one_of(positive, st.sampled_from([nan, inf, 0.0, -1.0])))))
def test_every_place_is_within_the_picture(points: list[tuple[float, float]]) -> None:
    root = parsed(Plot("t", "x", "y", (Line("a", tuple(points)),)))
    for circle in root.iter(f"{SVG}circle"):
        assert 0 <= float(circle.attrib["cx"]) <= 360
        assert 0 <= float(circle.attrib["cy"]) <= 240


@given(positive, st.floats(min_value=1e-3, max_value=12), st.booleans())
def test_ticks_lie_between_the_ends_and_are_few(low: float, decades: float, log: bool) -> None:  # noqa: FBT001
    axis = scale((low, low * 10**decades), 0, 100, log=log, room=0.05)
    found = ticks(axis.low, axis.high, log=log)
    assert 1 <= len(found) <= 12
    slack = 1e-9 * (axis.high - axis.low) + 1e-12
    assert all(axis.low - slack <= tick <= axis.high + slack for tick in found)


def test_labels_are_short() -> None:
    values = (0.0, 1.0, 1024.0, 65536.0, 1e-4, 1.5e-7, 3e12, -0.25)
    assert [label(v) for v in values] == [
        "0",
        "1",
        "1024",
        "65536",
        "1e-4",
        "1.5e-7",
        "3e12",
        "-0.25",
    ]


def test_through_has_the_slope_it_is_asked_for() -> None:
    (x1, y1), (x2, y2) = through(tuple((w, 3 * w) for w in WIDTHS), -0.5)
    assert (x1, x2) == (64, 512)
    assert y2 / y1 == pytest.approx(8**-0.5)
    assert through(((1.0, 0.0), (2.0, nan)), 0) == ()


def test_a_file_of_its_own_brings_its_colours() -> None:
    text = standalone(plot(Line("a", ((1.0, 1.0),))))
    ET.fromstring(text)
    assert STYLE in text
    assert "prefers-color-scheme: dark" in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")

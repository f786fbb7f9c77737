"""The page: everything is in it, nothing is loaded, and what the user wrote is text."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mupfx.core.finding import Place
from mupfx.core.report import Report
from mupfx.core.rule import SECTIONS, Rule
from mupfx.render.check.formats import Surroundings, render
from mupfx.render.check.html import page
from mupfx.render.check.pictures import pictures
from tests.render.check.reports import BY_NAME, FAILS, LAYERS, PASSES, READOUT, UNDECIDED

VOID = {"meta", "input", "br", "wbr"}
RULE = Rule(
    "MUP003", "the readout", dict.fromkeys(SECTIONS, "A <b>text</b>."), "checks.mup003_readout"
)


class Reader(HTMLParser):
    """Tags, their attributes and their texts; tags must close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))

    def having(self, tag: str, name: str) -> list[dict[str, str | None]]:
        """The attributes of tags of a class."""
        classes = (
            (attrs, (attrs.get("class") or "").split()) for t, attrs in self.tags if t == tag
        )
        return [attrs for attrs, found in classes if name in found]


def read(report: Report) -> Reader:
    return Reader(page(report, {"MUP003": RULE}))


@pytest.mark.parametrize("name", BY_NAME)
def test_nothing_is_loaded_and_nothing_runs(name: str) -> None:
    text = page(BY_NAME[name], {})
    found = Reader(text)
    assert {tag for tag, _ in found.tags}.isdisjoint(
        {"script", "link", "img", "iframe", "a", "base"}
    )
    loading = {"src", "href", "srcset", "data", "action", "style"}
    assert all(loading.isdisjoint(attrs) for _, attrs in found.tags)
    assert not re.search(r"@import|url\(", text)
    assert set(re.findall(r"https?://[^\s\"']+", text)) == {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("name", BY_NAME)
def test_the_verdict_is_at_the_top(name: str) -> None:
    report = BY_NAME[name]
    assert f"{report.verdict}: {report.target}" in read(report).text
    assert len(read(report).having("figure", "fail")) == sum(
        p.outcome == "fail" for p in pictures(report)
    )


def test_a_finding_is_there_with_its_line_and_its_rule() -> None:
    text = read(FAILS).text
    assert READOUT.message in text
    assert "src/model one.py:51" in text
    assert READOUT.hint in text
    assert "A <b>text</b>." in text
    assert "blocks.{0..2}.mlp.0.weight" in text
    assert len(read(FAILS).having("article", "error")) == 2


def test_what_the_user_wrote_is_text() -> None:
    evil = '</style><script>alert("&amp;")</script>'
    finding = replace(READOUT, parameter=evil, message=evil, hint=evil, place=Place(evil, 1, evil))
    slope = replace(PASSES.slopes[0], parameter=evil)
    report = replace(
        FAILS,
        target=evil,
        findings=(finding,),
        slopes=(slope,),
        notes=(evil,),
        settings={evil: evil},
    )
    found = read(report)
    assert all(tag != "script" for tag, _ in found.tags)
    assert found.text.count(evil) >= 8


def test_failures_are_drawn_first() -> None:
    order = [picture.outcome for picture in pictures(FAILS)]
    assert order == sorted(order, key=["fail", "inconclusive", "pass", "shown"].index)
    assert {picture.outcome for picture in pictures(UNDECIDED)} == {"inconclusive", "pass", "shown"}


def test_the_layer_furthest_off_is_drawn() -> None:
    (picture,) = (p for p in pictures(PASSES) if p.count == len(LAYERS))
    assert picture.shown == LAYERS[-1]
    assert "control n^1" in picture.svg
    assert picture.svg.count("<polyline") >= 3 + 3 + 1


def test_a_report_without_training_has_no_plots() -> None:
    assert not read(replace(PASSES, slopes=(), control=())).having("div", "plots")


def test_places_are_near_the_current_folder() -> None:
    root = Path("/home/me/project")
    text = render(FAILS, "html", Surroundings(root, root, {}, "0"))
    assert "src/model one.py:51" in text
    assert "/home/me" not in text
    assert "at src/model one.py:51" in render(FAILS, "text", Surroundings(root, root, {}, "0"))


def test_values_that_are_not_finite_are_said() -> None:
    slope = replace(
        PASSES.slopes[0], values=((1.0, float("inf"), float("nan"), 0.0),), slopes=(float("nan"),)
    )
    assert "3 points not shown" in read(replace(PASSES, slopes=(slope,))).text

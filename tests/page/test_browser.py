"""The page in chromium: filter, sort, highlight, keyboard; no network, no error, no overflow."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mupfx.render.page.facts import Facts
from mupfx.render.page.page import page
from tests.page.pages import deep, facts, gpt, written

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no chromium"),
]
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
ROWS = "#rows > tbody:not([hidden])"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="there is no playwright")
    with api.sync_playwright() as started:
        chromium = started.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(tmp_path_factory.mktemp("page"), page(facts()))


class Opened:
    """A page that is open, with what it did wrong."""

    def __init__(self, browser: Any, address: str, **context: Any) -> None:
        self.wrong: list[str] = []
        self.context = browser.new_context(**context)
        self.context.route("**/*", self._route)
        self.page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.allowed = address
        self.page.goto(address)

    def _route(self, route: Any) -> None:
        if route.request.url.split("#")[0] == self.allowed:
            route.continue_()
            return
        self.wrong.append(f"asked for {route.request.url}")
        route.abort()

    def names(self) -> list[str]:
        """Rows that are shown, from top to bottom."""
        return [
            text.split(" ")[0] for text in self.page.locator(f"{ROWS} summary").all_inner_texts()
        ]

    def lit(self) -> set[str]:
        """What is lit, by class."""
        found = self.page.evaluate(
            "[...document.querySelectorAll('.chip.lit')].map(each => each.dataset.class)"
        )
        return set(found)


@pytest.fixture
def opened(browser: Any, address: str) -> Iterator[Opened]:
    found = Opened(browser, address, viewport=WIDE)
    yield found
    found.context.close()
    assert found.wrong == []


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_without_error_or_request_and_fits(
    browser: Any, address: str, viewport: Any, scheme: str
) -> None:
    found = Opened(browser, address, viewport=viewport, color_scheme=scheme)
    sizes = found.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert sizes[0] <= sizes[1]
    paper = found.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    found.context.close()
    assert found.wrong == []


def test_requests_would_be_seen(browser: Any, tmp_path: Path) -> None:
    text = '<p><img src="http://localhost:9/x.png"><script>console.error("e")</script></p>'
    found = Opened(browser, written(tmp_path, text))
    found.page.wait_for_load_state()
    found.context.close()
    assert "asked for http://localhost:9/x.png" in found.wrong
    assert "e" in found.wrong


def test_rows_filter(opened: Opened) -> None:
    assert len(opened.names()) == 17
    opened.page.fill("[name=text]", "MLP.0 weight")
    assert opened.names() == ["blocks.{0,1}.mlp.0.weight"]
    assert opened.page.inner_text("#count") == "1 of 17 rows"
    opened.page.fill("[name=text]", "blocks.1.attention.qkv")  # a layer that has no row of its own
    assert len(opened.names()) == 2
    opened.page.fill("[name=text]", "no such thing")
    assert opened.names() == []
    opened.page.fill("[name=text]", "")
    opened.page.select_option("[name=role]", "output")
    assert opened.names() == ["head.weight"]
    opened.page.select_option("[name=role]", "")
    opened.page.select_option("[name=class]", "c6")
    assert {name.split(".")[2] for name in opened.names()} == {"mlp"}
    opened.page.select_option("[name=class]", "")
    assert opened.page.inner_text("#count") == "17 rows"


def test_columns_sort_up_down_and_back(opened: Opened) -> None:
    before = opened.names()
    button = opened.page.get_by_role("button", name="std", exact=True)
    head = opened.page.locator("thead th", has=button)
    cell = f"{ROWS} > tr:first-child > td[data-title=std]"
    button.click()
    assert head.get_attribute("aria-sort") == "ascending"
    values = [float(text) for text in opened.page.locator(cell).all_inner_texts()]
    assert values == sorted(values)
    assert len(set(values)) == 3
    button.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert opened.names()[-1] == "head.weight"
    opened.page.get_by_role("button", name="parameter", exact=True).click()
    assert head.get_attribute("aria-sort") == "none"
    assert (opened.names()[0][:6], opened.names()[-1]) == ("blocks", "tokens.weight")
    button.click(click_count=1)
    button.click()
    button.click()
    assert opened.names() == before


def test_a_class_lights_up_in_graph_and_table(opened: Opened) -> None:
    assert opened.lit() == set()
    opened.page.locator("svg g.chip[data-class=c4]").first.hover()
    assert opened.lit() == {"c4"}
    rows = opened.page.locator("#rows > tbody.lit summary").all_inner_texts()
    assert [text.split(" ")[0] for text in rows] == [
        "blocks.{0,1}.attention.qkv.weight",
        "blocks.{0,1}.attention.qkv.bias",
        "blocks.{0,1}.attention.out.weight",
    ]
    assert opened.page.locator("svg g.chip.lit").count() == 2
    assert "heads 16" in opened.page.inner_text("#lit").replace("\xa0", " ")
    opened.page.locator("h1").hover()
    assert opened.lit() == set()
    opened.page.locator("#rows .chip[data-class=c6]").first.hover()
    assert opened.page.locator("svg g.chip.lit").count() == 2


def test_a_class_lights_up_by_keyboard_and_stays(opened: Opened) -> None:
    button = opened.page.locator("button[data-class=c1]")
    button.focus()
    assert opened.lit() == {"c1"}
    opened.page.keyboard.press("Tab")
    assert opened.lit() == {"c4"}
    opened.page.keyboard.press("Enter")
    opened.page.locator("[name=text]").focus()
    assert opened.lit() == {"c4"}
    pressed = opened.page.locator("button[data-class=c4]").get_attribute("aria-pressed")
    assert pressed == "true"
    opened.page.keyboard.press("Escape")
    assert opened.lit() == set()


def test_arrows_move_over_the_graph(opened: Opened) -> None:
    stops = opened.page.locator("svg[data-roving] [data-class][tabindex='0']")
    assert stops.count() == 1
    stops.focus()
    assert opened.lit() == {"c0"}
    opened.page.keyboard.press("ArrowRight")
    assert opened.lit() == {"c1"}
    opened.page.keyboard.press("End")
    assert opened.lit() == {"c11"}
    assert stops.count() == 1


def test_focus_is_seen(opened: Opened) -> None:
    opened.page.keyboard.press("Tab")
    assert opened.page.evaluate("document.activeElement.className") == "skip"
    assert opened.page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
    opened.page.keyboard.press("Enter")
    assert opened.page.url.endswith("#plan")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    opened.page.locator("[name=text]").focus()
    opened.page.keyboard.press("Tab")
    assert opened.page.evaluate(outline) == "solid"


def test_a_row_opens_to_its_evidence(opened: Opened) -> None:
    summary = opened.page.locator("#rows summary").last
    more = opened.page.locator("#rows .more").last
    assert not more.is_visible()
    summary.focus()
    opened.page.keyboard.press("Enter")
    assert more.is_visible()
    for link in gpt()[1].parameters["head.weight"].evidence:
        assert link in more.inner_text()


def test_a_cell_leads_to_its_row(opened: Opened) -> None:
    opened.page.fill("[name=text]", "nothing like it")
    opened.page.locator("svg a", has_text="tokens").click()
    assert opened.names() == ["tokens.weight"]
    assert opened.page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_a_deep_model_filters_and_sorts(browser: Any, tmp_path: Path) -> None:
    text = page(Facts("deep", None, deep(126), every_layer=True))
    found = Opened(browser, written(tmp_path, text), viewport=WIDE)
    assert len(found.names()) == 1134
    found.page.fill("[name=text]", "layers.77.")
    assert len(found.names()) == 9
    found.page.fill("[name=text]", "")
    found.page.get_by_role("button", name="parameter", exact=True).click()
    first, last = found.names()[0], found.names()[-1]
    assert first.startswith("layers.0.")
    assert last.startswith("layers.125.")
    found.context.close()
    assert found.wrong == []


def test_on_paper_it_is_black_on_white(browser: Any, address: str) -> None:
    found = Opened(browser, address, viewport=WIDE, color_scheme="dark")
    found.page.emulate_media(media="print", color_scheme="dark")
    style = "getComputedStyle(document.body)"
    assert found.page.evaluate(f"{style}.color") == "rgb(0, 0, 0)"
    assert found.page.evaluate(f"{style}.backgroundColor") == "rgb(255, 255, 255)"
    assert not found.page.locator(".filters").is_visible()
    assert found.page.locator("#rows > tbody").last.is_visible()
    found.context.close()
    assert found.wrong == []


def test_heads_stand_over_their_numbers(opened: Opened) -> None:
    found = opened.page.evaluate(
        "[...document.querySelectorAll('#rows thead th.number button')]"
        ".map(each => getComputedStyle(each).textAlign)"
    )
    assert set(found) == {"right"}


def test_on_paper_a_check_stands_beside_its_control_and_tables_fit(
    browser: Any, address: str
) -> None:
    found = Opened(browser, address, viewport={"width": 718, "height": 1000})
    found.page.emulate_media(media="print")
    tops = found.page.evaluate(
        "[...document.querySelectorAll('.plots.wide')].filter(each => each.children.length > 1)"
        ".map(each => [...each.children].map(figure => figure.offsetTop))"
    )
    ends = found.page.evaluate(
        "[...document.querySelectorAll('table')].map(each => each.getBoundingClientRect().right)"
    )
    found.context.close()
    assert tops
    assert all(first == second for first, second, *_ in tops)
    assert max(ends) <= 718
    assert found.wrong == []

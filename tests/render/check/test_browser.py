"""The page of a check in chromium: it fits, is readable, and its plots are chosen by keyboard."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from mupfx.render.check.html import page
from tests.render.check.reports import FAILS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no chromium"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="there is no playwright")
    with api.sync_playwright() as started:
        path = shutil.which("chromium")
        chromium = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(page(FAILS, {}), encoding="utf-8")
    return file.as_uri()


def luminance(colour: str) -> float:
    """Of ``rgb(1, 2, 3)``, as contrast is measured."""
    parts = [int(part) / 255 for part in colour.strip("rgb()").split(",")[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_asks_for_nothing_and_can_be_read(
    browser: Any, address: str, width: int, scheme: str
) -> None:
    opened = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    wrong: list[str] = []
    opened.on("console", lambda message: wrong.append(message.text))
    opened.on("request", lambda request: wrong.append(request.url))
    opened.goto(address)
    assert wrong == [address]
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    colour = "getComputedStyle(document.querySelector('{}')).{}"
    paper = luminance(opened.evaluate(colour.format("body", "backgroundColor")))
    assert (paper > 0.5) == (scheme == "light")
    ink = [("h1", "color"), ("svg.plot text", "fill"), ("figcaption .badge", "color")]
    for where, what in ink:
        one, other = sorted((luminance(opened.evaluate(colour.format(where, what))), paper))
        assert (other + 0.05) / (one + 0.05) > 4.5, where
    opened.close()


def test_lines_are_not_filled(browser: Any, address: str) -> None:
    opened = browser.new_page()
    opened.goto(address)
    fills = "[...document.querySelectorAll('polyline')].map(each => getComputedStyle(each).fill)"
    assert set(opened.evaluate(fills)) == {"none"}
    opened.close()


def test_plots_are_chosen_by_keyboard(browser: Any, address: str) -> None:
    opened = browser.new_page()
    opened.goto(address)
    shown = opened.locator("figure:visible")
    assert shown.count() == 3
    opened.focus("#only-all")
    for outcome in ("fail", "pass", "shown"):
        opened.keyboard.press("ArrowRight")
        assert shown.count() == 1
        assert opened.locator(f"figure.{outcome}:visible").count() == 1
    opened.close()


def test_on_paper_all_of_it_is_there(browser: Any, address: str) -> None:
    opened = browser.new_page(color_scheme="dark")
    opened.goto(address)
    opened.emulate_media(media="print")
    assert opened.locator("figure:visible").count() == 3
    assert opened.locator(".filter:visible").count() == 0
    paper = "getComputedStyle(document.body).backgroundColor"
    assert opened.evaluate(paper) == "rgb(255, 255, 255)"
    lines = "getComputedStyle(document.querySelector('svg.plot .line.s0')).stroke"
    assert luminance(opened.evaluate(lines)) < 0.3
    opened.close()

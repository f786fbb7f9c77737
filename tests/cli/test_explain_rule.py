"""``mupfx explain MUP001``: a rule's own words, as text and as data."""

import pytest

from mupfx.checks import rules
from mupfx.core.rule import SECTIONS
from tests.cli.terminal import data, printed, refused


def test_a_rule_is_printed_with_all_sections() -> None:
    lines = printed("explain", "MUP001").splitlines()
    assert lines[0].startswith("MUP001 ")
    assert [line for line in lines if line in SECTIONS] == list(SECTIONS)


@pytest.mark.parametrize("code", ["MUP001", "mup001", "hidden-init"])
def test_a_rule_as_data(code: str) -> None:
    found = data("explain", code)
    assert found["code"] == "MUP001"
    assert found["what"] == rules()["MUP001"].sections["What"]
    assert found["reference"]


def test_the_list_of_rules() -> None:
    text = printed("explain", "rules")
    assert all(code in text for code in rules())
    assert [rule["code"] for rule in data("explain", "rules")] == list(rules())


@pytest.mark.parametrize("word", ["mup999", "MUP0001", "mup-3"])
def test_an_unknown_rule_is_an_error_of_usage(word: str) -> None:
    said = refused("explain", word, code=3)
    assert said.startswith(f"TargetError: there is no rule `{word}`\n  hint: ")


def test_the_likely_one_is_named() -> None:
    assert "did you mean `MUP001`" in refused("explain", "MUP0001", code=3)

"""Every rule says what it is, why, with an example, how to mend it, and where it is from."""

import re
from pathlib import Path

import pytest

import mupfx.checks
from mupfx.checks import rule, rules, sections_of
from mupfx.core.rule import SECTIONS
from mupfx.errors import TargetError

PACKAGE = Path(mupfx.checks.__path__[0])
ROOT = Path(__file__).parents[2]
CODES = tuple(rules())


@pytest.mark.parametrize("code", CODES)
def test_a_rule_has_all_sections(code: str) -> None:
    found = rules()[code]
    assert tuple(found.sections) == SECTIONS
    assert all(len(text) > 20 for text in found.sections.values())


@pytest.mark.parametrize("code", CODES)
def test_a_rule_is_called_as_its_module(code: str) -> None:
    found = rules()[code]
    assert found.module.rsplit(".", 1)[-1].split("_")[0].upper() == code
    assert found.title
    assert not found.title.endswith(".")


def test_every_module_is_a_rule() -> None:
    modules = {path.stem for path in PACKAGE.glob("mup*.py")}
    assert modules
    assert {found.module.rsplit(".", 1)[-1] for found in rules().values()} == modules


def test_every_code_that_is_used_exists() -> None:
    folders = ("mupfx", "passes", "tests", "tools")
    sources = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    used = {code for path in sources for code in re.findall(r"\bMUP\d{3}\b", path.read_text())}
    readme = set(re.findall(r"\bMUP\d{3}\b", (ROOT / "README.md").read_text()))
    assert (used | readme) - {"MUP999"} == set(
        CODES
    )  # MUP999 is the one that tests look for in vain


def test_codes_are_in_order_and_without_gaps() -> None:
    assert [int(code[3:]) for code in CODES] == list(range(1, len(CODES) + 1))


def test_case_does_not_matter() -> None:
    assert rule("mup001") is rule("MUP001")


def test_an_unknown_code_is_said_to_be_one() -> None:
    with pytest.raises(TargetError, match=r"there is no rule `MUP999`\n  hint: "):
        rule("MUP999")


def test_sections_end_where_the_next_begins() -> None:
    text = """A title.

    What:
        One: thing.

            indented

    Fix:
        Why not.
    """
    assert sections_of(text) == {"What": "One: thing.\n\n    indented", "Fix": "Why not."}

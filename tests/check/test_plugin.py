"""The plugin of pytest: a fixture, a marker, and no import of torch where nothing is checked."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = """
import pytest
from tests.check.targets import forgotten, good

OPTIONS = dict(widths=(16, 32, 64), dynamic=False)

def test_fixture_good(mupfx_check):
    assert mupfx_check(good, **OPTIONS).verdict == "pass"

def test_fixture_wrong(mupfx_check):
    mupfx_check(forgotten, **OPTIONS)

@pytest.mark.mup(good, **OPTIONS)
def test_marked_good():
    pass

@pytest.mark.mup(forgotten, **OPTIONS)
def test_marked_wrong():
    raise KeyError("reached")

@pytest.mark.mup(good, **OPTIONS)
def test_marked_with_an_error_of_its_own():
    raise KeyError("its own")

@pytest.mark.mup(forgotten, **OPTIONS)
def test_judged_by_itself(mupfx_report):
    assert mupfx_report.verdict == "fail"
    assert [f.code for f in mupfx_report.errors] == ["MUP015"]

def test_report_without_a_marker(mupfx_report):
    pass

@pytest.mark.mup
def test_marked_without_a_factory():
    pass
"""
LINE = re.compile(r"^(PASSED|FAILED|ERROR) \S+::(\w+)(?: - (.*))?$", re.MULTILINE)


def run(folder: Path, tests: str, *arguments: str) -> str:
    """What a pytest of its own prints, without any plugin but ours."""
    path = folder / "test_it.py"
    path.write_text(tests)
    command = [sys.executable, "-m", "pytest", "-p", "mupfx.pytest_plugin", "-rA", "-c", os.devnull]
    done = subprocess.run(
        [*command, "--strict-markers", "-p", "no:cacheprovider", *arguments, str(path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)},
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    return run(tmp_path_factory.mktemp("plugin"), TESTS)


@pytest.fixture(scope="module")
def outcomes(printed: str) -> Mapping[str, tuple[str, str]]:
    return {name: (outcome, why) for outcome, name, why in LINE.findall(printed)}


def test_the_fixture_checks(outcomes: Mapping[str, tuple[str, str]]) -> None:
    assert outcomes["test_fixture_good"] == ("PASSED", "")
    outcome, why = outcomes["test_fixture_wrong"]
    assert outcome == "FAILED"
    assert why.startswith("AssertionError: FAIL forgotten")


def test_a_failure_is_the_report_and_no_code_of_ours(printed: str) -> None:
    _, _, section = printed.partition("_ test_fixture_wrong _")
    section, _, _ = section.partition("_ test_marked_wrong _")
    assert "error MUP015 2.weight" in section
    assert "asserting.py" not in section


def test_a_marked_test_is_checked_before_it_runs(outcomes: Mapping[str, tuple[str, str]]) -> None:
    assert outcomes["test_marked_good"][0] == "PASSED"
    assert "FAIL forgotten" in outcomes["test_marked_wrong"][1]
    assert "its own" in outcomes["test_marked_with_an_error_of_its_own"][1]


def test_a_marked_test_may_judge_its_report(outcomes: Mapping[str, tuple[str, str]]) -> None:
    assert outcomes["test_judged_by_itself"][0] == "PASSED"


def test_misuse_is_said(printed: str, outcomes: Mapping[str, tuple[str, str]]) -> None:
    assert outcomes["test_report_without_a_marker"][0] == "ERROR"
    assert "is the report of a marked test: @pytest.mark.mup(factory)" in printed
    assert outcomes["test_marked_without_a_factory"][0] == "FAILED"
    assert "takes one factory and options by name" in printed


def test_the_marker_is_known(tmp_path: Path) -> None:
    assert "@pytest.mark.mup(factory, **options): fails where" in run(tmp_path, "", "--markers")


def test_a_run_that_checks_nothing_imports_nothing_heavy(tmp_path: Path) -> None:
    heavy = ("torch", "numpy", "rich", "hypothesis", "mupfx.checking", "mupfx.testing")
    tests = f"""
import sys

def test_nothing():
    assert "mupfx.pytest_plugin" in sys.modules
    assert not set({heavy!r}) & set(sys.modules)
"""
    assert "1 passed" in run(tmp_path, tests)


def test_the_plugin_is_found_where_mupfx_is_installed() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert 'entry-points.pytest11.mupfx = "mupfx.pytest_plugin"' in text

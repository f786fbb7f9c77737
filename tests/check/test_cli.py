"""``mupfx check`` in a terminal: targets and names, formats and files, exit statuses."""

import io
import json
from pathlib import Path

import pytest
from inline_snapshot import snapshot
from rich.console import Console

from mupfx.commands import terminal
from mupfx.render.check.data import read_report
from tests.cli.terminal import printed, refused, run

TARGETS = "tests.check.targets"
QUICK = ("--widths", "16,32,64", "--no-dynamic")
GOOD = (f"{TARGETS}:good", *QUICK)
WRONG = (f"{TARGETS}:forgotten", *QUICK)
CONFIG = f"""
[tool.mupfx.checks.good]
target = "{TARGETS}:good"
widths = [16, 32, 64]
dynamic = false

[tool.mupfx.checks.wrong]
target = "beside.py:make"
widths = [16, 32, 64]
dynamic = false
args = {{ extra = 3 }}
"""
BESIDE = """
from tests.check.targets import forgotten

def make(width, extra):
    assert extra == 3
    return forgotten(width)
"""


@pytest.fixture(autouse=True)
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text(CONFIG)
    (tmp_path / "beside.py").write_text(BESIDE)
    inner = tmp_path / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_pass_is_status_0_and_fail_1() -> None:
    assert printed("check", *GOOD).startswith(f"PASS {TARGETS}:good\n")
    result = run("check", *WRONG)
    assert (result.exit_code, result.stderr) == (1, "")
    assert "error MUP015 2.weight" in result.stdout


def test_inconclusive_is_status_2() -> None:
    result = run("check", f"{TARGETS}:unknown", *QUICK)
    assert result.stdout.startswith("INCONCLUSIVE")
    assert result.exit_code == 2


def test_json_can_be_read_back() -> None:
    text = printed("check", *GOOD, "--format", "json")
    assert read_report(json.loads(text)).verdict == "pass"


def test_several_formats(tmp_path: Path) -> None:
    files = {form: tmp_path / "deep" / f"report.{suffix}" for form, suffix in SUFFIXES.items()}
    options = [word for path in files.values() for word in ("--out", str(path))]
    result = run("check", *WRONG, *options)
    assert result.stdout.startswith("FAIL")
    assert json.loads(files["json"].read_text())["verdict"] == "fail"
    assert json.loads(files["sarif"].read_text())["runs"][0]["results"][0]["ruleId"] == "MUP015"
    assert "MUP015" in files["junit"].read_text()
    assert files["html"].read_text().startswith("<!")


SUFFIXES = {"json": "json", "sarif": "sarif", "junit": "xml", "html": "html"}


def test_annotations_on_github(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert "::error" in run("check", *WRONG).stdout
    quiet = run("check", *WRONG, "--format", "json")
    assert "::error" in quiet.stderr
    assert json.loads(quiet.stdout)["verdict"] == "fail"


def test_configured_checks_by_name(project: Path) -> None:
    assert printed("check", "good").startswith("PASS good\n")
    result = run("check", "wrong")
    assert result.exit_code == 1
    assert result.stdout.startswith("FAIL wrong\n")


def test_all_that_are_configured(project: Path) -> None:
    result = run("check", "--out", "report-{name}.json")
    assert result.exit_code == 1
    assert [line for line in result.stdout.splitlines() if line[:4] in {"PASS", "FAIL"}] == [
        "PASS good",
        "FAIL wrong",
    ]
    assert {path.name for path in Path().glob("*.json")} == {
        "report-good.json",
        "report-wrong.json",
    }


def test_what_is_typed_goes_before_what_is_configured(project: Path) -> None:
    text = printed("check", "good", "--widths", "16,32,48", "--format", "json")
    sizes = [size["width"] for size in json.loads(text)["sizes"]["width"]]
    assert sizes == [16, 32, 48]
    assert "`make` takes no" not in text


def test_arguments_are_typed_and_configured(project: Path) -> None:
    assert "AssertionError" in refused("check", "wrong", "--arg", "extra=4", code=3)


def wrong_usage(*words: str) -> str:
    return refused("check", *words, code=3)


def test_no_such_target() -> None:
    assert wrong_usage(f"{TARGETS}:goood") == snapshot("""\
TargetError: `tests.check.targets` has no `goood`
  hint: did you mean `good`?
""")


def test_no_such_module() -> None:
    assert "there is no module `nowhere`" in wrong_usage("nowhere:make")


def test_a_model_of_a_library() -> None:
    assert "names one model" in wrong_usage("timm:resnet18")


def test_a_module_that_does_not_import(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import os\nraise ValueError('at import')\n")
    text = wrong_usage(f"{tmp_path / 'broken.py'}:make").replace(str(tmp_path), "FOLDER")
    assert "Traceback" in text
    assert "FOLDER/broken.py" in text
    assert "cannot be imported: ValueError\n  found: at import" in text


def test_a_target_that_raises_shows_where() -> None:
    text = wrong_usage(f"{TARGETS}:inner_error", "--input", "float32[5,8]", *QUICK)
    assert "targets.py" in text
    assert text.splitlines()[-2:] == snapshot(
        [
            "TargetError: `tests.check.targets:inner_error` raised RuntimeError at width=32",
            "  found: no memory for that",
        ]
    )


def test_a_name_that_is_not_configured(project: Path) -> None:
    assert wrong_usage("god") == snapshot("""\
TargetError: `god` is neither a target nor a check of `pyproject.toml`
  expected: `package.module:callable`, `path/file.py:callable`, or a configured name
  found: good, wrong
  hint: did you mean `good`?
""")


def test_nothing_is_configured(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text("")
    assert wrong_usage("--config", str(path)) == snapshot("""\
TargetError: there is no target, and `pyproject.toml` configures none
  expected: [tool.mupfx.checks.NAME] with target = ..., or a target
  hint: mupfx check module:callable
""")


def test_sizes_that_are_none() -> None:
    assert wrong_usage(f"{TARGETS}:good", "--widths", "16,x") == snapshot("""\
TargetError: `16,x` is no list of whole numbers
  expected: --widths 64,128,256
""")


def test_an_unknown_option_and_format() -> None:
    assert "No such option" in wrong_usage(f"{TARGETS}:good", "--width", "16")
    assert "--format" in wrong_usage(*GOOD, "--format", "pdf")


def test_an_unknown_parametrization() -> None:
    assert "ParametrizationError" in wrong_usage(*GOOD, "--parametrization", "nup")


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    path = tmp_path / "taken" / "r.json"
    assert "cannot write" in wrong_usage(*GOOD, "--out", str(path))


def test_progress_is_shown_where_somebody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar with the time left, on stderr alone; nothing where it is no terminal."""
    stream = io.StringIO()
    shown = Console(file=stream, force_terminal=True, width=100)
    monkeypatch.setattr(terminal, "Console", lambda **_: shown)
    with terminal.meter("checking it") as watch:
        watch("reading width=16", 1.0, 4.0)
    assert "checking it: reading width=16" in stream.getvalue()
    assert "25%" in stream.getvalue()


def test_help_names_the_table_of_the_configuration() -> None:
    assert "[tool.mupfx.checks.NAME]" in " ".join(run("check", "--help").stdout.split())

"""``mupfx transfer``: what is typed, what is printed, and what is written."""

import json
import sys
from pathlib import Path

import pytest

from mupfx.commands.transfer_options import names, rates
from mupfx.errors import TargetError
from mupfx.exports.transfer_file import load_transfer
from tests.cli.terminal import run
from tests.transfer import targets

TARGET = "tests.transfer.targets:mlp"
SMALL = ("--widths", "4,8", "--rates", "2^-6:2^-4", "--seeds", "2", "--steps", "3", "--jobs", "1")
SHORT = (*SMALL, "--warmup", "0", "--extend", "0")
PNG = b"\x89PNG"


def test_a_sweep_prints_tables_and_writes_them(tmp_path: Path) -> None:
    out, plot = tmp_path / "sweep", tmp_path / "figures" / "losses.png"
    result = run("transfer", TARGET, *SHORT, "--out", str(out), "--plot", str(plot))
    assert result.exit_code in {0, 1, 2}, result.stderr
    assert result.stderr.startswith("the grid: 24 trainings, 1 at a time, about ")
    for text in ("best learning rate by size", "octaves per doubling", "mup: loss by log2"):
        assert text in result.stdout
    assert plot.read_bytes().startswith(PNG)
    assert load_transfer(out).recipe.target == TARGET


def test_json_is_the_outcome_and_nothing_is_trained_again(tmp_path: Path) -> None:
    words = ("transfer", TARGET, *SHORT, "--out", str(tmp_path))
    run(*words)
    before = (tmp_path / "runs.jsonl").read_bytes()
    again = run(*words, "--json")
    data = json.loads(again.stdout)
    assert data == json.loads((tmp_path / "transfer.json").read_text())
    assert again.stderr == ""
    assert (tmp_path / "runs.jsonl").read_bytes() == before
    assert {(c["parametrization"], c["width"]) for c in data["curves"]} == {
        ("mup", 4), ("mup", 8), ("sp", 4), ("sp", 8),
    }  # fmt: skip
    assert again.exit_code == {"pass": 0, "fail": 1, "inconclusive": 2}[data["verdict"]]


def test_arguments_and_optimizer_reach_the_target(tmp_path: Path) -> None:
    words = ("transfer", "tests.transfer.targets:full_batch", *SHORT, "--out", str(tmp_path))
    more = ("--optimizer", "SGD", "--optimizer-arg", "momentum=0.5", "--parametrization", "sp")
    run(*words, *more)
    header = json.loads((tmp_path / "runs.jsonl").read_text().splitlines()[0])
    assert header["recipe"]["optimizer"] == "SGD"
    assert header["recipe"]["hyperparameters"] == {"momentum": 0.5}


WRONG = {
    "no such target": ("tests.transfer.targets:nothing", *SHORT),
    "no data": ("tests.transfer.targets:no_data", *SHORT),
    "one width": (TARGET, *SHORT, "--widths", "4"),
    "no widths": (TARGET, *SHORT, "--widths", "4;8"),
    "no rates": (TARGET, *SHORT, "--rates", "2^-3:2^-8"),
    "an argument that it does not take": (TARGET, *SHORT, "--arg", "hidden=3"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_the_line_ends_with_3(tmp_path: Path, name: str) -> None:
    result = run("transfer", *WRONG[name], "--out", str(tmp_path))
    assert result.exit_code == 3, result.stdout
    assert result.stderr.startswith("TargetError")


def test_results_of_other_settings_end_with_3(tmp_path: Path) -> None:
    """1 would say that the best rate moves."""
    run("transfer", TARGET, *SHORT, "--parametrization", "sp", "--out", str(tmp_path))
    result = run("transfer", TARGET, *SHORT, "--decay", "cosine", "--out", str(tmp_path))
    assert result.exit_code == 3
    assert "expected: decay='linear'\n  found: decay='cosine'" in result.stderr


def test_a_figure_that_could_not_be_drawn_is_refused_before(tmp_path: Path) -> None:
    words = ("transfer", TARGET, *SHORT, "--out", str(tmp_path / "sweep"))
    assert "no such format" in run(*words, "--plot", "losses.doc").stderr
    assert not (tmp_path / "sweep").exists()


def test_a_loss_that_fails_ends_with_3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong, said in ((lambda m, b: m(b[0]), "is no number"), (lambda m, b: m.no(b), "raised")):
        monkeypatch.setattr(targets, "loss", wrong)
        result = run("transfer", TARGET, *SHORT, "--out", str(tmp_path))
        assert result.exit_code == 3, result.stdout
        assert said in result.stderr


def test_a_figure_without_a_place_is_said_after_the_tables(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    plot = str(tmp_path / "file" / "losses.png")
    result = run("transfer", TARGET, *SHORT, "--out", str(tmp_path / "sweep"), "--plot", plot)
    assert result.exit_code == 3
    assert "the runs are kept" in result.stderr
    assert "best learning rate by size" in result.stdout


def test_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    words = ("transfer", TARGET, *SHORT, "--out", str(tmp_path / "sweep"))
    assert "pip install 'mupfx[plot]'" in run(*words, "--plot", "losses.png").stderr


def test_stopped_by_hand_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(targets, "loss", stopped)
    result = run("transfer", "tests.transfer.targets:full_batch", *SHORT, "--out", str(tmp_path))
    assert result.exit_code == 130
    assert "the same command goes on" in result.stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2^-4:2^-2", (0.0625, 0.125, 0.25)),
        ("0.25:1:0.5", (0.25, 0.25 * 2**0.5, 0.5, 0.5 * 2**0.5, 1.0)),
        ("1e-3", (0.001,)),
        ("0.1,2^-1", (0.1, 0.5)),
    ],
)
def test_rates(text: str, expected: tuple[float, ...]) -> None:
    assert rates(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "x", "1:", "0:1", "1:0.5", "1:2:0", "1:2:1:1", "2^x"])
def test_no_rates(text: str) -> None:
    with pytest.raises(TargetError, match="gives no rates"):
        rates(text)


def test_names_of_tables() -> None:
    assert names("mup, sp,") == ("mup", "sp")

"""Figures for papers: every kind of result is drawn, to every kind of file, and what has none says so."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mupfx.commands.plot import plot
from mupfx.errors import MupfxError, TargetError
from mupfx.exports.observed_file import COLUMNS, load_observed
from mupfx.exports.transfer_file import load_transfer
from mupfx.observables.observations import Observations
from mupfx.render.check.data import report_json
from mupfx.render.figures_check import check_figure
from tests.page.pages import checked, observations, sweep

pytest.importorskip("matplotlib", reason="figures need matplotlib")
STARTS = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    found = {name: tmp_path / name for name in ("check.json", "transfer.json", "observed.csv")}
    found["check.json"].write_text(report_json(checked()))
    found["transfer.json"].write_text(json.dumps(sweep().to_dict()))
    Observations("t", observations()).to_csv(found["observed.csv"])
    return found


@pytest.mark.parametrize("suffix", STARTS)
@pytest.mark.parametrize("name", ["check.json", "transfer.json", "observed.csv"])
def test_every_result_has_a_figure(files: dict[str, Path], name: str, suffix: str) -> None:
    out = files[name].with_suffix(suffix)
    plot(files[name], out, ())
    assert out.read_bytes().startswith(STARTS[suffix])


def test_text_of_a_figure(files: dict[str, Path]) -> None:
    out = files["observed.csv"].with_suffix(".svg")
    plot(files["observed.csv"], out, ["rms"])
    assert "<!-- rms -->" in out.read_text()
    assert "<!-- output -->" not in out.read_text()
    with pytest.raises(MupfxError, match=r"`rsm` was not observed\n(.|\n)*did you mean `rms`"):
        plot(files["observed.csv"], out, ["rsm"])


def test_files_are_read_back(files: dict[str, Path]) -> None:
    assert load_observed(files["observed.csv"]) == observations()
    assert load_transfer(files["transfer.json"]) == replace(
        sweep(), folder=str(files["transfer.json"])
    )


def test_a_folder_brings_its_runs(tmp_path: Path) -> None:
    (tmp_path / "transfer.json").write_text(json.dumps(sweep().to_dict()))
    run = {"parametrization": "mup", "width": 64, "depth": None, "seed": 0, "lr": 0.001}
    run |= {"loss": 2.0, "start": 5.0, "steps": 9, "seconds": 1.0}
    (tmp_path / "runs.jsonl").write_text(f'{{"mupfx transfer": 1}}\n{json.dumps(run)}\n{{"par')
    (found,) = load_transfer(tmp_path).runs
    assert (found.loss, found.start, found.trial.lr) == (2.0, 5.0, 0.001)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "width,depth\n1,2\n", f"columns {', '.join(COLUMNS)}"),
        ("a.csv", f"{','.join(COLUMNS)}\n64,,x,0,,,,rms,1\n", "holds no observations"),
        ("a.json", "{", "is no JSON"),
        ("a.json", "[]", "has no figure"),
        ("a.json", '{"verdict": "pass"}', "no report of a check"),
        ("a.json", '{"curves": []}', "holds no sweep"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(TargetError, match=message):
        plot(tmp_path / name, tmp_path / "out.png", ())


@pytest.mark.parametrize("name", ["none.csv", "none.json"])
def test_files_that_are_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(TargetError, match="cannot read"):
        plot(tmp_path / name, tmp_path / "out.png", ())


def test_nothing_to_draw(tmp_path: Path) -> None:
    with pytest.raises(MupfxError, match="the check trained nothing"):
        check_figure(replace(checked(), slopes=()), tmp_path / "out.png")
    with pytest.raises(MupfxError, match="the figure cannot be written"):
        check_figure(checked(), tmp_path / "out.nothing")

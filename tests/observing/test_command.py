"""``mupfx observe``: the table on disk, what is printed, and what is refused."""

import csv
import json
from pathlib import Path

import pytest
from inline_snapshot import snapshot
from typer.testing import CliRunner

from mupfx.cli import app

TARGET = """
import torch
from torch import nn


def net(width, depth=1):
    layers = [m for _ in range(depth) for m in (nn.Linear(width, width), nn.ReLU())]
    return nn.Sequential(nn.Linear(8, width), nn.ReLU(), *layers, nn.Linear(width, 3))
"""


@pytest.fixture
def target(tmp_path: Path) -> str:
    (tmp_path / "net.py").write_text(TARGET)
    return f"{tmp_path / 'net.py'}:net"


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["observe", *words])
    return result.exit_code, result.output


def test_table_and_exponents(target: str, tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    status, text = run(
        target, "--widths", "16,32", "--depths", "1,2", "--steps", "1", "--what", "updates,output",
        "--input", "float32[4,8]", "--out", str(file),
    )  # fmt: skip
    assert status == 0
    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert {(row["width"], row["depth"]) for row in rows} == {
        (w, d) for w in ("16", "32") for d in ("1", "2")
    }
    assert "exponents in width, of the whole model" in text
    assert "exponents in depth, of the whole model" in text
    assert "the loss is cross-entropy on fixed random classes" in text


def test_json(target: str) -> None:
    status, text = run(
        target, "--widths", "16,32", "--steps", "0,1", "--what", "output",
        "--input", "float32[4,8]", "--json",
    )  # fmt: skip
    assert status == 0
    found = json.loads(text)
    assert {row["quantity"] for row in found["rows"]} == {
        "loss", "output", "output_update", "feature", "feature_update",
    }  # fmt: skip
    assert all(e["by"] == "width" for e in found["exponents"])


def test_one_size(target: str) -> None:
    status, text = run(target, "--widths", "16", "--steps", "1", "--what", "output",
                       "--input", "float32[4,8]")  # fmt: skip
    assert status == 0
    assert "step 0" in text
    assert "exponents" not in text


def test_refused(target: str) -> None:
    status, text = run(target, "--widths", "16", "--out", "table.xlsx")
    assert (status, text) == snapshot(
        (
            3,
            """\
TargetError: no table is written to `table.xlsx`
  expected: *.csv or *.parquet
""",
        )
    )
    status, text = run(target, "--widths", "16", "--what", "ntks", "--input", "float32[4,8]")
    assert (status, text) == snapshot(
        (
            1,
            """\
ObserveError: `ntks` is nothing that can be observed
  expected: coordinates, updates, output, ntk, feature_speed, diversity, richness, gamma
  hint: did you mean `ntk`?
""",
        )
    )


def test_what_cannot_be_written_is_refused_before_training(target: str, tmp_path: Path) -> None:
    out = tmp_path / "none" / "table.csv"
    status, text = run(target, "--widths", "16", "--input", "float32[4,8]", "--out", str(out))
    assert status == 3
    assert text.endswith("cannot be written\n  expected: a file in a folder that there is\n")

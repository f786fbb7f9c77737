"""``mupfx report`` and ``mupfx plot``: files in, files out; the line printed is where they are."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mupfx.observables.observations import Observations
from mupfx.render.check.data import report_json
from tests.cli.terminal import MLP, printed, refused
from tests.page.pages import Tree, checked, observations, sweep

WIDE = (MLP, "--arg", "width=16", "--base", "4")


def test_a_target(tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    assert printed("report", *WIDE, "--out", str(out)) == f"{out}\n"
    tree = Tree(out.read_text())
    assert f"{MLP} width=16" in tree.text
    assert {"first.weight", "blocks.0.up.weight", "last.bias"} <= {
        name for value in tree.having("data-names") for name in value.split()
    }


def test_every_layer(tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    printed("report", *WIDE, "--out", str(out), "--all")
    assert "blocks.{0,1}" not in out.read_text().replace("<wbr>", "")


def test_a_plan_with_what_was_measured(tmp_path: Path) -> None:
    gpt = ("mupfx.demo.gpt:example", "--arg", "width=64", "--base", "32")
    printed("convert", *gpt, "--out", str(tmp_path / "made"))
    (tmp_path / "check.json").write_text(report_json(checked()))
    seen = tuple(
        replace(row, parameter=row.parameter and "tokens.weight") for row in observations()
    )
    Observations("t", seen).to_csv(tmp_path / "seen.csv")
    out = tmp_path / "page.html"
    printed(
        *("report", "--plan", str(tmp_path / "made" / "plan.json"), "--out", str(out)),
        *("--check", str(tmp_path / "check.json"), "--observe", str(tmp_path / "seen.csv")),
    )
    ids = Tree(out.read_text()).having("id")
    assert {"plan", "check", "observed"} <= set(ids)
    assert not {"model", "transfer"} & set(ids)


def test_a_sweep(tmp_path: Path) -> None:
    (tmp_path / "transfer.json").write_text(json.dumps(sweep().to_dict()))
    out = tmp_path / "page.html"
    printed("report", *WIDE, "--transfer", str(tmp_path), "--out", str(out))
    assert "transfer" in Tree(out.read_text()).having("id")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "a page of what?"),
        ((*WIDE, "--plan", "plan.json"), "the plan is given twice"),
        ((*WIDE, "--check", "none.json"), "cannot read `none.json`"),
        ((*WIDE, "--transfer", "none"), "the folder that mupfx transfer wrote to"),
        ((*WIDE, "--observe", "none.csv"), "cannot read `none.csv`"),
    ],
)
def test_refused(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    out = tmp_path / "page.html"
    assert message in refused("report", *words, "--out", str(out), code=3)
    assert not out.exists()


def test_no_conversion_no_page(tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    words = (*WIDE, "--hyper", "zero_query=True", "--out", str(out))
    refused("report", *words, code=1)
    assert not out.exists()


def test_a_figure(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="figures need matplotlib")
    (tmp_path / "check.json").write_text(report_json(checked()))
    out = tmp_path / "figure.png"
    assert printed("plot", str(tmp_path / "check.json"), "--out", str(out)) == f"{out}\n"
    assert out.stat().st_size > 1000
    assert "cannot read" in refused("plot", "none.json", "--out", str(out), code=3)

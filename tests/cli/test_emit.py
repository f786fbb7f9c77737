"""``mupfx emit``."""

import json
from pathlib import Path

import pytest
import torch
from inline_snapshot import snapshot

import mupfx
from tests.cli.models import mlp
from tests.cli.terminal import MLP, MODELS, data, printed, refused
from tests.exports.standalone import imported

WIDE = (MLP, "--arg", "width=16", "--base-arg", "width=4")
TIED = (f"{MODELS}:tied", "--input", "int64[2,5]<11", "--base-arg", "width=4")


def start(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = imported(folder / "init_kernels.py").state_dict(seed=3)
    return found


def test_files_and_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert printed("emit", *WIDE, "--out", "folder") == snapshot("""\
written
  folder/init_kernels.py
  folder/plan.json
  folder/param_groups.json
""")
    args = mlp(16)[1]
    expected = mupfx.build(lambda width: mlp(width)[0], args, base={"width": 4}, seed=3, width=16)
    assert all(torch.equal(start(Path("folder"))[n], p) for n, p in expected.named_parameters())
    assert json.loads(Path("folder/plan.json").read_text()) == mupfx.plan(expected).to_dict()


def test_json_and_ties(tmp_path: Path) -> None:
    files = data("emit", *TIED, "--out", str(tmp_path))["files"]
    assert [Path(name).name for name in files] == [
        "init_kernels.py",
        "plan.json",
        "param_groups.json",
    ]
    found = start(tmp_path)
    assert found["head.weight"] is found["embed.weight"]


def test_a_base_is_needed(tmp_path: Path) -> None:
    assert refused("emit", MLP, "--out", str(tmp_path), code=3) == snapshot("""\
TargetError: starting values need a base
  hint: --base 64, or --base-arg width=64 for a base model
""")
    assert not list(tmp_path.iterdir())

"""``mupfx export``: what it prints, and that weights of a training run reach the file."""

import json
from pathlib import Path

import pytest
import torch
from inline_snapshot import snapshot

import mupfx
from tests.cli.models import mlp
from tests.cli.terminal import MLP, MODELS, data, printed, refused, run

WIDE = (MLP, "--arg", "width=16", "--base", "4")
TIED = (f"{MODELS}:tied", "--input", "int64[2,5]<11", "--base", "4", "--arg", "width=16")


def test_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert printed("export", *TIED, "--out", "net.pt") == snapshot("""\
run beside its source
  format      relative error  at most  calls
  state_dict               0    1e-05      1

notes
  head.weight is 0.25 times embed.weight now, and a parameter of its own: they were tied
  the class ties `head.weight`: load with load_state_dict(weights, assign=True)

written
  net.pt
""")


def test_json(tmp_path: Path) -> None:
    found = data("export", *WIDE, "--out", str(tmp_path / "net.safetensors"))
    assert found == {
        "path": str(tmp_path / "net.safetensors"),
        "format": "safetensors",
        "error": 0.0,
        "tolerance": 1e-5,
        "calls": 1,
        "notes": [],
        "files": [str(tmp_path / "net.safetensors")],
    }
    assert json.dumps(found)


@pytest.mark.parametrize("name", ["trained.pt", "folder/weights.safetensors"])
def test_trained_weights(tmp_path: Path, name: str) -> None:
    model, args = mlp(16)
    mupfx.convert(model, args, base=4)
    if name.startswith("folder"):
        printed("convert", *WIDE, "--out", str(tmp_path / "folder"))
    else:
        with torch.no_grad():
            model.get_parameter("first.bias").fill_(7)
        torch.save(model.state_dict(), tmp_path / name)
    printed("export", *WIDE, "--weights", str(tmp_path / name), "--out", str(tmp_path / "net.pt"))
    weights = torch.load(tmp_path / "net.pt")
    assert torch.equal(weights["first.bias"], model.state_dict()["first.bias"])


def test_tied_weights_of_convert(tmp_path: Path) -> None:
    """The file has each shared tensor once."""
    printed("convert", *TIED, "--out", str(tmp_path / "folder"))
    weights = ("--weights", str(tmp_path / "folder" / "weights.safetensors"))
    printed("export", *TIED, *weights, "--out", str(tmp_path / "net"), "--format", "python")
    assert (tmp_path / "net" / "model.py").is_file()


def test_weights_of_another_model(tmp_path: Path) -> None:
    torch.save(mlp(8)[0].state_dict(), tmp_path / "other.pt")
    text = refused(
        "export", *WIDE, "--weights", str(tmp_path / "other.pt"), "--out", str(tmp_path / "n.pt"),
        code=3,
    )  # fmt: skip
    assert text.startswith(f"TargetError: `{tmp_path}/other.pt` does not fit the converted model")
    assert not (tmp_path / "n.pt").exists()


@pytest.mark.parametrize(
    "name", ["missing.pt", "missing.safetensors", "text.pt", "text.safetensors"]
)
def test_weights_that_are_none(tmp_path: Path, name: str) -> None:
    if name.startswith("text"):
        (tmp_path / name).write_text("no weights")
    text = refused(
        "export", *WIDE, "--weights", str(tmp_path / name), "--out", str(tmp_path / "n.pt"), code=3
    )
    assert text.startswith("TargetError: cannot read")
    assert "expected: a state dict, of torch.save or safetensors" in text


def test_a_path_that_says_no_format(tmp_path: Path) -> None:
    assert refused("export", *WIDE, "--out", str(tmp_path / "net"), code=1) == snapshot("""\
ExportError: `net` does not say which format to write
  expected: one of .pt, .pth, .bin, .safetensors, .pt2, .onnx, or a folder and its format
  hint: the formats that are folders: hf, python
""")


def test_a_format_that_is_none(tmp_path: Path) -> None:
    assert run("export", *WIDE, "--out", str(tmp_path / "n"), "--format", "gguf").exit_code == 3

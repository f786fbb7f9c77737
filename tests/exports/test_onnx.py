"""ONNX: weights beside large models, versions, and packages that are not there."""

from pathlib import Path

import onnx
import pytest
import torch
from inline_snapshot import snapshot

import mupfx
from mupfx.exports import onnx_file
from tests.cli.models import mlp


def test_weights_of_a_large_model_lie_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, args = mlp(16)
    mupfx.convert(model, args, base=4, gauge="mup")
    small = mupfx.export(model, tmp_path / "small.onnx", args)
    monkeypatch.setattr(onnx_file, "ONE_FILE", 0)
    large = mupfx.export(model, tmp_path / "large.onnx", args)
    assert [path.name for path in small.files] == ["small.onnx"]
    assert [path.name for path in large.files] == ["large.onnx", "large.onnx.data"]
    assert sorted(tmp_path.iterdir()) == sorted((*small.files, *large.files))
    onnx.checker.check_model(str(large.path))


def test_the_opset_is_noted(tmp_path: Path) -> None:
    done = mupfx.export(mlp(8)[0], tmp_path / "net.onnx", mlp(8)[1])
    assert done.notes == snapshot(("sizes that may change: x[0]", "opset onnx 20"))
    (opset,) = onnx.load(done.path).opset_import
    assert opset.version == 20


def test_what_onnxruntime_cannot_run_is_not_left(tmp_path: Path) -> None:
    model, args = mlp(8)
    with pytest.raises(mupfx.ExportError) as error:
        mupfx.export(model.bfloat16(), tmp_path / "net.onnx", args[0].bfloat16())
    lines = str(error.value).splitlines()
    assert lines[0] == "onnxruntime cannot run this model, so nothing would have checked it"
    assert lines[-1] == "  hint: it has few kernels for half precision: model.float()"
    assert list(tmp_path.iterdir()) == []


def test_packages_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "NEEDED", ("onnx", "onnxscript", "not_onnxruntime"))
    with pytest.raises(mupfx.ExportError) as error:
        mupfx.export(torch.nn.Linear(2, 2), tmp_path / "net.onnx", torch.ones(2, 2))
    assert str(error.value) == snapshot("""\
ONNX needs packages that are not there
  expected: onnx, onnxscript, not_onnxruntime
  found: no not_onnxruntime
  hint: pip install onnx onnxscript not_onnxruntime\
""")

"""Every model in every format, after training; stock weights where mupfx cannot be imported."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import mupfx
from tests.exports.stock import MODELS, tensor
from tests.zoo.models.common import Built

ROOT = Path(__file__).parents[2]
SCALES = {"gpt2": 3, "gpt": 3}
"""Where a third is rounded; twice as wide as the base elsewhere."""
WEIGHTS = ("state_dict", "safetensors", "hf")
PROGRAMS = ("pt2", "onnx", "python")
TRACED = ("gpt", "lstm")
"""Models that every run traces; the others are traced where there is time."""
QUICK = ("gpt2", "llama", "lstm", "gpt")
CONVERTED: dict[str, dict[str, Any]] = {"llama": {"gauge": "mup"}, "vit": {"gauge": "unit"}}


@cache
def trained(name: str) -> Built:
    """A converted model after two steps, in the gauge of its turn."""
    model, args, kwargs = MODELS[name](scale(name))
    mupfx.convert(model, args, kwargs, base=MODELS[name](1)[0], **CONVERTED.get(name, {}))
    optimizer = mupfx.optimizer(torch.optim.AdamW, model, lr=0.02)
    model.train()
    for _ in range(2):
        optimizer.zero_grad()
        torch.autograd.backward(tensor(model(*args, **kwargs)).square().mean())
        optimizer.step()
    return model.eval(), args, kwargs


def scale(name: str) -> int:
    return SCALES.get(name, 2)


def suited(name: str, form: str) -> bool:
    return form != "hf" or type(trained(name)[0]).__module__.startswith("transformers")


def place(folder: Path, form: str) -> Path:
    suffixes = {"state_dict": ".pt", "safetensors": ".safetensors", "pt2": ".pt2", "onnx": ".onnx"}
    return folder / f"model{suffixes.get(form, '')}"


def exported(name: str, form: str, folder: Path) -> mupfx.Exported:
    model, args, kwargs = trained(name)
    folder.mkdir(exist_ok=True)
    done = mupfx.export(model, place(folder, form), args, kwargs, format=form)
    print(f"{name:12} {form:12} {done.error:9.2g} of {done.tolerance:g}, {done.calls} calls")
    return done


@pytest.mark.parametrize("form", PROGRAMS)
@pytest.mark.parametrize(
    "name",
    [name if name in TRACED else pytest.param(name, marks=pytest.mark.slow) for name in MODELS],
)
def test_programs_compute_what_the_model_does(name: str, form: str, tmp_path: Path) -> None:
    done = exported(name, form, tmp_path)
    assert done.calls >= 2  # of another batch as well
    assert done.error <= done.tolerance <= 1e-4
    assert all(path.is_file() for path in done.files)


@pytest.mark.parametrize("names", [QUICK, pytest.param(tuple(MODELS), marks=pytest.mark.slow)])
def test_stock_weights_where_there_is_no_mupfx(names: tuple[str, ...], tmp_path: Path) -> None:
    jobs = {}
    for name in names:
        for form in WEIGHTS:
            if suited(name, form):
                done = exported(name, form, tmp_path / f"{name} {form}".replace(" ", "_"))
                assert done.error <= 1e-5
                jobs[f"{name} {form}"] = (name, scale(name), form, str(done.path))
    found = elsewhere(jobs, tmp_path)
    assert found.keys() == jobs.keys()
    for key, (name, *_) in jobs.items():
        assert distance(found[key], trained(name)) < 1e-5, key


def test_python_where_there_is_no_mupfx(tmp_path: Path) -> None:
    done = exported("gpt", "python", tmp_path)
    found = elsewhere({"gpt": ("gpt", scale("gpt"), "python", str(done.path))}, tmp_path)
    assert distance(found["gpt"], trained("gpt")) < 1e-5


def test_weights_as_they_are_would_be_another_function() -> None:
    """What the tests above compare is not the same for want of a difference."""
    for name in ("gpt2", "llama"):
        model, args, kwargs = trained(name)
        stock: nn.Module = MODELS[name](scale(name))[0].eval()
        with torch.no_grad():
            assert distance(tensor(stock(*args, **kwargs)), trained(name)) > 1e-3
            stock.load_state_dict(model.state_dict())
            assert distance(tensor(stock(*args, **kwargs)), trained(name)) > 1e-3


def distance(found: Tensor, built: Built) -> float:
    model, args, kwargs = built
    with torch.no_grad():
        wanted = tensor(model(*args, **kwargs))
    return float((found - wanted).abs().max() / wanted.abs().max())


def elsewhere(jobs: object, folder: Path) -> dict[str, Tensor]:
    """What another process gets, in which importing mupfx fails."""
    out = folder / "outputs.pt"
    code = [sys.executable, "-m", "tests.exports.stock", json.dumps(jobs), str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        code, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Tensor] = torch.load(out)
    return found

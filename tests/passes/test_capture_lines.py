"""A node knows the line that computes it, also in helpers, and never a line of another project."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch.fx.experimental.proxy_tensor import PythonKeyTracer

from mupfx.core.program import source_place
from mupfx.passes.capture import capture

MODEL = """
import torch
from helpers import halved
from library import tripled


def doubled(x):
    return x * 2  # here


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(3, 4)

    def forward(self, x):
        x = self.first(x)  # linear
        x = self.shifted(x)
        x = doubled(x)
        x = halved(x)
        return tripled(x)  # library

    def shifted(self, x):
        return x + 1  # here
"""
HELPERS = "def halved(x):\n    return x / 2  # here\n"
LIBRARY = "def tripled(x):\n    return x - 3\n"


def module(name: str, path: Path, text: str) -> ModuleType:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[name] = made
    spec.loader.exec_module(made)
    return made


@pytest.fixture
def model(tmp_path: Path) -> Iterator[torch.nn.Module]:
    try:
        module("helpers", tmp_path / "other" / "helpers.py", HELPERS)
        module("library", tmp_path / "site-packages" / "library" / "__init__.py", LIBRARY)
        yield module("written", tmp_path / "written.py", MODEL).Model()
    finally:
        for name in ("helpers", "library", "written"):
            sys.modules.pop(name, None)


@pytest.mark.parametrize("frontend", ["export", "make_fx"])
def test_ops_of_helpers_are_at_their_own_lines(model: torch.nn.Module, frontend: str) -> None:
    graph = capture(model, (torch.randn(2, 3),), {}, frontends=(frontend,)).graph
    found = {
        str(n.target).split(".")[1]: source_place(n) for n in graph.nodes if n.op == "call_function"
    }
    files = {op: (Path(p.path).name, p.code) for op, p in found.items() if p is not None}
    assert files == {
        "linear": ("written.py", "x = self.first(x)  # linear"),
        "add": ("written.py", "return x + 1  # here"),
        "mul": ("written.py", "return x * 2  # here"),
        "div": ("helpers.py", "return x / 2  # here"),
        "sub": ("written.py", "return tripled(x)  # library"),
    }


def test_a_model_of_torchs_modules_alone_has_no_line() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU())
    graph = capture(net, (torch.randn(2, 3),), {}).graph
    assert {source_place(node) for node in graph.nodes} == {None}


def test_torch_is_left_as_it_was(model: torch.nn.Module) -> None:
    before = PythonKeyTracer._filter_traceback_frames
    capture(model, (torch.randn(2, 3),), {})
    assert PythonKeyTracer._filter_traceback_frames is before

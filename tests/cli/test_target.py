"""Where a model comes from: files, modules, classes, arguments, and every mistake in them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from inline_snapshot import snapshot
from torch import nn

from mupfx.commands.target import arguments, literal, load
from mupfx.errors import TargetError

SOURCE = '''
"""A target."""
from dataclasses import dataclass

import torch
from torch import nn

import beside

@dataclass
class Config:
    width: "int" = 4

class Net(nn.Linear):
    def __init__(self, width: int = 4) -> None:
        super().__init__(3, width)

    @classmethod
    def wide(cls) -> "Net":
        return cls(beside.WIDE)

def small(width: int = 4, bias: bool = True):
    return nn.Linear(3, Config(width).width, bias=bias)

def with_args(width=4):
    return small(width), (torch.ones(2, 3),)

def with_kwargs():
    return small(), [torch.ones(2, 3)], {"a": 1}

def broken():
    raise ValueError("inside")

def nothing():
    return None

def pair():
    return 1, 2

made = small()
number = 3
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "zoo.py").write_text(SOURCE)
    (tmp_path / "beside.py").write_text("WIDE = 16\n")
    (tmp_path / "needy.py").write_text("import not_installed_anywhere\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize("place", ["zoo.py", "./zoo.py", "zoo"])
def test_function(folder: Path, place: str) -> None:
    example = load(f"{place}:small", {"width": 8, "bias": False})
    assert isinstance(example.model, nn.Linear)
    assert [tuple(p.shape) for p in example.model.parameters()] == [(8, 3)]
    assert (example.args, example.kwargs) == (None, {})


def test_file_elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert isinstance(load(f"{folder / 'zoo.py'}:Net.wide", {}).model, nn.Linear)


def test_class_and_method(folder: Path) -> None:
    assert load("zoo.py:Net", {"width": 5}).model.weight.shape == (5, 3)
    assert load("zoo.py:Net.wide", {}).model.weight.shape == (16, 3)


def test_model_itself(folder: Path) -> None:
    assert isinstance(load("zoo:made", {}).model, nn.Linear)


def test_example_inputs(folder: Path) -> None:
    positional = load("zoo:with_args", {})
    assert positional.args is not None
    assert torch.equal(positional.args[0], torch.ones(2, 3))
    both = load("zoo:with_kwargs", {})
    assert both.args is not None
    assert (len(both.args), both.kwargs) == (1, {"a": 1})


def test_own_errors_keep_their_traceback(folder: Path) -> None:
    with pytest.raises(ValueError, match="inside"):
        load("zoo:broken", {})
    with pytest.raises(ModuleNotFoundError, match="not_installed_anywhere"):
        load("needy:small", {})


ERRORS = snapshot(
    {
        "zoo": """\
`zoo` is no target
  expected: `package.module:callable`, `path/file.py:callable`, `hf:config.json` or `timm:name`\
""",
        "zoo:": """\
`zoo:` is no target
  expected: `package.module:callable`, `path/file.py:callable`, `hf:config.json` or `timm:name`\
""",
        ":small": """\
`:small` is no target
  expected: `package.module:callable`, `path/file.py:callable`, `hf:config.json` or `timm:name`\
""",
        "missing:small": """\
there is no module `missing`
  expected: `package.module:callable`, `path/file.py:callable`, `hf:config.json` or `timm:name`\
""",
        "missing.deep:small": """\
there is no module `missing`
  expected: `package.module:callable`, `path/file.py:callable`, `hf:config.json` or `timm:name`\
""",
        "missing.py:small": """\
there is no file `missing.py`
  expected: `package.module:callable`, `path/file.py:callable`, `hf:config.json` or `timm:name`\
""",
        "zoo:smol": """\
`zoo` has no `smol`
  hint: did you mean `small`?\
""",
        "zoo:nothing_like_it": """\
`zoo` has no `nothing_like_it`
  hint: did you mean `nothing`?\
""",
        "zoo:Net.wider": "`zoo` has no `Net.wider`",
        "zoo:number": """\
`zoo:number` cannot be called
  expected: a function or class that returns the model
  found: int\
""",
        "zoo:small {'widht': 8}": """\
`zoo:small` cannot be called so: got an unexpected keyword argument 'widht'
  expected: small(width: int = 4, bias: bool = True)
  hint: give each argument as --arg name=value\
""",
        "zoo:made {'width': 8}": "`zoo:made` is a model already and takes no arguments",
        "zoo:nothing": """\
`zoo:nothing` returned no model
  expected: a torch.nn.Module, or (model, args), or (model, args, kwargs)
  found: NoneType\
""",
        "zoo:pair": """\
`zoo:pair` returned no model
  expected: a torch.nn.Module, or (model, args), or (model, args, kwargs)
  found: (int, int)\
""",
    }
)


@pytest.mark.parametrize(
    ("target", "given"),
    [
        ("zoo", {}),
        ("zoo:", {}),
        (":small", {}),
        ("missing:small", {}),
        ("missing.deep:small", {}),
        ("missing.py:small", {}),
        ("zoo:smol", {}),
        ("zoo:nothing_like_it", {}),
        ("zoo:Net.wider", {}),
        ("zoo:number", {}),
        ("zoo:small", {"widht": 8}),
        ("zoo:made", {"width": 8}),
        ("zoo:nothing", {}),
        ("zoo:pair", {}),
    ],
)
def test_errors(folder: Path, target: str, given: dict[str, int]) -> None:
    with pytest.raises(TargetError) as error:
        load(target, given)
    assert str(error.value) == ERRORS[f"{target} {given or ''}".strip()]


def test_arguments() -> None:
    given = ["width=256", "lr=1e-3", "name=gpt", "sizes=[1, 2]", "flag=True", "empty=", "e=a=b"]
    assert arguments(given) == {
        "width": 256,
        "lr": 1e-3,
        "name": "gpt",
        "sizes": [1, 2],
        "flag": True,
        "empty": "",
        "e": "a=b",
    }


@pytest.mark.parametrize("given", [["width"], ["=3"], ["wi dth=3"], ["a=1", "a=2"]])
def test_arguments_that_are_none(given: list[str]) -> None:
    with pytest.raises(TargetError):
        arguments(given)


def test_literals_run_nothing() -> None:
    assert literal("__import__('os')") == "__import__('os')"
    assert literal("None") is None

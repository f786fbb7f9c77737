"""The repository's shape: the link, the guard against a second copy, names at the top level."""

import importlib
from pathlib import Path

import pytest

import mupfx

ROOT = Path(__file__).parents[2]
TOP_LEVEL = {"README.md", "mupfx", "passes", "pyproject.toml", "tests", "tools"}
LEFT_BY_TOOLS = {"__pycache__", "build", "dist"}


def test_passes_are_linked_into_the_package() -> None:
    link = ROOT / "mupfx" / "passes"
    assert link.is_symlink()
    assert link.readlink() == Path("../passes")


def test_a_second_copy_of_the_passes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    with pytest.raises(ImportError, match=r"import mupfx\.passes, not passes"):
        importlib.import_module("passes")


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(mupfx.__file__).parent / "py.typed").is_file()


def test_nothing_else_stands_at_the_top_level() -> None:
    names = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert names - LEFT_BY_TOOLS == TOP_LEVEL

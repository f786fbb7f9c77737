"""Wheel and source distribution hold the passes as plain files; a lost link is refused."""

import shutil
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]


def modules(folder: Path) -> set[str]:
    """Every module of the package, by its path from the folder that holds the package."""
    return {path.relative_to(folder).as_posix() for path in python_files(folder / "mupfx")}


def python_in(archive: Iterable[str]) -> set[str]:
    """Names of Python files in an archive."""
    return {name for name in archive if name.endswith(".py")}


def templates(archive: Iterable[str]) -> set[str]:
    """Names of what pages are made of in an archive."""
    return {name for name in archive if "/templates/" in name}


def python_files(folder: Path) -> list[Path]:
    """Python files below a folder, links followed."""
    here = [path for path in folder.iterdir() if path.suffix == ".py"]
    return here + [f for path in folder.iterdir() if path.is_dir() for f in python_files(path)]


def build(builder: type[WheelBuilder | SdistBuilder], root: Path, out: Path) -> Path:
    """Run a builder of the build backend."""
    (artifact,) = builder(str(root)).build(directory=str(out), versions=["standard"])
    return Path(artifact)


def test_the_wheel_holds_every_module(tmp_path: Path) -> None:
    with zipfile.ZipFile(build(WheelBuilder, ROOT, tmp_path)) as wheel:
        names = set(wheel.namelist())
    assert python_in(names) == modules(ROOT)
    assert "mupfx/passes/__init__.py" in names
    assert "mupfx/py.typed" in names
    assert templates(names) == {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "mupfx" / "render").rglob("templates/*")
    }
    assert {name.split("/")[0] for name in names} == {"mupfx", "mupfx-0.1.0.dist-info"}


def test_the_source_distribution_builds_the_same_wheel(tmp_path: Path) -> None:
    with tarfile.open(build(SdistBuilder, ROOT, tmp_path / "sdist")) as archive:
        archive.extractall(tmp_path, filter="data")
    with zipfile.ZipFile(build(WheelBuilder, tmp_path / "mupfx-0.1.0", tmp_path)) as wheel:
        assert python_in(wheel.namelist()) == modules(ROOT)


@pytest.mark.parametrize("version", ["standard", "editable"])
def test_a_checkout_without_the_link_is_refused(tmp_path: Path, version: str) -> None:
    for name in ("pyproject.toml", "README.md", "tools/build_hook.py", "mupfx/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "mupfx" / "passes").write_text("../passes")
    with pytest.raises(RuntimeError, match=r"core\.symlinks=true"):
        next(WheelBuilder(str(tmp_path)).build(directory=str(tmp_path), versions=[version]))

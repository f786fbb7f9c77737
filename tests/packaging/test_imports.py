"""What ``import mupfx`` brings in, and what it does not."""

import inspect
import subprocess
import sys

import pytest

import mupfx
from mupfx import errors

HEAVY = ("numpy", "rich", "safetensors", "torch", "transformers", "typer")


def loaded_after(statement: str) -> set[str]:
    """Those of the heavy modules that a fresh interpreter holds after a statement."""
    code = f"import sys; {statement}; print(*({set(HEAVY)!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_imports_no_torch() -> None:
    assert loaded_after("import mupfx; dir(mupfx); mupfx.MupfxError") == set()


def test_the_facade_imports_torch_alone() -> None:
    assert loaded_after("import mupfx; mupfx.convert") - {"numpy"} == {"torch"}


def test_star_import_brings_public_names_alone() -> None:
    namespace: dict[str, object] = {}
    exec("from mupfx import *", namespace)  # noqa: S102
    assert set(namespace) - {"__builtins__"} == set(mupfx.__all__)


@pytest.mark.parametrize("name", mupfx.__all__)
def test_public_names_are_the_things_of_that_name(name: str) -> None:
    value = getattr(mupfx, name)
    assert name in {"__version__", getattr(value, "__name__", None)}
    assert name in dir(mupfx)


def test_every_error_is_public() -> None:
    defined = {
        name
        for name, value in inspect.getmembers(errors, inspect.isclass)
        if value.__module__ == errors.__name__
    }
    assert defined <= set(mupfx.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    name = "convertt"
    with pytest.raises(AttributeError, match="module 'mupfx' has no attribute 'convertt'"):
        getattr(mupfx, name)

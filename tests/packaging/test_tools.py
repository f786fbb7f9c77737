"""The contributors' scripts do what their help says."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script of ``tools`` from a folder that is not the repository's."""
    command = [sys.executable, str(ROOT / "tools" / name), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT.parent)


def test_size_lists_every_file_once() -> None:
    done = tool("size.py", "--all")
    listed = [line.split() for line in done.stdout.splitlines()[:-2]]
    names = [name for _, name in listed]
    assert len(set(names)) == len(names)
    assert {"mupfx/__init__.py", "passes/__init__.py"} <= set(names)
    length = (ROOT / "passes" / "__init__.py").read_text().count("\n")
    assert [str(length), "passes/__init__.py"] in listed


def test_dev_passes_on_what_follows_the_dashes() -> None:
    done = tool("dev.py", "size", "--", "--all")
    assert done.returncode == 0
    assert "mupfx/__init__.py" in done.stdout


def test_dev_stops_at_the_first_failure() -> None:
    done = tool("dev.py", "size", "size", "--", "--nonsense")
    assert done.returncode == 2
    assert done.stdout.count("tools/size.py") == 1


def test_dev_refuses_a_command_that_it_does_not_have() -> None:
    done = tool("dev.py", "tset")
    assert done.returncode == 2
    assert "invalid choice: 'tset'" in done.stderr


@pytest.mark.slow
def test_scaling_says_what_holds() -> None:
    done = tool("bench/scaling.py", "--layers", "1", "2", "--repeats", "1")
    assert "capture is linear: slope" in done.stdout
    assert "find_streams" in done.stdout
    assert done.returncode == ("not as claimed" in done.stdout)

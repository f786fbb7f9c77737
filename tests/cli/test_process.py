"""The command line as a process: streams, status, and what it imports."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = """
import torch

def build(width=8):
    return torch.nn.Sequential(torch.nn.Linear(3, width), torch.nn.Linear(width, 2))
"""


def mupfx(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mupfx", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_module_of_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SOURCE)
    done = mupfx("inspect", "mine:build", "--input", "float32[2,3]", "--json", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["parameters"]["0.weight"]["role"] == "input"


def test_an_error_is_on_stderr_alone(tmp_path: Path) -> None:
    done = mupfx("inspect", "nowhere:build", folder=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("TargetError: there is no module `nowhere`")
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("module", ["mupfx.cli", "mupfx.commands.explain"])
def test_help_and_plans_need_no_torch(tmp_path: Path, module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False)
    assert done.returncode == 0

"""As GitHub runs it: a repository's own workflow, on a model that is right, and with a line broken.

``sample/`` is the repository: a GPT ported to muP by hand, a configured check, and a workflow whose
steps run here as they stand, but for those that are GitHub's own.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLE = Path(__file__).parent / "sample"
WORKFLOW = ".github/workflows/mup.yml"
PYTHON = f"'{sys.executable}'"


@dataclass(frozen=True)
class Break:
    """One line of the forward pass, changed."""

    before: str
    after: str
    code: str


BROKEN = {
    "readout not divided by the multiplier": Break(" / self.multiplier", "", "MUP012"),
    "attention scaled by 1/sqrt(d)": Break("/ q.shape[-1]", "/ q.shape[-1] ** 0.5", "MUP004"),
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The sample, checked out into a folder of its own."""
    folder = tmp_path / "checkout"
    shutil.copytree(SAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".git").mkdir()
    return folder


def steps(folder: Path) -> list[str]:
    """Commands of the workflow, in order."""
    return re.findall(r"^\s+- run: (.+)$", (folder / WORKFLOW).read_text(), re.MULTILINE)


def installed(folder: Path) -> dict[str, str]:
    """An environment in which ``mupfx`` is a command, as after the workflow's first step."""
    binaries = folder.parent / "bin"
    binaries.mkdir()
    command = binaries / "mupfx"
    command.write_text(f'#!/bin/sh\nexec {PYTHON} -m mupfx "$@"\n')
    command.chmod(0o755)
    return environment(binaries) | {"PYTHONPATH": str(ROOT)}


def environment(binaries: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
    threads = os.environ.get("OMP_NUM_THREADS", "1")
    github = {"CI": "true", "GITHUB_ACTIONS": "true"}
    return {**kept, "PATH": path, "OMP_NUM_THREADS": threads, **github}


def run(command: str, folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """One step, by the shell that GitHub uses."""
    return subprocess.run(
        ["bash", "-e", "-c", command],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def broken(folder: Path, change: Break) -> int:
    """Change the line, and say which it is."""
    model = folder / "gpt.py"
    lines = model.read_text().splitlines()
    (at,) = (at for at, line in enumerate(lines) if change.before in line)
    lines[at] = lines[at].replace(change.before, change.after)
    model.write_text("\n".join(lines) + "\n")
    return at + 1


def annotations(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if line.startswith("::error ")]


def locations(folder: Path) -> list[tuple[str, str, int]]:
    """Rule, file and line of each result that would be uploaded."""
    (log,) = json.loads((folder / "mup.sarif").read_text())["runs"]
    places = [
        (r["ruleId"], r["locations"][0]["physicalLocation"])
        for r in log["results"]
        if r["level"] == "error"
    ]
    return [(rule, p["artifactLocation"]["uri"], p["region"]["startLine"]) for rule, p in places]


def check_breaks(change: Break, folder: Path, command: str, env: dict[str, str]) -> None:
    """The step fails, and says so at the broken line and nowhere else."""
    line = broken(folder, change)
    done = run(command, folder, env)
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("FAIL gpt")
    (annotation,) = annotations(done.stdout)
    assert annotation.startswith(f"::error file=gpt.py,line={line},title={change.code} ")
    assert set(locations(folder)) == {(change.code, "gpt.py", line)}


def check_passes(folder: Path, command: str, env: dict[str, str]) -> None:
    done = run(command, folder, env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("PASS gpt")
    assert annotations(done.stdout) == []
    assert locations(folder) == []


def test_the_workflow_installs_then_checks() -> None:
    install, check = steps(SAMPLE)
    assert install == "pip install mupfx"
    assert check.startswith("mupfx check ")


def test_a_good_model_passes(repository: Path) -> None:
    check_passes(repository, steps(repository)[1], installed(repository))


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_line_is_annotated(name: str, repository: Path) -> None:
    check_breaks(BROKEN[name], repository, steps(repository)[1], installed(repository))


@pytest.mark.slow
def test_in_an_environment_of_its_own(repository: Path) -> None:
    venv = repository.parent / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    env = environment(venv / "bin")
    install, command = steps(repository)
    here = f"pip install -qq -c '{ROOT}/tools/constraints.txt' '{ROOT}'"
    done = run(install.replace("pip install mupfx", here), repository, env)
    assert done.returncode == 0, done.stderr
    check_passes(repository, command, env)
    check_breaks(BROKEN["readout not divided by the multiplier"], repository, command, env)

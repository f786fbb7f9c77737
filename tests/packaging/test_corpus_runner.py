"""The corpus runner: what it counts, and that no model can stop it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

CORPUS = """
import os, time
import torch
from torch import nn

EXPECTED = {
    "0.weight": ([0], "input", [], [0]), "0.bias": ([0], "vector", [], [0]),
    "2.weight": ([0, 1], "hidden", [1], [0]), "2.bias": ([0], "vector", [], [0]),
    "4.weight": ([1], "output", [1], []), "4.bias": ([], "scalar", [], []),
}

class Broken(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.act, self.weight = act, nn.Parameter(torch.ones(2))
    def forward(self, x):
        self.act()
        return x * self.weight

def names():
    return ["good/mlp", "good/other_truth", "bad/raises", "bad/dies", "bad/hangs", "bad/base"]

def build(name, scale=1, mode=None):
    if name.startswith("good/") or name == "bad/base":
        n, act = 8 * scale, nn.Tanh() if name == "bad/base" and scale > 1 else nn.ReLU()
        layers = nn.Linear(3, n), act, nn.Linear(n, n), nn.ReLU(), nn.Linear(n, 2)
        return nn.Sequential(*layers), (torch.ones(1, 3),), {}
    acts = {"raises": lambda: 1 / 0, "dies": lambda: os._exit(3), "hangs": lambda: time.sleep(99)}
    return Broken(acts[name[4:]]), (torch.ones(2),), {}

def truth(name):
    return {"canon": "w", "params": {p: {"used": True} for p in EXPECTED}}

def compare(name, inspected, mode=None):
    found = []
    for p, (axes, role, fan_in, fan_out) in EXPECTED.items():
        got = inspected["parameters"][p]
        flag = "" if got["status"] == "certain" else got["status"] + " "
        want = "output" if (name, p) == ("good/other_truth", "2.weight") else role
        if got["role"] != want:
            found.append((p, flag + "role", got["role"], want))
    return found
"""


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "zoo.py").write_text(CORPUS)
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The tool on the corpus, with its records in ``out.jsonl``."""
    out = str(folder / "out.jsonl")
    tool = [sys.executable, str(ROOT / "tools" / "zoo.py"), str(folder / "corpus"), "--out", out]
    return subprocess.run(
        [*tool, *arguments], capture_output=True, text=True, check=False, cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip


def records(folder: Path) -> dict[str, dict[str, object]]:
    lines = (folder / "out.jsonl").read_text().splitlines()
    return {record["name"]: record for record in map(json.loads, lines)}


@pytest.mark.slow
def test_counts_and_survives(corpus: Path) -> None:
    done = run(corpus, "--limit", "15", "--models")
    assert done.returncode == 1, done.stderr
    found = records(corpus)
    counts = {"right": 6, "certain": 3, "wrong": 0, "assumed": 0, "unknown": 0, "misses": []}
    assert found["good/mlp"]["alone"] == counts | {"certain": 4}
    assert found["good/mlp"]["base"] == counts | {"certain": 6}
    assert found["good/mlp"]["capture"] == "export"
    missed = {"right": 5, "wrong": 1, "misses": ["2.weight: role, hidden for output"]}
    assert found["good/other_truth"]["base"] == counts | missed | {"certain": 5}
    assert "ZeroDivisionError" in str(found["bad/raises"]["error"])
    assert found["bad/dies"]["error"] == "exit code 3"
    assert "BaseError" in str(found["bad/base"]["error"])
    assert found["bad/base"]["alone"] == counts | {"certain": 4}
    assert found["bad/hangs"]["error"] == "more than 15 s"
    assert "good/other_truth, base: 2.weight: role, hidden for output" in done.stdout


def test_goes_on_where_it_was_and_compares(corpus: Path) -> None:
    assert run(corpus, "--only", "good/mlp").returncode == 0
    before = (corpus / "out.jsonl").read_text()
    old = json.loads(before)
    old["base"]["right"] = 5
    (corpus / "old.jsonl").write_text(json.dumps(old))
    done = run(corpus, "--only", "good/mlp", "--compare", str(corpus / "old.jsonl"))
    assert "good/mlp: base right 5 -> 6" in done.stdout
    assert (corpus / "out.jsonl").read_text() == before

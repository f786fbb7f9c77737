"""``mupfx.emit``: what it writes starts a model as ``mupfx.init_`` and ``mupfx.build`` do."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import run
from sys import executable

import pytest
import torch
from torch import Tensor, nn

import mupfx
from mupfx.kernels import normal
from tests.exports.standalone import imported, same

TOKENS = torch.tensor([[1, 5, 3], [0, 0, 2]])


class Net(nn.Module):
    """Padding, a tie, a cut normal law, and one that was multiplied."""

    def __init__(self, width: int, *, tied: bool = True) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, width, padding_idx=3)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 11, bias=False)
        if tied:
            self.head.weight = self.embed.weight
        nn.init.trunc_normal_(self.up.weight, std=0.02, a=-0.04, b=0.04)
        with torch.no_grad():
            self.down.weight.mul_(0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        found: Tensor = self.head(self.norm(x + self.down(torch.relu(self.up(x)))))
        return found


def written(model: nn.Module, folder: Path) -> dict[str, Tensor]:
    """What the program makes of a seed."""
    files = mupfx.emit(model, folder)
    assert [path.name for path in files] == ["init_kernels.py", "plan.json", "param_groups.json"]
    found: dict[str, Tensor] = imported(files[0]).state_dict(seed=7)
    return found


def values(model: nn.Module) -> dict[str, Tensor]:
    named = model.named_parameters(remove_duplicate=False)
    return {name: parameter.detach() for name, parameter in named}


def in_order(found: dict[str, Tensor], like: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: found[name] for name in like} if found.keys() == like.keys() else found


def test_of_a_model_without_memory(tmp_path: Path) -> None:
    model = mupfx.build(Net, TOKENS, base={"width": 8}, device="meta", width=32)
    expected = values(mupfx.build(Net, TOKENS, base={"width": 8}, seed=7, width=32))
    assert same(in_order(written(model, tmp_path), expected), expected)
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert plan == mupfx.plan(model).to_dict()
    assert json.loads((tmp_path / "param_groups.json").read_text())["plan"] == plan["hash"]


def recorded() -> nn.Module:
    return mupfx.convert(
        lambda: Net(32, tied=False), TOKENS, base=lambda: Net(8, tied=False)
    ).bfloat16()


def recognised() -> nn.Module:
    model = nn.Sequential(nn.Linear(3, 64), nn.ReLU(), nn.Linear(64, 64), nn.Linear(64, 2))
    return mupfx.convert(model, torch.ones(1, 3), base=8).half()


@pytest.mark.parametrize("made", [recorded, recognised])
def test_of_a_converted_model(made: Callable[[], nn.Module], tmp_path: Path) -> None:
    model = made()
    found = written(model, tmp_path)
    expected = values(mupfx.init_(model, seed=7))
    assert same(in_order(found, expected), expected)
    assert {tensor.dtype for tensor in found.values()} == {next(model.parameters()).dtype}


def test_it_fills_a_model_that_mupfx_never_saw(tmp_path: Path) -> None:
    model = mupfx.build(Net, TOKENS, base={"width": 8}, device="meta", width=32)
    script = tmp_path / "train.py"
    script.write_text(
        "import sys, torch\nsys.modules['mupfx'] = None\nimport init_kernels\n"
        "model = torch.nn.ModuleDict({'embed': torch.nn.Embedding(11, 32)})\n"
        "model['up'], model['down'] = torch.nn.Linear(32, 64), torch.nn.Linear(64, 32)\n"
        "model['norm'], model['head'] = torch.nn.LayerNorm(32), torch.nn.Linear(32, 11, bias=False)\n"
        "model['head'].weight = model['embed'].weight\n"
        "init_kernels.init_(model, seed=7)\n"
        "torch.save(dict(model.named_parameters(remove_duplicate=False)), 'start.pt')\n"
    )
    mupfx.emit(model, tmp_path)
    run([executable, str(script)], cwd=tmp_path, check=True)
    expected = values(mupfx.build(Net, TOKENS, base={"width": 8}, seed=7, width=32))
    found = {name: p.detach() for name, p in torch.load(tmp_path / "start.pt").items()}
    assert same(in_order(found, expected), expected)


def test_it_says_what_no_value_carries(tmp_path: Path) -> None:
    tied = mupfx.build(Net, TOKENS, base={"width": 8}, device="meta", width=32)
    text = mupfx.emit(tied, tmp_path)[0].read_text()
    assert "Nor is what the model itself has to multiply" in text
    assert "head: input * 0.25\n" in text
    gauged = mupfx.build(
        Net, TOKENS, base={"width": 8}, device="meta", gauge="mup", width=32, tied=False
    )
    text = mupfx.emit(gauged, tmp_path)[0].read_text()
    assert "\n    head.weight: times 0.25 wherever it is read\n" in text
    plain = mupfx.build(Net, TOKENS, base={"width": 8}, device="meta", width=32, tied=False)
    assert "Nor is" not in mupfx.emit(plain, tmp_path)[0].read_text()


class Turned(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, width), nn.Linear(width, 2)
        nn.init.orthogonal_(self.last.weight)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.last(torch.relu(self.first(x)))
        return found


def test_laws_by_hand(tmp_path: Path) -> None:
    model = mupfx.build(Turned, torch.ones(1, 3), base={"width": 8}, device="meta", width=32)
    with pytest.raises(mupfx.InitError, match=r"'last\.weight' is not drawn by a law") as caught:
        mupfx.emit(model, tmp_path / "none")
    assert "hint: laws={'last.weight': mupfx.kernels.normal(std)}" in str(caught.value)
    assert not (tmp_path / "none").exists()
    mupfx.emit(model, tmp_path, laws={"last.weight": normal(0.125)})
    found = imported(tmp_path / "init_kernels.py").state_dict(seed=7)
    expected = mupfx.build(Turned, torch.ones(1, 3), base={"width": 8}, width=32)
    mupfx.init_(expected, seed=7, laws={"last.weight": normal(0.125)})
    assert same(found, values(expected))


def test_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(mupfx.PlanError, match="was not converted"):
        mupfx.emit(Net(8), tmp_path)
    (tmp_path / "file").write_text("")
    model = mupfx.build(Net, TOKENS, base={"width": 8}, device="meta", width=32)
    with pytest.raises(mupfx.ExportError, match="cannot write"):
        mupfx.emit(model, tmp_path / "file")

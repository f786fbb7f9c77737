"""The program of starting values: alone, bit for bit the library's, and for its model only."""

import ast
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn
from torch.distributed.tensor import Shard

from mupfx.kernels.spec import VERSION
from tests.exports.standalone import ROWS, SEED, TIED, imported, printed, same, wanted, written
from tests.kernels.spread import here, process, spread


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("written"))


@pytest.fixture(scope="module")
def program(path: Path) -> ModuleType:
    return imported(path)


def test_a_process_without_mupfx_writes_the_librarys_values(path: Path) -> None:
    assert same(printed(path, "start.pt", "--seed", str(SEED)), wanted())


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float8_e5m2", None])
def test_every_dtype(program: ModuleType, dtype: str | None) -> None:
    assert same(program.state_dict(seed=SEED, dtype=dtype), wanted(dtype))
    nested = program.state_dict(seed=SEED, dtype=dtype, nested=True)
    assert same(nested, wanted(dtype, nested=True))
    assert not same(nested, wanted(dtype))


def test_it_imports_nothing_of_mupfx(path: Path) -> None:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module))
    assert {name for name in found if "mupfx" in name} == set()
    assert {"torch", "triton", "hashlib"} <= found


def test_it_says_what_it_is(path: Path, program: ModuleType) -> None:
    text = path.read_text()
    assert f"generator  {VERSION}\n" in text
    assert f"table      {program.HASH}\n" in text
    assert "    'embed.weight': ((11, 6), 'float32', ('normal', 0.5, 0.0)" in text
    assert "  # input: normal(0, 0.5)\n" in text
    assert ">>>" not in text
    assert "noqa" not in text


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        for name, row in ROWS.items():
            owner, _, own = name.rpartition(".")
            if owner and not hasattr(self, owner):
                self.add_module(owner, nn.Module())
            value = torch.zeros(row.start.shape, dtype=getattr(torch, row.dtype))
            self.get_submodule(owner).register_parameter(own, nn.Parameter(value))
        self.head = nn.Module()
        self.head.register_parameter("weight", dict(self.named_parameters())["embed.weight"])


def test_a_model_and_its_wrappers(program: ModuleType) -> None:
    model, expected = Net(), wanted()
    program.init_(nn.DataParallel(model), seed=SEED)
    found = {name: p.detach() for name, p in model.named_parameters(remove_duplicate=False)}
    assert same({name: found[name] for name in expected}, expected)


def test_ties_that_were_cut_start_alike(program: ModuleType) -> None:
    model = Net()
    model.head.register_parameter("weight", nn.Parameter(torch.ones(11, 6)))
    program.init_(model, seed=SEED)
    found = dict(model.named_parameters())
    assert torch.equal(found["head.weight"], found["embed.weight"])


def test_a_share_of_each(program: ModuleType) -> None:
    spread_out = {n: t for n, t in wanted("float32").items() if t.dim() and n not in TIED}
    for rank in range(3):
        with process(rank, (3,)) as mesh:
            mine: dict[str, Any] = {
                n: spread(torch.zeros_like(t), mesh, [Shard(t.dim() - 1)])
                for n, t in spread_out.items()
            }
            program.init_({**mine, "scale": torch.zeros(())}, seed=SEED)
            for name, tensor in spread_out.items():
                share = here(spread(tensor, mesh, [Shard(tensor.dim() - 1)]))
                assert torch.equal(here(mine[name]), share)


def test_another_model_is_refused(program: ModuleType) -> None:
    values = program.state_dict(seed=0)
    with pytest.raises(program.InitError, match="only here or only there: extra"):
        program.init_({**values, "extra": torch.zeros(1)}, seed=0)
    with pytest.raises(program.InitError, match=r"where: up\.bias\n  expected: \(7,\)"):
        program.init_({**values, "up.bias": torch.zeros(8)}, seed=0)
    with pytest.raises(program.InitError, match="a seed is an integer of 64 bits"):
        program.init_(values, seed=-1)


@pytest.fixture
def edited(path: Path, tmp_path: Path) -> ModuleType:
    text = path.read_text().replace("('normal', 0.5, 0.0)", "('normal', 0.25, 0.0)", 1)
    (tmp_path / "edited.py").write_text(text)
    return imported(tmp_path / "edited.py")


def test_a_changed_table_is_refused(edited: ModuleType) -> None:
    with pytest.raises(edited.InitError, match="the table was changed") as caught:
        edited.state_dict(seed=0)
    edited.HASH = caught.value.found  # type: ignore[attr-defined]
    assert edited.state_dict(seed=0)["embed.weight"].std() < 0.3

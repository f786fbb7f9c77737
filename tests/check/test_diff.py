"""``mupfx diff``: what a change did to a plan."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from inline_snapshot import snapshot
from torch import Tensor, nn

import mupfx
from mupfx.core.plan import Plan
from mupfx.core.vocabulary import Role
from tests.check.targets import net
from tests.cli.terminal import printed, refused, run


class Blocks(nn.Module):
    """Two layers that are alike, and a readout that may be tied to what is looked up."""

    def __init__(self, width: int, *, tied: bool = False, bias: bool = False) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, width)
        self.layers = nn.ModuleList(nn.Linear(width, width, bias=bias) for _ in range(2))
        self.head = nn.Linear(width, 11, bias=False)
        if tied:
            self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        for layer in self.layers:
            x = torch.tanh(layer(x))
        out: Tensor = self.head(x)
        return out


def plan(
    make: Callable[[int], nn.Module], *, width: int = 32, base: int = 8, **options: Any
) -> Plan:
    torch.manual_seed(0)
    model = make(width)
    inputs = torch.zeros(2, 3, dtype=torch.int64) if isinstance(model, Blocks) else torch.ones(2, 8)
    return mupfx.plan(mupfx.convert(model, inputs, base=make(base), **options))


def written(path: Path, made: Plan) -> str:
    path.write_text(json.dumps(made.to_dict()))
    return str(path)


def files(folder: Path, old: Plan, new: Plan) -> tuple[str, str]:
    return written(folder / "old.json", old), written(folder / "new.json", new)


def test_the_same_plan(tmp_path: Path) -> None:
    old, new = plan(net), plan(net)
    assert mupfx.diff(old, new) == ()
    assert printed("diff", *files(tmp_path, old, new)) == snapshot("""\
diff
  the plans are the same
""")


def differs(folder: Path, old: Plan, new: Plan, *options: str) -> str:
    result = run("diff", *files(folder, old, new), *options)
    assert (result.exit_code, result.stderr) == (1, "")
    return result.stdout


def test_a_wider_model(tmp_path: Path) -> None:
    text = differs(tmp_path, plan(net, width=16), plan(net, width=32))
    assert text == snapshot("""\
diff: 13 changes
  where         what           old                       new
  plan          base classes   c0: ratio 2, c2: ratio 2  c0: ratio 4, c2: ratio 4
  0.weight      shape          16 x 8                    32 x 8
  {0,2}.weight  fan-out ratio  2                         4
  {0,2}.bias    shape          16                        32
  {0,2}.bias    fan-out ratio  2                         4
  2.weight      shape          16 x 16                   32 x 32
  {2,4}.weight  fan-in ratio   2                         4
  4.weight      shape          16 x 16                   16 x 32
  4.bias        init factor    1.414                     2
""")


def test_layers_that_changed_alike_are_one(tmp_path: Path) -> None:
    old, new = plan(Blocks), plan(lambda width: Blocks(width, bias=True))
    assert differs(tmp_path, old, new) == snapshot("""\
diff: 2 changes
  where              what      old  new
  layers.{0,1}.bias  appeared  -    vector
""")
    assert "layers.1.bias" in differs(tmp_path, old, new, "--all")


def test_a_readout_that_is_tied(tmp_path: Path) -> None:
    text = differs(tmp_path, plan(Blocks), plan(lambda width: Blocks(width, tied=True)))
    assert text == snapshot("""\
diff: 4 changes
  where                  what          old                                    new
  plan                   base classes  c1: ratio 4, c2: ratio 4, c3: ratio 4  c1: ratio 4, c2: ratio 4
  embed.weight           tied to       -                                      head.weight
  tied_readout:linear_2  appeared      -                                      fan_in^-1 (0.25)
  head.weight            vanished      output                                 -
""")


def test_another_parametrization() -> None:
    found = mupfx.diff(plan(net), plan(net, parametrization="sp"))
    told = {(c.where, c.what): (c.old, c.new) for c in found}
    assert told["plan", "parametrization"] == ("mup", "sp")
    assert told["4.weight", "init std"] == ("fan_in^-1 (0.25)", "1")
    rates = {c.where: (c.old, c.new) for c in found if c.what[:3] == "lr " and "adamw" in c.what}
    assert rates == dict.fromkeys(["2.weight", "4.weight"], ("fan_in^-1 (0.25)", "1"))


def test_as_data(tmp_path: Path) -> None:
    old, new = plan(Blocks), plan(lambda width: Blocks(width, bias=True))
    data = json.loads(differs(tmp_path, old, new, "--json"))
    assert data["same"] is False
    assert data["changes"][0] == snapshot(
        {"where": "layers.0.bias", "what": "appeared", "old": None, "new": "vector"}
    )
    back = json.loads(differs(tmp_path, new, old, "--json"))
    gone = [c["where"] for c in back["changes"] if c["what"] == "vanished"]
    assert gone == ["layers.0.bias", "layers.1.bias"]


def test_every_property_that_changes_is_told() -> None:
    """Break a number on purpose, wherever it stands."""
    old = plan(Blocks)
    row = old.parameters["head.weight"]
    adamw = row.optimizers["adamw"]
    broken = (
        replace(row, role=Role.HIDDEN),
        replace(row, multiplier=3.0),
        replace(row, branch="b7"),
        replace(row, source="?"),
        replace(row, init=replace(row.init, law="zeros")),
        replace(row, optimizers={**row.optimizers, "adamw": replace(adamw, lr=0.3)}),
        replace(row, optimizers={**row.optimizers, "adamw": replace(adamw, weight_decay=None)}),
    )
    for changed in broken:
        new = replace(old, parameters={**old.parameters, "head.weight": changed})
        (found,) = mupfx.diff(old, new)
        assert found.where == "head.weight"
        assert found.old != found.new


@pytest.mark.parametrize("text", [None, "", "{}", '{"schema": 1}'])
def test_a_file_that_holds_no_plan_is_wrong_usage(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "broken.json"
    if text is not None:
        path.write_text(text)
    good = written(tmp_path / "good.json", plan(net))
    assert "TargetError" in refused("diff", good, str(path), code=3)

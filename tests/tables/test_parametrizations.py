"""The rules of each table, and looking a table up."""

import pytest
import torch
from inline_snapshot import snapshot
from torch import nn

import mupfx
from mupfx.core.parametrization import Parametrization
from mupfx.core.power import ONE, Power
from mupfx.core.vocabulary import Role
from mupfx.tables.mup import MUP
from mupfx.tables.parametrizations import PARAMETRIZATIONS, parametrization
from mupfx.tables.sp import SP


def printed(table: Parametrization) -> dict[str, str]:
    return {
        role.value: f"{rule.init_std} | {rule.lr_adam} | {rule.lr_sgd} | {rule.gradient}"
        for role, rule in table.rules.items()
    }


def test_mup() -> None:
    assert printed(MUP) == snapshot(
        {
            "input": "1 | 1 | fan_out^1 | fan_out^-1",
            "hidden": "fan_in^-1/2 | fan_in^-1 | fan_in^-1 fan_out^1 | fan_out^-1",
            "output": "fan_in^-1 | fan_in^-1 | fan_in^-1 | 1",
            "vector": "1 | 1 | fan_out^1 | fan_out^-1",
            "scalar": "1 | 1 | 1 | 1",
        }
    )
    assert MUP.rules[Role.HIDDEN].contraction == Power.of(fan_out="1/2", fan_in="-1/2")
    assert MUP.attention == Power.of(head_dim="-1/2")
    assert MUP.tied_readout == Power.of(fan_in=-1)


def test_sp_changes_nothing() -> None:
    for rule in SP.rules.values():
        assert (rule.init_std, rule.lr_adam, rule.lr_sgd, rule.contraction) == (ONE, ONE, ONE, None)
    assert (SP.attention, SP.tied_readout) == (ONE, ONE)


@pytest.mark.parametrize("std", [None, 0.02])
def test_converting_to_sp_leaves_every_value(std: float | None) -> None:
    """Whether a model's own std falls with its width or not."""
    net = nn.Sequential(nn.Linear(8, 256), nn.ReLU(), nn.Linear(256, 256), nn.Linear(256, 4))
    if std is not None:
        for weight in net.parameters():
            nn.init.normal_(weight, 0, std)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    mupfx.convert(net, torch.ones(1, 8), base=64, parametrization="sp")
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    for row in mupfx.plan(net).parameters.values():
        factors = row.optimizers["adamw"]
        assert (row.multiplier, factors.lr, factors.weight_decay, factors.eps) == (1, 1, 1, 1)


@pytest.mark.parametrize("name", PARAMETRIZATIONS)
def test_every_table_is_complete_and_says_its_source(name: str) -> None:
    table = PARAMETRIZATIONS[name]
    assert table.name == name
    assert set(table.rules) == set(Role)
    cited = [table.source, table.attention_source, table.tied_readout_source]
    cited += [rule.source for rule in table.rules.values()]
    assert all(cited)


def test_lookup() -> None:
    assert parametrization("mup") is MUP
    own = Parametrization("own", "a note", {})
    assert parametrization(own) is own

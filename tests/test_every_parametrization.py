"""Whatever the table: nothing changes at the base, plans survive, every number obeys the identities.

The model is the demo's GPT, at the width of its base and twice that, with a bias on its readout.
"""

from fractions import Fraction

import pytest
import torch
from torch import Tensor, nn

import mupfx
from mupfx.core.axes import ParameterRole, Use
from mupfx.core.base import Ratios
from mupfx.core.vocabulary import Role, Status
from mupfx.demo.gpt import GPT, VOCABULARY
from mupfx.passes.assign import assign
from mupfx.tables.optimizers import FAMILIES
from mupfx.tables.parametrizations import one_of_each

TABLES = {table.name: table for table in one_of_each()}
OF_ANY_NET = [name for name, table in TABLES.items() if table.plain is None]
"""Tables that are not for nets without residual branches alone."""
GROWN = ((4, 4, 2), (16, 4, 3), (2, 6, 8), (Fraction(1, 4), Fraction(1, 2), Fraction(1, 2)))
"""Ratios of fan-in, fan-out and depth."""


def net(width: int) -> GPT:
    torch.manual_seed(0)
    gpt = GPT(width)
    gpt.head = nn.Linear(width, VOCABULARY)
    return gpt


def tokens() -> Tensor:
    return torch.arange(16).view(2, 8)


@pytest.mark.parametrize("name", OF_ANY_NET)
def test_at_the_base_nothing_changes(name: str) -> None:
    untouched, model = net(32), net(32)
    mupfx.convert(model, tokens(), base=32, parametrization=name)
    for key, value in untouched.state_dict().items():
        assert torch.equal(model.state_dict()[key], value), key
    assert torch.equal(untouched(tokens()), model(tokens()))
    for row in mupfx.plan(model).parameters.values():
        for factors in row.optimizers.values():
            assert {factors.lr, factors.weight_decay, factors.eps} <= {1.0, None}


@pytest.mark.parametrize("name", OF_ANY_NET)
def test_twice_as_wide(name: str) -> None:
    """The plan survives JSON, is found by its own name, repeats cautions, and training runs."""
    model = mupfx.convert(net(64), tokens(), base=32, parametrization=name)
    plan = mupfx.plan(model)
    assert mupfx.Plan.from_dict(plan.to_dict()) == plan
    assert plan.parametrization == name
    assert set(TABLES[name].cautions) <= set(plan.notes)
    optimizer = mupfx.optimizer(torch.optim.AdamW, model, lr=1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(tokens()).flatten(0, 1), tokens().flatten())
        assert torch.isfinite(loss)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def parameters(grown_in: Fraction, grown_out: Fraction) -> tuple[dict[str, ParameterRole], Ratios]:
    """One of each role; a table that is looked up; a bias beside a readout."""

    def made(name: str, role: Role, use: Use, companion: str | None = None) -> ParameterRole:
        return ParameterRole(
            name=name,
            shape=(96, 96) if use.fan_in or use.index else (96,),
            axes=(("o",), ("i",)) if use.fan_in or use.index else (("o",),),
            role=role,
            fan_in=use.fan_in or use.index,
            fan_out=use.fan_out,
            status=Status.CERTAIN,
            uses=((role, use),),
            tied_to=(),
            why="",
            companion=companion,
        )

    contracted = Use("", "", "", (1,), (0,))
    found = {role.value: made(role.value, role, contracted) for role in Role}
    beside = Use("", "", "", (), (0,))
    found["vector"] = made("vector", Role.VECTOR, beside)
    found["scalar"] = made("scalar", Role.SCALAR, beside)
    found["bias"] = made("bias", Role.SCALAR, beside, companion="output")
    found["table"] = made("table", Role.INPUT, Use("", "", "", (), (0,), index=(1,)))
    return found, Ratios({"i": grown_in, "o": grown_out})


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("grown", GROWN)
def test_identities(name: str, grown: tuple[int | Fraction, ...]) -> None:
    """``m_S = m_A / m_g``, Adam's eps is ``m_g``, decay times rate stays; in branches too."""
    grown_in, grown_out, deeper = map(Fraction, grown)
    roles, ratios = parameters(grown_in, grown_out)
    for branches in ({}, dict.fromkeys(roles, ("b0", deeper))):
        for key, row in assign(roles, ratios, TABLES[name], FAMILIES, branches).items():
            sgd, adam, adamw = (row.optimizers[each] for each in ("sgd", "adam", "adamw"))
            assert adam.eps is not None
            assert sgd.weight_decay is not None
            assert adamw.weight_decay is not None
            assert sgd.lr * adam.eps == pytest.approx(adam.lr, rel=1e-9), key
            assert (adam.lr, adam.eps) == (adamw.lr, adamw.eps)
            assert sgd.lr * sgd.weight_decay == pytest.approx(1, rel=1e-9)
            assert adamw.lr * adamw.weight_decay == pytest.approx(1, rel=1e-9)
            assert adam.weight_decay is None


def test_special_rows_are_told_by_the_graph() -> None:
    """Tables that are looked up in u-muP, a bias beside a readout off the line of ``meta``."""
    model = mupfx.convert(net(64), tokens(), base=32, parametrization="u_mup")
    rows = mupfx.plan(model).parameters
    assert {rows[k].optimizers["adam"].lr for k in ("tokens.weight", "positions.weight")} == {
        2**-0.5
    }
    model = mupfx.convert(net(64), tokens(), base=32, parametrization="sym_default")
    bias = mupfx.plan(model).parameters["head.bias"]
    assert (bias.role, bias.optimizers["sgd"].lr_power.exponents) == (
        Role.SCALAR,
        (("fan_in", Fraction(1, 2)),),
    )
    first = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 2))
    mupfx.convert(first, torch.ones(1, 3), base=8, parametrization="u_mup")
    assert mupfx.plan(first).parameters["0.weight"].optimizers["adam"].lr == 1.0


class Added(nn.Module):
    """A readout whose bias is added by an op of its own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(3, width)
        self.last = nn.Parameter(torch.randn(width, 2))
        self.bias = nn.Parameter(torch.zeros(2))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = torch.tanh(self.first(x)) @ self.last + self.bias
        return out


def test_a_readout_bias_of_an_op_of_its_own() -> None:
    model = mupfx.convert(Added(16), torch.ones(1, 3), base=8, parametrization="sym_default")
    assert mupfx.plan(model).parameters["bias"].optimizers["sgd"].lr == pytest.approx(2**0.5)

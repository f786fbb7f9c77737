"""What static rules say of ports by hand: right ones in any gauge, and single faults by name."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from mupfx.checks.static import static_findings
from mupfx.core.evidence import INIT, RATE
from mupfx.core.finding import Level
from mupfx.core.report import Size
from mupfx.core.setup import Setup
from mupfx.core.vocabulary import Role
from mupfx.pipeline.checking.static import static_evidence
from mupfx.tables.parametrizations import parametrization
from tests.checks.static_ports import Made, joined, loss, net, reader, setups

SGD = partial(net, optimizer=torch.optim.SGD, first=1, second=0, biases=1)
TABLE8 = partial(net, init={"c": 0.5}, factor=-1, last=0)
GPT = reader
WIDE = partial(reader, heads=4)
TIED_BIAS = partial(reader, tied=True, logits=-1, bias=True, rates={"out.bias": -1})


def errors(
    make: Callable[..., Made], *, table: str = "mup", **further: Any
) -> set[tuple[str, Any]]:
    axis = further.get("axis", "width")
    evidence = static_evidence(setups(make, **further), axis, parametrization(table))
    assert not evidence.refused
    found = static_findings(evidence)
    return {(f.code, f.parameter) for f in found if f.level is Level.ERROR}


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(net, id="Table 3"),
        pytest.param(TABLE8, id="Table 8: a factor before the readout"),
        pytest.param(SGD, id="Table 3, SGD"),
        pytest.param(partial(SGD, init={"c": 0.5}, factor=-1, last=1), id="Table 8, SGD"),
        pytest.param(partial(net, relu=True, bias=False), id="ReLU lets factors through"),
        pytest.param(GPT, id="heads in number"),
        pytest.param(partial(GPT, power=-1.0), id="1/d of heads that stay"),
        pytest.param(partial(WIDE, power=-1.0), id="1/d of heads that grow"),
        pytest.param(partial(WIDE, queries=-0.5), id="the factor is in the queries"),
        pytest.param(partial(GPT, tied=True, logits=-1), id="tied, with its factor"),
        pytest.param(partial(GPT, tied=True, logits=-1, bias=True), id="tied, beside a bias"),
        pytest.param(joined, id="a finite part of a fan-in counts"),
        pytest.param(partial(joined, counted=0), id="it does not"),
    ],
)
def test_right(make: Callable[..., Made]) -> None:
    assert errors(make) == set()


@pytest.mark.parametrize(
    ("make", "code", "tensor"),
    [
        (partial(net, second=0), "MUP002", "b.weight"),
        (partial(net, second=-2), "MUP002", "b.weight"),
        (partial(net, second=-0.5), "MUP002", "b.weight"),
        (partial(net, init={"b": 0.5}), "MUP001", "b.weight"),
        (partial(net, init={"c": 0}), "MUP003", "c.weight"),
        (partial(net, last=0), "MUP003", "c.weight"),
        (partial(net, first=-1), "MUP005", "a.weight"),
        (partial(net, factor=-1), "MUP011", "c.weight"),
        (partial(net, init={"c": 0.5}, last=0), "MUP012", "c.weight"),
        (partial(SGD, last=0), "MUP003", "c.weight"),
        (partial(SGD, first=0), "MUP005", "a.weight"),
        (partial(TABLE8, last=-1), "MUP003", "c.weight"),
        (partial(GPT, into=0.5), "MUP005", "table.weight"),
        (partial(GPT, tied=True), "MUP007", "table.weight"),
        (partial(GPT, tied=True, bias=True), "MUP007", "table.weight"),
        (TIED_BIAS, "MUP006", "out.bias"),
        (partial(joined, second=0), "MUP002", "b.weight"),
        (partial(joined, counted=0, second=-0.5), "MUP002", "b.weight"),
        (partial(joined, counted=0, second=-2), "MUP002", "b.weight"),
        (partial(joined, init=0.5), "MUP001", "b.weight"),
        (partial(GPT, rates={"blocks.1.down.weight": 1}), "MUP002", "blocks.1.down.weight"),
        (partial(GPT, rates={"norm.weight": -1}), "MUP006", "norm.weight"),
    ],
)
def test_one_fault_is_one_finding(make: Callable[..., Made], code: str, tensor: str) -> None:
    assert errors(make) == {(code, tensor)}


def test_biases_as_matrices() -> None:
    """Both biases beside width, and the weights are left alone."""
    assert errors(partial(net, biases=-1)) == {("MUP006", "a.bias"), ("MUP006", "b.bias")}


def test_attention_is_named_at_the_line() -> None:
    """Each site once, where the model scales."""
    evidence = static_evidence(setups(WIDE), "width", parametrization("mup"))
    found = static_findings(evidence)
    assert [f.code for f in found] == ["MUP004", "MUP004"]
    assert [(f.measured, f.expected) for f in found] == [(-0.5, -1.0)] * 2
    assert all(f.place and f.place.path.endswith("static_ports.py") for f in found)
    assert all(f.place and "scaled_dot_product_attention" in f.place.code for f in found)


def plain(width: int) -> Made:
    torch.manual_seed(0)
    model, _, batch = net(width, init={"c": 0})
    return model, torch.optim.Adam(model.parameters(), lr=1e-2), batch


def test_never_switched_on() -> None:
    found = errors(plain)
    assert ("MUP016", None) in found
    assert {("MUP002", "b.weight"), ("MUP003", "c.weight")} < found


def test_not_switched_on_is_not_said_of_a_single_fault() -> None:
    assert not any(code == "MUP016" for code, _ in errors(partial(net, second=0)))


@pytest.mark.parametrize(
    ("decay", "code"),
    [(0.1, {("MUP008", "b.weight"), ("MUP008", "c.weight")}), (0.01, set()), (0.0, set())],
)
def test_decay_that_does_not_follow(decay: float, code: set[tuple[str, str]]) -> None:
    """A default that nobody chose only warns."""
    assert errors(partial(net, optimizer=torch.optim.AdamW, weight_decay=decay)) == code


def forgotten(width: int) -> Made:
    """One group's rate is zero from some width on."""
    made = net(width)
    if width > 64:
        made[1].param_groups[1]["lr"] = 0.0
    return made


def test_a_rate_that_breaks_off() -> None:
    assert errors(forgotten) == {("MUP002", "b.weight")}


def test_coupled_decay_warns_once() -> None:
    make = partial(net, weight_decay=0.1)
    evidence = static_evidence(setups(make), "width", parametrization("mup"))
    found = [f for f in static_findings(evidence) if f.code == "MUP008"]
    assert [(f.level, f.parameter) for f in found] == [(Level.WARNING, None)]


@pytest.mark.parametrize(("eps", "wrong"), [(1e-8, False), (1e-2, True)])
def test_eps_matters_beside_gradients(eps: float, *, wrong: bool) -> None:
    found = {code for code, _ in errors(partial(net, eps=eps))}
    assert found == ({"MUP009"} if wrong else set())


def deep(depth: int, branch: float = 0) -> Made:
    return reader(32, depth=depth, branch=branch)


def test_branches_follow_depth() -> None:
    """CompleteP divides branches by depth; a rate in them stays."""
    further: dict[str, Any] = {"sizes": (2, 8), "axis": "depth"}
    assert errors(partial(deep, branch=-1), table="completep", **further) == set()
    found = errors(deep, table="completep", **further)
    assert {code for code, _ in found} == {"MUP010"}
    assert all(str(name).startswith("branch:") for _, name in found)
    assert len(found) == 16


def test_depth_without_a_rule_is_not_judged() -> None:
    evidence = static_evidence(
        setups(deep, sizes=(2, 4), axis="depth"), "depth", parametrization("mup")
    )
    assert "blocks.0.up.weight" in evidence.unjudged
    assert "table.weight" not in evidence.unjudged
    assert static_findings(evidence) == ()


def test_evidence_stands_in_the_canonical_gauge() -> None:
    """The readout of Table 8 is that of Table 3, once its factor is counted."""
    evidence = static_evidence(setups(TABLE8), "width", parametrization("mup"))
    readout = evidence.parameters["c.weight"]
    assert readout.role is Role.OUTPUT
    assert readout.multiplier_exponent == pytest.approx(-1)
    assert readout.multiplier == pytest.approx((1, 0.25))
    assert readout.measures[RATE].written == pytest.approx(0)
    assert readout.measures[RATE].measured == pytest.approx(-1)
    assert readout.measures[INIT].measured == pytest.approx(-1, abs=0.1)
    assert [c.carried for c in evidence.constants] == [("c.weight",)]
    assert evidence.parameters["b.weight"].multiplier_exponent == pytest.approx(0)


def test_updates_that_training_is_compared_with() -> None:
    """A hidden update stays, in any gauge: what the op makes is one, and nothing comes after."""
    evidence = static_evidence(setups(net), "width", parametrization("mup"))
    (use,) = evidence.parameters["b.weight"].uses
    assert use.update == pytest.approx((1, 1))
    assert use.after == pytest.approx((1, 1))


class Growing(nn.Module):
    """Sizes decide what it does."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(16, 16) for _ in range(width // 32))
        self.act = nn.GELU() if width < 64 else nn.Tanh()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = self.act(layer(x))
        return x


def test_what_analysis_refuses_is_said() -> None:
    """Nothing is raised, and nothing is found."""
    made: dict[Size, list[Setup]] = {}
    for width in (32, 64, 128):
        model = Growing(width)
        batch = torch.randn(4, 16), torch.randint(0, 16, (4,))
        optimizer = torch.optim.Adam(model.parameters())
        size = Size(width)
        made[size] = [Setup(size, 0, model, (optimizer,), batch, loss, (batch[0],), {})]
    evidence = static_evidence(made, "width", parametrization("mup"))
    assert evidence.refused
    assert static_findings(evidence) == ()


def test_models_are_left_as_they_are() -> None:
    made = setups(net)
    largest = list(made.values())[-1][0]
    before = {name: t.clone() for name, t in largest.model.state_dict().items()}
    static_evidence(made, "width", parametrization("mup"))
    assert all(torch.equal(t, before[name]) for name, t in largest.model.state_dict().items())
    assert all(p.grad is None for p in largest.model.parameters())

"""A plan is the same after a trip through JSON, and an edited file is refused."""

import json
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mupfx.core.plan import (
    InitPlan,
    OptimizerFactors,
    ParameterPlan,
    Plan,
    Rows,
    Scales,
    SitePlan,
)
from mupfx.core.power import ONE, SYMBOLS, Power
from mupfx.core.vocabulary import Role, SiteKind

fractions = st.fractions(min_value=Fraction(1, 64), max_value=64)
positive = st.floats(min_value=1e-6, max_value=1e6)
names = st.text("abc.0_é", min_size=1, max_size=8)
powers = st.dictionaries(
    st.sampled_from(SYMBOLS), st.fractions(min_value=-2, max_value=2, max_denominator=4)
).map(lambda d: Power.of(**d))
optional = st.one_of(st.none(), positive)
factors = st.builds(
    OptimizerFactors,
    lr=positive,
    weight_decay=optional,
    eps=optional,
    lr_power=powers,
    weight_decay_power=st.one_of(st.none(), powers),
    eps_power=st.one_of(st.none(), powers),
    others=st.dictionaries(names, st.tuples(positive, powers), max_size=2),
)
inits = st.builds(
    InitPlan,
    law=st.sampled_from([None, "normal", "kaiming_uniform"]),
    std=optional,
    base_std=optional,
    factor=positive,
    power=powers,
)
sizes = st.integers(0, 9)
rows = st.builds(Rows, sizes, sizes, sizes, sizes, sizes, st.sampled_from(Role))
words = st.lists(names, max_size=2).map(tuple)


@st.composite
def parameters(draw: st.DrawFn) -> dict[str, ParameterPlan]:
    return {
        name: ParameterPlan(
            name=name,
            shape=tuple(draw(st.lists(st.integers(1, 9), max_size=3))),
            role=draw(st.sampled_from(Role)),
            fan_in_ratio=draw(fractions),
            fan_out_ratio=draw(fractions),
            depth_ratio=draw(fractions),
            init=draw(inits),
            multiplier=draw(positive),
            optimizers=draw(st.dictionaries(names, factors, max_size=2)),
            branch=draw(st.one_of(st.none(), names)),
            tied_to=draw(words),
            source=draw(names),
            evidence=draw(words),
            scales=draw(st.builds(Scales, powers, powers, powers)),
            gauge=draw(powers),
            base_shape=tuple(draw(st.lists(st.integers(1, 9), max_size=3))),
            parts=tuple(draw(st.lists(rows, max_size=2))),
        )
        for name in draw(st.lists(names, unique=True, max_size=3))
    }


@st.composite
def sites(draw: st.DrawFn) -> dict[str, SitePlan]:
    return {
        name: SitePlan(
            name=name,
            kind=draw(st.sampled_from(SiteKind)),
            multiplier=draw(positive),
            power=draw(powers),
            lowering=draw(st.sampled_from(["none", "fold", "hook"])),
            target=draw(words),
            source=draw(names),
            evidence=draw(names),
        )
        for name in draw(st.lists(names, unique=True, max_size=2))
    }


plans = st.builds(
    Plan,
    parametrization=names,
    base=st.dictionaries(names, st.integers(1, 512), max_size=2),
    parameters=parameters(),
    sites=sites(),
    notes=words,
    aliases=st.dictionaries(names, names, max_size=2),
)


@given(plans)
def test_json_round_trip(plan: Plan) -> None:
    text = json.dumps(plan.to_dict())
    again = Plan.from_dict(json.loads(text))
    assert again == plan
    assert json.dumps(again.to_dict()) == text


def one_parameter() -> Plan:
    factor = OptimizerFactors(0.25, 4.0, 0.25, Power.of(fan_in=-1), Power.of(fan_in=1), ONE)
    parameter = ParameterPlan(
        name="w",
        shape=(8, 8),
        role=Role.HIDDEN,
        fan_in_ratio=Fraction(4),
        fan_out_ratio=Fraction(4),
        depth_ratio=Fraction(1),
        init=InitPlan(None, None, None, 1.0, Power.of(fan_in="-1/2")),
        multiplier=1.0,
        optimizers={"adamw": factor},
        branch=None,
        tied_to=(),
        source="a table",
        evidence=(),
    )
    return Plan("mup", {"width": 2}, {"w": parameter}, {})


def _set_lr(data: dict[str, Any]) -> None:
    data["parameters"]["w"]["optimizers"]["adamw"]["lr"] = 0.5


def _rename(data: dict[str, Any]) -> None:
    data["parameters"]["v"] = data["parameters"].pop("w")


def _note(data: dict[str, Any]) -> None:
    data["notes"].append("edited by hand")


def _unhash(data: dict[str, Any]) -> None:
    del data["hash"]


@pytest.mark.parametrize("edit", [_set_lr, _rename, _note, _unhash])
def test_an_edited_file_is_refused(edit: Callable[[dict[str, Any]], None]) -> None:
    data = one_parameter().to_dict()
    assert Plan.from_dict(data) == one_parameter()
    edit(data)
    with pytest.raises(ValueError, match="edited"):
        Plan.from_dict(data)


def test_another_schema_is_refused() -> None:
    with pytest.raises(ValueError, match="schema 2, expected 1"):
        Plan.from_dict(one_parameter().to_dict() | {"schema": 2})


def test_the_format_keeps_exponents_as_text() -> None:
    data = one_parameter().to_dict()["parameters"]["w"]
    assert data["init"]["power"] == "fan_in^-1/2"
    assert data["optimizers"]["adamw"] == {
        "lr": 0.25,
        "weight_decay": 4.0,
        "eps": 0.25,
        "exponents": {"lr": "fan_in^-1", "weight_decay": "fan_in^1", "eps": "1"},
    }

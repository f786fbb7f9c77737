"""Each invariant of a plan, broken on purpose."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import mupfx
from mupfx.core.plan import OptimizerFactors, ParameterPlan, Plan, SitePlan
from mupfx.errors import PlanError
from mupfx.passes.verify import problems, verify
from tests.passes.test_sites import BASE, SIZE, WAYS, build, inputs


@cache
def converted() -> nn.Module:
    way = WAYS["fused"][1]
    return mupfx.convert(build(SIZE, way), inputs(), base=build(BASE, way))


def good() -> tuple[Plan, dict[str, Tensor]]:
    return mupfx.plan(converted()), dict(converted().named_parameters())


def with_parameter(plan: Plan, name: str, **changes: Any) -> Plan:
    row: ParameterPlan = replace(plan.parameters[name], **changes)
    return replace(plan, parameters={**plan.parameters, name: row})


def with_site(plan: Plan, **changes: Any) -> Plan:
    (name,) = plan.sites
    site: SitePlan = replace(plan.sites[name], **changes)
    return replace(plan, sites={name: site})


def without(plan: Plan, name: str) -> Plan:
    return replace(plan, parameters={n: p for n, p in plan.parameters.items() if n != name})


def with_factors(plan: Plan, name: str, **changes: Any) -> Plan:
    rows: Mapping[str, OptimizerFactors] = plan.parameters[name].optimizers
    family = next(iter(rows))
    changed: OptimizerFactors = replace(rows[family], **changes)
    return with_parameter(plan, name, optimizers={**rows, family: changed})


def with_init(plan: Plan, name: str, factor: float) -> Plan:
    return with_parameter(plan, name, init=replace(plan.parameters[name].init, factor=factor))


def test_a_plan_as_it_is_made_holds() -> None:
    plan, parameters = good()
    assert list(problems(plan, parameters)) == []
    assert [site.lowering for site in plan.sites.values()] == ["fold"]
    verify(plan, parameters)


BROKEN: dict[str, tuple[str, str, Callable[[Plan], Plan]]] = {
    "a parameter is missing": (
        "not in the plan", "out.bias", lambda p: without(p, "out.bias"),
    ),
    "another shape": (
        "another shape", "out.bias", lambda p: with_parameter(p, "out.bias", shape=(4,)),
    ),
    "a factor of zero": (
        "positive number", "value.weight", lambda p: with_init(p, "value.weight", 0.0),
    ),
    "a negative factor": (
        "positive number", "value.weight", lambda p: with_init(p, "value.weight", -1.0),
    ),
    "an infinite rate": (
        "positive number", "out.weight", lambda p: with_factors(p, "out.weight", lr=float("inf")),
    ),
    "no number": (
        "positive number", "out.weight", lambda p: with_factors(p, "out.weight", lr=float("nan")),
    ),
    "no weight decay": (
        "positive number", "out.weight",
        lambda p: with_factors(p, "out.weight", weight_decay=0.0),
    ),
    "a multiplier lost": (
        "exactly once", "query.weight", lambda p: with_parameter(p, "query.weight", multiplier=1.0),
    ),
    "a multiplier twice": (
        "exactly once", "query.bias", lambda p: with_parameter(p, "query.bias", multiplier=4.0),
    ),
    "a multiplier where none belongs": (
        "exactly once", "value.weight", lambda p: with_parameter(p, "value.weight", multiplier=0.5),
    ),
    "applied nowhere": (
        "applied nowhere", "attention:", lambda p: with_site(p, lowering="none"),
    ),
    "without a target": (
        "applied nowhere", "attention:", lambda p: with_site(p, target=()),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken(name: str) -> None:
    message, where, change = BROKEN[name]
    plan, parameters = good()
    with pytest.raises(PlanError) as caught:
        verify(change(plan), parameters)
    assert message in str(caught.value)
    assert where in str(caught.value)


def test_a_site_of_multiplier_one_needs_no_target() -> None:
    plan, parameters = good()
    whole = with_site(plan, multiplier=1.0, lowering="none", target=())
    for name in ("query.weight", "query.bias"):
        whole = with_parameter(whole, name, multiplier=1.0)
    assert list(problems(whole, parameters)) == []


def test_a_carrier_that_is_no_parameter_is_a_problem_not_a_crash() -> None:
    plan, parameters = good()
    with pytest.raises(PlanError, match=r"query\.gone"):
        verify(with_site(plan, target=("query.gone",)), parameters)


def test_nothing_is_put_on_a_model_whose_plan_does_not_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The check comes before the first change."""
    way = WAYS["fused"][1]
    model = build(SIZE, way)
    before = {name: value.clone() for name, value in model.state_dict().items()}

    def refuse(*_: object) -> None:
        raise PlanError("broken on purpose")

    monkeypatch.setattr("mupfx.pipeline.lowering.verify", refuse)
    with pytest.raises(PlanError, match="on purpose"):
        mupfx.convert(model, inputs(), base=build(BASE, way))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    with pytest.raises(mupfx.PlanError):
        mupfx.plan(model)

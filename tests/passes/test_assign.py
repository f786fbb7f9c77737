"""Numbers for parameters: ratios of the right axes, the right cells, the contraction."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from mupfx.core.axes import ParameterRole
from mupfx.core.base import Ratios
from mupfx.core.parametrization import Parametrization
from mupfx.core.plan import ParameterPlan
from mupfx.core.power import ONE, Power
from mupfx.core.vocabulary import Role, Status
from mupfx.errors import ParametrizationError
from mupfx.passes.assign import assign
from mupfx.tables.mup import MUP
from mupfx.tables.optimizers import FAMILIES
from mupfx.tables.plane import meta
from mupfx.tables.sp import SP

Classes = dict[str, int | Fraction]


def role_of(
    role: Role,
    axes: tuple[tuple[str, ...], ...],
    fan_in: tuple[int, ...] = (),
    fan_out: tuple[int, ...] = (),
) -> ParameterRole:
    return ParameterRole(
        name="p",
        shape=(1,) * len(axes),
        axes=axes,
        role=role,
        fan_in=fan_in,
        fan_out=fan_out,
        status=Status.CERTAIN,
        uses=(),
        tied_to=(),
        why="because",
    )


def plan_of(
    role: ParameterRole,
    classes: Classes,
    table: Parametrization = MUP,
    branch: tuple[str, Fraction] | None = None,
) -> ParameterPlan:
    ratios = Ratios({name: Fraction(value) for name, value in classes.items()})
    return assign({"p": role}, ratios, table, FAMILIES, {"p": branch} if branch else {})["p"]


Used = tuple[Role, tuple[tuple[str, ...], ...], tuple[int, ...], tuple[int, ...], Classes]

# role, axes, fan_in, fan_out, classes -> fan-in ratio, fan-out ratio, init, Adam lr, SGD lr, eps
CASES: dict[str, tuple[Used, tuple[float | Fraction, ...]]] = {
    "embedding": (
        (Role.INPUT, (("v",), ("d",)), (0,), (1,), {"d": 4}),
        (1, 4, 1.0, 1.0, 4.0, 0.25),
    ),
    "hidden": (
        (Role.HIDDEN, (("f",), ("d",)), (1,), (0,), {"d": 4, "f": 4}),
        (4, 4, 0.5, 0.25, 1.0, 0.25),
    ),
    "expanding": (
        (Role.HIDDEN, (("f",), ("d",)), (1,), (0,), {"d": 4, "f": 16}),
        (4, 16, 0.5, 0.25, 4.0, 0.0625),
    ),
    "contracting": (
        (Role.HIDDEN, (("d",), ("f",)), (1,), (0,), {"d": 4, "f": 16}),
        (16, 4, 0.125, 0.0625, 0.25, 0.25),
    ),
    "stored transposed": (
        (Role.HIDDEN, (("d",), ("f",)), (0,), (1,), {"d": 4, "f": 16}),
        (4, 16, 0.5, 0.25, 4.0, 0.0625),
    ),
    "grouped queries": (
        (Role.HIDDEN, (("kv", "group", "head"), ("d",)), (1,), (0,), {"kv": 2, "head": 2, "d": 4}),
        (4, 4, 0.5, 0.25, 1.0, 0.25),
    ),
    "experts": (
        (Role.HIDDEN, (("e",), ("d",), ("f",)), (1,), (2,), {"d": 4, "f": 4, "e": 1}),
        (4, 4, 0.5, 0.25, 1.0, 0.25),
    ),
    "convolution": (
        (Role.HIDDEN, (("o",), ("i",), ("k",), ("k",)), (1, 2, 3), (0,), {"o": 4, "i": 4}),
        (4, 4, 0.5, 0.25, 1.0, 0.25),
    ),
    "readout": (
        (Role.OUTPUT, (("v",), ("d",)), (1,), (0,), {"d": 4}),
        (4, 1, 0.25, 0.25, 0.25, 1.0),
    ),
    "gain of heads": (
        (Role.VECTOR, (("h",), ("head",)), (), (), {"h": 2, "head": 2}),
        (1, 4, 1.0, 1.0, 4.0, 0.25),
    ),
    "scalar": ((Role.SCALAR, ((),), (), (), {}), (1, 1, 1.0, 1.0, 1.0, 1.0)),
    "narrower": (
        (Role.HIDDEN, (("f",), ("d",)), (1,), (0,), {"d": Fraction(1, 4), "f": Fraction(1, 4)}),
        (Fraction(1, 4), Fraction(1, 4), 2.0, 4.0, 1.0, 4.0),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_numbers(name: str) -> None:
    (role, axes, fan_in, fan_out, classes), expected = CASES[name]
    plan = plan_of(role_of(role, axes, fan_in, fan_out), classes)
    values = {"fan_in": plan.fan_in_ratio, "fan_out": plan.fan_out_ratio}
    assert (
        plan.fan_in_ratio,
        plan.fan_out_ratio,
        plan.init.power.value(values),
        plan.optimizers["adamw"].lr,
        plan.optimizers["sgd"].lr,
        plan.optimizers["adamw"].eps,
    ) == expected


ratio = st.fractions(min_value=Fraction(1, 16), max_value=16)


@given(st.sampled_from(Role), ratio, ratio)
def test_identities_between_optimizers(role: Role, grown_in: Fraction, grown_out: Fraction) -> None:
    """SGD's lr is Adam's over the gradient; every decay rate is that of the base."""
    sized = role_of(role, (("o",), ("i",)), (1,), (0,))
    rows = plan_of(sized, {"o": grown_out, "i": grown_in}).optimizers
    assert rows["sgd"].lr * (rows["adam"].eps or 0) == pytest.approx(rows["adam"].lr)
    assert rows["adam"].lr == rows["adamw"].lr
    assert rows["adam"].weight_decay is None
    for name in ("sgd", "adamw"):
        assert rows[name].lr * (rows[name].weight_decay or 0) == pytest.approx(1)
    assert rows["sgd"].eps == 1.0


@given(st.sampled_from([SP, MUP]), st.sampled_from(Role))
def test_everything_is_exactly_one_at_the_base(table: Parametrization, role: Role) -> None:
    plan = plan_of(role_of(role, (("o",), ("i",)), (1,), (0,)), {"o": 1, "i": 1}, table)
    assert (plan.init.factor, plan.multiplier) == (1.0, 1.0)
    for factors in plan.optimizers.values():
        assert {factors.lr, factors.weight_decay, factors.eps} <= {1.0, None}


@given(st.sampled_from(Role), ratio, ratio)
def test_sp_is_one_at_every_width(role: Role, grown_in: Fraction, grown_out: Fraction) -> None:
    sized = role_of(role, (("o",), ("i",)), (1,), (0,))
    plan = plan_of(sized, {"o": grown_out, "i": grown_in}, SP)
    assert plan.init.power == ONE
    for factors in plan.optimizers.values():
        assert {factors.lr, factors.weight_decay, factors.eps} <= {1.0, None}


@given(ratio, st.fractions(min_value=Fraction(1, 8), max_value=1, max_denominator=8))
def test_nothing_is_contracted_where_all_grow_alike(grown: Fraction, s: Fraction) -> None:
    """Exactly: ``x^-s/2 x^s/2`` in floating point can be a little less than one."""
    hidden = role_of(Role.HIDDEN, (("o",), ("i",)), (1,), (0,))
    plan = plan_of(hidden, {"o": grown, "i": grown}, meta(s))
    assert plan.init.power == Power.of(fan_in="-1/2")


def test_branch_and_depth_are_recorded() -> None:
    hidden = role_of(Role.HIDDEN, (("f",), ("d",)), (1,), (0,))
    inside = plan_of(hidden, {"d": 4, "f": 4}, branch=("b0", Fraction(3)))
    assert (inside.branch, inside.depth_ratio) == ("b0", Fraction(3))
    outside = plan_of(hidden, {"d": 4, "f": 4})
    assert (outside.branch, outside.depth_ratio) == (None, Fraction(1))
    assert outside.optimizers == inside.optimizers


def test_depth_enters_a_table_that_asks_for_it() -> None:
    rule = replace(MUP.rules[Role.HIDDEN], lr_adam=Power.of(fan_in=-1, depth="-1/2"))
    table = replace(MUP, rules={Role.HIDDEN: rule})
    hidden = role_of(Role.HIDDEN, (("f",), ("d",)), (1,), (0,))
    plan = plan_of(hidden, {"d": 4, "f": 4}, table, branch=("b0", Fraction(4)))
    assert plan.optimizers["adam"].lr == 0.125


def test_evidence_runs_from_the_graph_to_the_rule() -> None:
    plan = plan_of(role_of(Role.HIDDEN, (("f",), ("d",)), (1,), (0,)), {"d": 4, "f": 4})
    assert plan.evidence[:2] == ("because", "fan-in grew by 4, fan-out grew by 4")
    assert plan.evidence[2] == (
        "init std fan_in^-1/2, Adam lr fan_in^-1, SGD lr fan_in^-1 fan_out^1, "
        f"gradient fan_out^-1: {plan.source}"
    )
    assert plan.source == MUP.rules[Role.HIDDEN].source


def test_a_table_that_lacks_a_role_is_refused() -> None:
    table = replace(MUP, name="own", rules={Role.HIDDEN: MUP.rules[Role.HIDDEN]})
    with pytest.raises(ParametrizationError) as caught:
        plan_of(role_of(Role.VECTOR, (("d",),)), {"d": 4}, table)
    assert str(caught.value) == snapshot("""\
the parametrization 'own' has no rule for role vector
  where: p
  expected: a row for vector in its rules
  found: hidden
  hint: add Role.VECTOR to the rules of 'own'\
""")

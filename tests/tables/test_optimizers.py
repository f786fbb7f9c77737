"""Which family an optimizer class belongs to."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
import torch
from inline_snapshot import snapshot
from torch.optim._muon import _adjust_lr

from mupfx.core.optimizer_family import Decay, DecayRule
from mupfx.core.plan import InitPlan, ParameterPlan, Scales
from mupfx.core.power import ONE
from mupfx.core.vocabulary import Role
from mupfx.errors import OptimizerError
from mupfx.tables.mup import MUP
from mupfx.tables.optimizers import (
    CLASSES,
    DECOUPLED,
    FAMILIES,
    REFUSED,
    family_of,
    muon_adjustment,
)
from mupfx.tables.parametrizations import parametrization


class OwnAdamW(torch.optim.AdamW):
    """A user's subclass."""


class Own:
    """An optimizer that no table lists."""


class Adam:
    """Of the same name, but another class."""


@pytest.mark.parametrize(
    ("optimizer_class", "arguments", "name"),
    [
        (torch.optim.SGD, {"momentum": 0.9}, "sgd"),
        (torch.optim.Adam, {}, "adam"),
        (torch.optim.Adam, {"weight_decay": 0.1}, "adam"),
        (torch.optim.Adam, {"decoupled_weight_decay": False}, "adam"),
        (torch.optim.Adam, {"decoupled_weight_decay": True}, "adamw"),
        (torch.optim.AdamW, {}, "adamw"),
        (OwnAdamW, {}, "adamw"),
    ],
)
def test_family(optimizer_class: type, arguments: dict[str, object], name: str) -> None:
    assert family_of(optimizer_class, arguments).name == name


def test_a_family_can_be_named_for_an_unlisted_class() -> None:
    assert family_of(Adam, {}, "adam").name == "adam"
    assert family_of(torch.optim.RMSprop, {}, "adam").name == "adam"


def test_an_unlisted_class_is_not_guessed() -> None:
    with pytest.raises(OptimizerError) as caught:
        family_of(Own, {})
    assert str(caught.value) == snapshot("""\
how this optimizer scales is not known
  expected: an optimizer of torch.optim, a subclass of one, or a class with mupfx_family
  found: tests.tables.test_optimizers.Own
  hint: name the one it scales like: family="adam", "adamw" (decoupled weight decay), "sgd", "sign" (Lion), "shampoo", or pass a mupfx.OptimizerFamily\
""")
    with pytest.raises(OptimizerError):
        family_of(Adam, {})


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(OptimizerError) as caught:
        family_of(torch.optim.LBFGS, {}, "newton")
    assert str(caught.value) == snapshot("""\
no optimizer family of this name
  expected: 'sgd', 'asgd', 'adam', 'rmsprop', 'adamw', 'radam', 'radamw', 'adagrad', 'adadelta', 'rprop', 'adafactor', 'muon', 'shampoo', 'sign'
  found: 'newton'
  hint: pass one of these names, or a mupfx.OptimizerFamily of your own\
""")


def test_the_rows_fit_together() -> None:
    named = set(CLASSES.values()) | set(DECOUPLED) | set(DECOUPLED.values())
    assert named | {"shampoo", "sign"} == set(FAMILIES)
    for name, family in FAMILIES.items():
        assert family.name == name
        assert family.source
        assert set(family.initial_state) <= set(family.state or {})
        assert set(family.unrectified) <= {"lr", "weight_decay"}


@pytest.mark.parametrize("path", [*CLASSES, *REFUSED])
def test_listed_classes_exist(path: str) -> None:
    module, _, name = path.rpartition(".")
    found = getattr(torch.optim, name)
    assert (found.__module__, found.__qualname__) == (module, name)


def test_every_optimizer_of_torch_is_listed() -> None:
    classes = {getattr(torch.optim, name) for name in torch.optim.__all__ if name[0].isupper()}
    classes = {c for c in classes if issubclass(c, torch.optim.Optimizer)}
    found = {f"{c.__module__}.{c.__qualname__}" for c in classes}
    assert found - {"torch.optim.optimizer.Optimizer"} == set(CLASSES) | set(REFUSED)


GAUGE: dict[str, dict[str, int]] = {
    "sgd": {"lr": -2, "weight_decay": 2},
    "asgd": {"lr": -2, "weight_decay": 2, "lambd": 2},
    "adam": {"lr": -1, "weight_decay": 2, "eps": 1},
    "rmsprop": {"lr": -1, "weight_decay": 2, "eps": 1},
    "adamw": {"lr": -1, "weight_decay": 1, "eps": 1},
    "radam": {"lr": -1, "weight_decay": 2, "eps": 1},
    "radamw": {"lr": -1, "weight_decay": 1, "eps": 1},
    "adagrad": {"lr": -1, "weight_decay": 2, "eps": 1},
    "adadelta": {"lr": -2, "weight_decay": 2, "eps": 2},
    "rprop": {"lr": -1, "step_sizes.0": -1, "step_sizes.1": -1},
    "adafactor": {"lr": 0, "weight_decay": 0, "eps.1": -1},
    "muon": {"lr": -1, "weight_decay": 1, "eps": 1},
    "shampoo": {"lr": -1, "weight_decay": 1, "eps": 2},
    "sign": {"lr": -1, "weight_decay": 1},
}
"""The power of a growing multiplier that each hyperparameter follows, worked out by hand."""


@pytest.mark.parametrize("name", FAMILIES)
def test_gauge_exponents(name: str) -> None:
    family = FAMILIES[name]
    keys = ["lr", *family.others]
    if family.decay is not Decay.ABSENT:
        keys.append("weight_decay")
    assert {key: family.moved(key) for key in keys} == GAUGE[name]


def hidden(rows: int, columns: int, **changes: Any) -> ParameterPlan:
    """A hidden matrix of muP, grown from 8 x 8."""
    table = MUP.rules[Role.HIDDEN]
    return ParameterPlan(
        name="w",
        shape=(8 * rows, 8 * columns),
        role=Role.HIDDEN,
        fan_in_ratio=Fraction(columns),
        fan_out_ratio=Fraction(rows),
        depth_ratio=Fraction(1),
        init=InitPlan(None, None, None, 1.0, ONE),
        multiplier=1.0,
        optimizers={},
        branch=None,
        tied_to=(),
        source="",
        evidence=(),
        scales=Scales(table.lr_adam, table.gradient, table.init_std),
        base_shape=(8, 8),
        **changes,
    )


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("sgd", {}, {"lr": 1.0, "weight_decay": 1.0}),
        ("asgd", {}, {"lr": 1.0, "weight_decay": 1.0, "lambd": 1.0}),
        ("adam", {}, {"lr": 1 / 4, "weight_decay": None, "eps": 1 / 4}),
        ("adamw", {}, {"lr": 1 / 4, "weight_decay": 4.0, "eps": 1 / 4}),
        ("adadelta", {}, {"lr": 1.0, "weight_decay": None, "eps": 1 / 16}),
        ("rprop", {}, {"lr": 1 / 4, "step_sizes.0": 1 / 4, "step_sizes.1": 1 / 4}),
        ("adafactor", {}, {"lr": 1 / 2, "weight_decay": 2.0, "eps.1": 1 / 2}),
        ("muon", {}, {"lr": 1.0, "weight_decay": 1.0, "eps": 1.0}),
        ("muon", {"adjust_lr_fn": "match_rms_adamw"}, {"lr": 1 / 2, "weight_decay": 2.0, "eps": 1.0}),
        ("shampoo", {}, {"lr": 1.0, "weight_decay": 1.0, "eps": 1.0}),
        ("sign", {}, {"lr": 1 / 4, "weight_decay": 4.0}),
    ],
)  # fmt: skip
def test_factors_of_a_hidden_matrix_grown_four_times(
    name: str, settings: dict[str, Any], expected: dict[str, float | None]
) -> None:
    found = FAMILIES[name].factors(hidden(4, 4), settings)
    numbers = {key: factor and factor[0] for key, factor in found.items()}
    assert numbers == pytest.approx(expected)


@pytest.mark.parametrize("mode", ["original", "match_rms_adamw"])
@pytest.mark.parametrize(("rows", "columns"), [(16, 1), (1, 16), (4, 4), (4, 16)])
def test_an_update_of_muon_has_the_spectral_norm_that_it_should(
    mode: str, rows: int, columns: int
) -> None:
    """Factor times what torch makes of the shape grows as sqrt(fan_out / fan_in)."""
    settings = {"adjust_lr_fn": mode}
    lr = FAMILIES["muon"].factors(hidden(rows, columns), settings)["lr"]
    assert lr is not None
    sizes = [(8 * rows, 8 * columns), (8, 8)]
    here, base = (muon_adjustment(shape, settings) for shape in sizes)
    assert lr[0] * here / base == pytest.approx((rows / columns) ** 0.5)


@pytest.mark.parametrize("shape", [(64, 16), (16, 64), (24, 24)])
@pytest.mark.parametrize("mode", [None, "original", "match_rms_adamw"])
def test_muon_s_adjustment_is_the_one_torch_makes(shape: tuple[int, int], mode: str | None) -> None:
    found = muon_adjustment(shape, {"adjust_lr_fn": mode})
    assert found == _adjust_lr(1.0, mode, torch.Size(shape))


@pytest.mark.parametrize(
    ("rule", "sgd", "adamw"),
    [("timescale", 4.0, 4.0), ("sqrt", 2.0, 2.0), ("const", 1.0, 1.0)],
)
def test_rules_of_weight_decay(rule: str, sgd: float, adamw: float) -> None:
    found = [
        FAMILIES[name].factors(hidden(rows, 4), None, DecayRule(rule))["weight_decay"]
        for name, rows in (("sgd", 1), ("adamw", 4))
    ]
    assert [factor and factor[0] for factor in found] == [sgd, adamw]


@pytest.mark.parametrize("rule", DecayRule)
@pytest.mark.parametrize("name", ["sgd", "adamw", "muon", "adafactor"])
def test_in_another_gauge_a_rule_keeps_what_the_decay_does(name: str, rule: DecayRule) -> None:
    """``lr * weight_decay`` is what a weight loses in a step, whatever it is stored as."""
    lost = []
    for multiplier in (1.0, 0.3):
        row = replace(hidden(4, 16), multiplier=multiplier)
        found = FAMILIES[name].factors(row, None, rule)
        lr, decay = found["lr"], found["weight_decay"]
        assert lr is not None
        assert decay is not None
        lost.append(lr[0] * decay[0])
    assert lost[0] == pytest.approx(lost[1])


def test_nothing_follows_a_table_that_changes_nothing() -> None:
    for family in FAMILIES.values():
        found = family.factors(replace(hidden(4, 16), scales=Scales()))
        assert {factor[0] for factor in found.values() if factor} == {1.0}


def test_an_optimizer_may_name_its_family_itself() -> None:
    class Named(Own):
        mupfx_family: Any = "sign"

    class Row(Named):
        mupfx_family = replace(FAMILIES["sign"], name="mine")

    class Below(Row):
        pass

    assert family_of(Named, {}).name == "sign"
    assert family_of(Row, {}).name == "mine"
    assert family_of(Below, {}).name == "mine"
    assert family_of(Below, {}, "sgd").name == "sgd"
    assert family_of(OwnAdamW, {}, FAMILIES["sgd"]).name == "sgd"


NUMBERS = [
    (table, role)
    for table in ("sp", "mup", "ntk", "mean_field", "sym_default", "meta(1/3)", "plane(-3/4, 1/2)")
    for role in Role
]


@pytest.mark.parametrize(("table", "role"), NUMBERS)
def test_identities_between_optimizers(table: str, role: Role) -> None:
    """SGD's rate is Adam's over the gradient, eps is the gradient, and all else is made of these."""
    rule = parametrization(table).rules[role]
    scales = Scales(rule.lr_adam, rule.gradient, rule.init_std)
    row = replace(hidden(4, 9), role=role, scales=scales, multiplier=0.7)
    found = {
        (name, key): factor[0]
        for name, family in FAMILIES.items()
        for key, factor in family.factors(row).items()
        if factor is not None
    }
    gradient, adam = found["adamw", "eps"], found["adamw", "lr"]
    assert found["sgd", "lr"] == pytest.approx(adam / gradient)
    assert found["adadelta", "eps"] == pytest.approx(gradient**2)
    assert found["adadelta", "lr"] == pytest.approx(found["sgd", "lr"])
    assert found["asgd", "lambd"] == pytest.approx(1 / found["sgd", "lr"])
    assert found["rprop", "step_sizes.1"] == pytest.approx(adam)
    assert found["adafactor", "lr"] * found["adafactor", "eps.1"] == pytest.approx(adam)
    assert found["muon", "eps"] ** 2 == pytest.approx(found["shampoo", "eps"])
    assert found["muon", "lr"] / found["shampoo", "lr"] == pytest.approx(
        1.0
        if scales.as_written
        else 1.0 * muon_adjustment((8, 8), {}) / muon_adjustment((32, 72), {})
    )

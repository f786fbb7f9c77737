"""Optimizer groups from a plan: what is in them, and how the user's own are split."""

import copy
import json
import pickle
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from torch import Tensor, nn

from mupfx.errors import MupfxWarning, OptimizerError
from mupfx.passes.groups import build_groups
from tests.passes.grouped import (
    ROLES,
    Sign,
    groups_of,
    model,
    plan_at,
    printed,
    settings_of,
    train,
)


def test_adamw() -> None:
    assert printed(groups_of(model(), lr=0.01)) == snapshot(
        [
            "input+vector.lr=1: 0.weight, 0.bias, 2.bias; lr=0.01, weight_decay=0.01, eps=2.5e-09",
            "hidden.lr=0.25: 2.weight; lr=0.0025, weight_decay=0.04, eps=2.5e-09",
            "output.lr=0.25: 4.weight; lr=0.0025, weight_decay=0.04, eps=1e-08",
            "scalar.lr=1: 4.bias; lr=0.01, weight_decay=0.01, eps=1e-08",
        ]
    )


def test_sgd() -> None:
    groups = groups_of(model(), torch.optim.SGD, lr=0.5, momentum=0.9, weight_decay=0.1)
    assert printed(groups) == snapshot(
        [
            "input+vector.lr=4: 0.weight, 0.bias, 2.bias; lr=2, weight_decay=0.025",
            "hidden+scalar.lr=1: 2.weight, 4.bias; lr=0.5, weight_decay=0.1",
            "output.lr=0.25: 4.weight; lr=0.125, weight_decay=0.4",
        ]
    )
    assert all(group["momentum"] == 0.9 for group in groups)
    assert all("eps" not in group for group in groups)


def test_defaults_not_passed_are_the_optimizer_s_own_and_scaled() -> None:
    """AdamW decays by 0.01 and learns at 0.001 if nobody says otherwise."""
    groups = groups_of(model())
    assert settings_of(groups, "weight_decay")["2.weight"] == 0.01 * 4
    assert settings_of(groups, "lr")["2.weight"] == 0.001 / 4
    assert settings_of(groups, "eps")["2.weight"] == 1e-8 / 4


def test_metadata() -> None:
    group = groups_of(model(), lr=0.01)[1]
    assert group["mupfx"] == snapshot(
        {
            "roles": ["hidden"],
            "family": "adamw",
            "lr": 0.25,
            "weight_decay": 4.0,
            "eps": 0.25,
            "parameters": ["2.weight"],
            "base": {"lr": 0.01, "weight_decay": 0.01, "eps": 1e-08},
        }
    )
    assert json.loads(json.dumps(group["mupfx"])) == group["mupfx"]
    assert pickle.loads(pickle.dumps(group["mupfx"])) == group["mupfx"]
    assert {type(role) for role in group["mupfx"]["roles"]} == {str}


def test_metadata_survives_the_optimizer_s_state_dict() -> None:
    net = model()
    optimizer = torch.optim.AdamW(groups_of(net, lr=0.01))
    saved = json.loads(json.dumps(optimizer.state_dict()["param_groups"]))
    again = torch.optim.AdamW(groups_of(model(), lr=0.5))
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for group, loaded, text in zip(optimizer.param_groups, again.param_groups, saved, strict=True):
        assert loaded["mupfx"] == group["mupfx"] == text["mupfx"]
        assert (loaded["name"], loaded["lr"]) == (group["name"], group["lr"])


@pytest.mark.parametrize(
    ("optimizer_class", "hyperparameters"),
    [
        (torch.optim.SGD, {"lr": 1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        (torch.optim.Adam, {"lr": 0.1, "weight_decay": 0.1}),
        (torch.optim.AdamW, {}),
    ],
)
def test_at_the_base_nothing_differs_by_a_bit(
    optimizer_class: Any, hyperparameters: dict[str, Any]
) -> None:
    ours, plain = model(), model()
    groups = groups_of(ours, optimizer_class, 1, **hyperparameters)
    assert len(groups) == 1
    own = optimizer_class(plain.parameters(), **hyperparameters).param_groups[0]
    for key in ("lr", "weight_decay"):
        assert (groups[0][key], type(groups[0][key])) == (own[key], type(own[key]))
    losses = [
        train(net, optimizer_class(given, **hyperparameters))
        for net, given in ((ours, groups), (plain, plain.parameters()))
    ]
    assert losses[0] == losses[1]


def test_each_parameter_trains_with_its_own_factor() -> None:
    """One step of SGD moves every parameter by its own learning rate times its gradient."""
    net = model()
    groups = groups_of(net, torch.optim.SGD, lr=0.5)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    optimizer = torch.optim.SGD(groups)
    net(torch.ones(4, 3)).square().mean().backward()
    optimizer.step()
    factors = {name: row.optimizers["sgd"].lr for name, row in plan_at(4).parameters.items()}
    assert set(factors.values()) == {4.0, 1.0, 0.25}
    for name, p in net.named_parameters():
        assert p.grad is not None
        torch.testing.assert_close(before[name] - p.detach(), 0.5 * factors[name] * p.grad)


def test_frozen_parameters_are_left_out() -> None:
    net = model()
    net[0].weight.requires_grad = False
    for form in (None, list(net.parameters()), [{"params": net.parameters()}]):
        names = settings_of(groups_of(net, lr=0.1, user_groups=form), "lr")
        assert set(names) == set(ROLES) - {"0.weight"}


def test_a_tensor_learning_rate_is_neither_shared_nor_changed() -> None:
    lr = torch.tensor(0.5)
    groups = groups_of(model(), lr=lr, foreach=False)
    groups += groups_of(model(), lr=lr, ratio=1)
    tensors = [group["lr"] for group in groups]
    assert all(isinstance(value, Tensor) for value in tensors)
    assert lr.item() == 0.5
    assert sorted(value.item() for value in tensors) == [0.125, 0.125, 0.5, 0.5, 0.5]
    assert len({value.data_ptr() for value in [lr, *tensors]}) == len(tensors) + 1


def test_all_hyperparameters_of_the_user_reach_the_optimizer() -> None:
    groups = groups_of(model(), lr=0.1, betas=(0.8, 0.9), amsgrad=True)
    for group in torch.optim.AdamW(groups).param_groups:
        assert (group["betas"], group["amsgrad"]) == ((0.8, 0.9), True)


def two_groups(net: nn.Module) -> list[dict[str, Any]]:
    matrices = [p for p in net.parameters() if p.ndim == 2]
    vectors = [p for p in net.parameters() if p.ndim < 2]
    return [
        {"params": matrices, "weight_decay": 0.5, "name": "decayed"},
        {"params": vectors, "lr": 0.2, "weight_decay": 0.0},
    ]


def test_user_groups_are_split_and_not_changed() -> None:
    net = model()
    given = two_groups(net)
    kept = [dict(group) | {"params": list(group["params"])} for group in given]
    groups = groups_of(net, lr=0.1, user_groups=given)
    assert printed(groups) == snapshot(
        [
            "decayed.input.lr=1: 0.weight; lr=0.1, weight_decay=0.5, eps=2.5e-09",
            "decayed.hidden.lr=0.25: 2.weight; lr=0.025, weight_decay=2, eps=2.5e-09",
            "decayed.output.lr=0.25: 4.weight; lr=0.025, weight_decay=2, eps=1e-08",
            "1.vector.lr=1: 0.bias, 2.bias; lr=0.2, weight_decay=0, eps=2.5e-09",
            "1.scalar.lr=1: 4.bias; lr=0.2, weight_decay=0, eps=1e-08",
        ]
    )
    for group, before in zip(given, kept, strict=True):
        assert list(group) == list(before)
        assert {k: v for k, v in group.items() if k != "params"} == {
            k: v for k, v in before.items() if k != "params"
        }
        assert all(a is b for a, b in zip(group["params"], before["params"], strict=True))


def test_a_group_keeps_hyperparameters_of_its_own() -> None:
    net = model()
    given = two_groups(net)
    given[0]["betas"] = (0.5, 0.6)
    optimizer = torch.optim.AdamW(groups_of(net, user_groups=given, betas=(0.8, 0.9)))
    betas = settings_of(optimizer.param_groups, "betas")
    assert (betas["2.weight"], betas["2.bias"]) == ((0.5, 0.6), (0.8, 0.9))


def test_forms_that_torch_accepts() -> None:
    net = model()
    expected = settings_of(groups_of(net, lr=0.1), "lr")
    forms: list[object] = [
        list(net.parameters()),
        net.parameters(),
        list(net.named_parameters()),
        net.named_parameters(),
        [{"params": net.parameters()}],
        [{"params": net.named_parameters()}],
        [{"params": p} for p in net.parameters()],
    ]
    for form in forms:
        assert settings_of(groups_of(net, lr=0.1, user_groups=form), "lr") == expected


def test_names_that_the_user_gave_stay() -> None:
    net = model()
    pairs = [(f"net.{name}", p) for name, p in net.named_parameters()]
    optimizer = torch.optim.AdamW(groups_of(net, user_groups=pairs))
    for group in optimizer.param_groups:
        assert group["param_names"] == [f"net.{name}" for name in group["mupfx"]["parameters"]]


def test_group_names_are_unique() -> None:
    net = model()
    given = [{"params": [p], "name": "own"} for p in net.parameters()]
    names = [group["name"] for group in groups_of(net, user_groups=given)]
    assert len(set(names)) == len(names) == 6
    assert names[1] == "own.vector.lr=1"
    assert names[3] == "own.vector.lr=1.2"


def test_a_saved_starting_rate_is_scaled_too() -> None:
    """Resuming a schedule, torch wants ``initial_lr`` in the group."""
    net = model()
    given = [{"params": net.parameters(), "initial_lr": 0.4}]
    assert settings_of(groups_of(net, user_groups=given), "initial_lr")["2.weight"] == 0.1


def test_other_names_of_a_tied_parameter() -> None:
    net = model()
    plan = plan_at(4)
    rows = dict(plan.parameters)
    rows["first"] = replace(rows.pop("0.weight"), name="first")
    renamed = replace(plan, parameters=rows, aliases={"0.weight": "first"})
    groups = build_groups(renamed, net.named_parameters(), torch.optim.AdamW, {})
    assert "first" in settings_of(groups, "lr")


@given(st.fractions(min_value=Fraction(1, 12), max_value=12))
def test_groups_are_as_few_as_the_factors_allow(ratio: Fraction) -> None:
    for optimizer_class, most in ((torch.optim.AdamW, 4), (torch.optim.SGD, 3)):
        groups = groups_of(model(), optimizer_class, ratio)
        factors = [tuple(group["mupfx"].get(key) for key in ("lr", "eps")) for group in groups]
        assert len(set(factors)) == len(factors) <= (1 if ratio == 1 else most)
        assert sorted(name for g in groups for name in g["mupfx"]["parameters"]) == sorted(ROLES)


class Forwarding(torch.optim.AdamW):
    """Passes keywords on, and names none of AdamW's."""

    def __init__(self, params: Any, lookahead: int = 5, **rest: Any) -> None:
        super().__init__(params, **rest)
        self.lookahead = lookahead


def test_defaults_behind_forwarded_keywords_are_found() -> None:
    groups = groups_of(model(), Forwarding, lr=0.1, lookahead=3)
    assert settings_of(groups, "weight_decay")["2.weight"] == 0.04
    with pytest.raises(OptimizerError):
        groups_of(model(), Forwarding, lr=0.1, lookbehind=3)


def test_a_named_family_scales_what_the_class_has() -> None:
    groups = groups_of(model(), Sign, lr=1.0, family="adamw")
    assert len(groups) == 4
    assert all("eps" not in group for group in groups)
    assert settings_of(groups, "weight_decay")["2.weight"] == 0.3 * 4
    assert {group["lr"] for group in Sign(groups, lr=1.0).param_groups} == {1.0, 0.25}


# ------------------------------------------------------------------------------- coupled decay


def test_coupled_decay_warns_once_and_is_left_alone() -> None:
    with pytest.warns(MupfxWarning) as caught:
        groups = groups_of(model(), torch.optim.Adam, lr=0.1, weight_decay=0.1)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert message.startswith("Adam adds weight decay to the gradient")
    assert "left as it is for 5 parameters (0.weight, ...)" in message
    assert message.endswith("use torch.optim.AdamW")
    assert set(settings_of(groups, "weight_decay").values()) == {0.1}


@pytest.mark.parametrize(
    ("ratio", "hyperparameters"),
    [
        (4, {}),
        (1, {"weight_decay": 0.1}),
        (4, {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ],
)
def test_no_warning_where_nothing_is_lost(ratio: int, hyperparameters: dict[str, Any]) -> None:
    groups = groups_of(model(), torch.optim.Adam, ratio, **hyperparameters)
    decay = settings_of(groups, "weight_decay")["2.weight"]
    assert decay == hyperparameters.get("weight_decay", 0) * ratio


def test_the_decoupled_flag_counts_group_by_group() -> None:
    net = model()
    given = two_groups(net)
    given[0]["decoupled_weight_decay"] = True
    groups = groups_of(net, torch.optim.Adam, user_groups=given)
    assert settings_of(groups, "weight_decay")["2.weight"] == 0.5 * 4

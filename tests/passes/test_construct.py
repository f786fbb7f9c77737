"""What an optimizer needs beside its groups: filled state, and steps that differ."""

import copy
import warnings
from typing import Any

import pytest
import torch
from inline_snapshot import snapshot
from torch import nn

from mupfx.core.optimizer_family import ADAM_LR, GRADIENT, Decay, OptimizerFamily
from mupfx.errors import MupfxWarning, OptimizerError
from mupfx.passes.groups import check_ratios, construct
from tests.passes.grouped import Sign, groups_of, model, settings_of, train

Optimizer = torch.optim.Optimizer


def made(net: nn.Module, optimizer_class: Any, ratio: int = 4, **hyperparameters: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MupfxWarning)
        groups = groups_of(net, optimizer_class, ratio, **hyperparameters)
    return construct(optimizer_class, groups, hyperparameters)


def rates(optimizer: Optimizer, net: nn.Module, steps: int, key: str = "lr") -> list[float]:
    """A number of the hidden weight's, as each step reads it."""
    hidden = net.get_parameter("2.weight")
    seen: list[float] = []

    def look(optimizer: Optimizer, args: object, kwargs: object) -> None:
        del args, kwargs
        groups = optimizer.param_groups
        seen.extend(g[key] for g in groups if any(p is hidden for p in g["params"]))

    optimizer.register_step_pre_hook(look)
    for _ in range(steps):
        one_step(net, optimizer)
    return seen


def one_step(net: nn.Module, optimizer: Optimizer) -> None:
    optimizer.zero_grad()
    torch.autograd.backward(net(torch.linspace(-1, 1, 12).reshape(4, 3)).square().mean())
    optimizer.step()


def test_adagrad_starts_with_squared_gradients_of_their_own_size() -> None:
    net = model()
    optimizer = made(net, torch.optim.Adagrad, lr=0.1, initial_accumulator_value=0.5)
    sums = {name: optimizer.state[p]["sum"].unique().tolist() for name, p in net.named_parameters()}
    assert sums["2.weight"] == sums["0.bias"] == [0.5 / 16]
    assert sums["4.weight"] == sums["4.bias"] == [0.5]


def test_radam_s_first_steps_are_those_of_sgd() -> None:
    """Lr x 4 in them, for gradients that are 1/4 as large."""
    net = model()
    optimizer = made(net, torch.optim.RAdam, lr=0.1)
    assert rates(optimizer, net, 7) == pytest.approx([0.1] * 5 + [0.025] * 2)
    assert settings_of(optimizer.param_groups, "lr")["2.weight"] == 0.025
    assert check_ratios(optimizer) == ()


@pytest.mark.parametrize(("decoupled", "early"), [(True, 0.5), (False, 0.5)])
def test_radam_s_weight_decay_in_its_first_steps(decoupled: bool, early: float) -> None:  # noqa: FBT001
    """Decoupled, the decay of a step stays; as a penalty it is left alone."""
    net = model()
    optimizer = made(
        net, torch.optim.RAdam, lr=0.1, weight_decay=0.5, decoupled_weight_decay=decoupled
    )
    late = 0.5 * 4 if decoupled else 0.5
    assert rates(optimizer, net, 6, "weight_decay") == pytest.approx([early] * 5 + [late])


def test_a_parameter_that_gets_its_first_gradient_late() -> None:
    net = model()
    optimizer = made(net, torch.optim.RAdam, lr=0.1)
    net.get_parameter("0.bias").requires_grad = False
    rates(optimizer, net, 6)
    net.get_parameter("0.bias").requires_grad_()
    early: list[float] = []

    def look(optimizer: Optimizer, args: object, kwargs: object) -> None:
        del args, kwargs
        for group in optimizer.param_groups:
            if any(p is net.get_parameter("0.bias") for p in group["params"]):
                early.append(group["lr"])
                early.append(len(group["params"]))

    optimizer.register_step_pre_hook(look)
    one_step(net, optimizer)
    assert early == [0.4, 1]


def test_a_step_that_raises_leaves_no_trace() -> None:
    net = model()
    optimizer = made(net, torch.optim.RAdam, lr=0.1)

    def fails() -> float:
        raise RuntimeError("no loss")

    for _ in range(2):
        with pytest.raises(RuntimeError):
            optimizer.step(fails)
    assert rates(optimizer, net, 1) == [0.1]
    assert settings_of(optimizer.param_groups, "lr")["2.weight"] == 0.025


def test_a_resumed_optimizer_goes_on_where_it_was() -> None:
    net = model()
    first = made(net, torch.optim.RAdam, lr=0.1)
    rates(first, net, 3)
    again = made(net, torch.optim.RAdam, lr=0.7)
    again.load_state_dict(copy.deepcopy(first.state_dict()))
    assert rates(again, net, 4) == pytest.approx([0.1, 0.1, 0.025, 0.025])


def test_earlier_state_begins_the_first_steps_anew() -> None:
    net = model()
    optimizer = made(net, torch.optim.RAdam, lr=0.1)
    start = copy.deepcopy(optimizer.state_dict())
    rates(optimizer, net, 8)
    optimizer.load_state_dict(start)
    assert rates(optimizer, net, 1)[-1] == pytest.approx(0.1)


def test_a_copy_that_lost_its_hooks_is_told() -> None:
    optimizer = made(model(), torch.optim.RAdam, lr=0.1)
    assert check_ratios(copy.deepcopy(optimizer)) == snapshot(
        (
            "RAdam's steps differ from one to the next, and nothing sees to it: it was not built by mupfx.optimizer, or was copied or unpickled since; build it there and load its state_dict",
        )
    )


def test_at_the_base_no_hook_is_needed() -> None:
    for optimizer_class in (torch.optim.RAdam, torch.optim.Adafactor, torch.optim.Adagrad):
        assert not made(model(), optimizer_class, 1)._optimizer_step_pre_hooks


def test_adafactor_s_cap_is_a_share_of_it() -> None:
    """Half of min(lr, 1/sqrt(step)), as at the base all of it."""
    net = model()
    optimizer = made(net, torch.optim.Adafactor, lr=0.8, eps=(1e-18, 1e-3), weight_decay=0.1)
    decays = [0.4 * 0.2] * 4
    expected = [0.5 * min(0.8, step**-0.5) for step in range(1, 5)]
    found = rates(optimizer, net, 4)
    assert found == pytest.approx(expected)
    twin = model()
    optimizer = made(twin, torch.optim.Adafactor, lr=0.8, eps=(1e-18, 1e-3), weight_decay=0.1)
    decay = rates(optimizer, twin, 4, "weight_decay")
    assert [lr * wd for lr, wd in zip(found, decay, strict=True)] == pytest.approx(decays)


def test_entries_of_tuples() -> None:
    adafactor = groups_of(model(), torch.optim.Adafactor, 1, eps=(1e-18, 1e-3))
    assert settings_of(adafactor, "eps")["2.weight"] == (1e-18, 1e-3)
    net = model()
    optimizer = made(net, torch.optim.Adafactor, eps=(1e-18, 1e-3))
    assert settings_of(optimizer.param_groups, "eps")["2.weight"] == (1e-18, 0.5e-3)
    steps = settings_of(groups_of(model(), torch.optim.Rprop, lr=0.1), "step_sizes")
    assert steps["2.weight"] == (0.25e-6, 12.5)
    optimizer.param_groups[1]["eps"] = (1e-18, 1e-3)
    assert check_ratios(optimizer) == snapshot(
        (
            "group 'hidden.lr=0.5': eps.1 is 0.001, expected 0.0005 beside group 'input+vector+scalar.lr=1'",
        )
    )


def warned(optimizer_class: Any, **hyperparameters: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        groups_of(model(), optimizer_class, **hyperparameters)
    return [str(warning.message) for warning in caught]


def test_what_groups_alone_cannot_say() -> None:
    assert warned(torch.optim.RAdam) == snapshot(
        [
            "RAdam needs more than groups can say: its first steps take another learning rate; build it with mupfx.optimizer(RAdam, model, ...)"
        ]
    )
    assert warned(torch.optim.Adagrad, initial_accumulator_value=0.1) == snapshot(
        [
            "Adagrad needs more than groups can say: its accumulators start at one value for all; build it with mupfx.optimizer(Adagrad, model, ...)"
        ]
    )
    assert warned(torch.optim.Adafactor) == snapshot(
        [
            "Adafactor's eps[0] is None: it is compared with gradients and with their squares, so that no factor makes it keep its effect as the model grows; pass eps=(1e-18, 1e-3)",
            "Adafactor needs more than groups can say: it takes no learning rate above 1/sqrt(step), whatever a group's factor; build it with mupfx.optimizer(Adafactor, model, ...)",
        ]
    )


def test_what_needs_no_warning() -> None:
    assert warned(torch.optim.Adagrad) == []
    assert warned(torch.optim.RAdam, ratio=1) == []
    assert warned(torch.optim.Adafactor, ratio=1) == []
    for optimizer_class in (torch.optim.NAdam, torch.optim.RMSprop, torch.optim.Rprop):
        assert warned(optimizer_class) == []


@pytest.mark.parametrize("optimizer_class", [torch.optim.RMSprop, torch.optim.Adadelta])
def test_a_penalty_warns_and_names_the_decoupled_form(optimizer_class: Any) -> None:
    message = warned(optimizer_class, weight_decay=0.1)[0]
    assert message.startswith(f"{optimizer_class.__name__} adds weight decay to the gradient")
    assert message.endswith("use weight_decay=0, or torch.optim.AdamW")


def test_a_penalty_of_nadam_can_be_decoupled() -> None:
    assert warned(torch.optim.NAdam, weight_decay=0.1)[0].endswith(
        "use decoupled_weight_decay=True"
    )
    assert warned(torch.optim.NAdam, weight_decay=0.1, decoupled_weight_decay=True) == []


OWN = OptimizerFamily(
    name="mine",
    lr=ADAM_LR,
    decay=Decay.KEPT,
    others={"damping": GRADIENT},
    source="my own measurements",
)


class Damped(Optimizer):
    """An optimizer of the user's own."""

    def __init__(
        self, params: Any, lr: float, weight_decay: float = 0.1, damping: float = 8.0
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "damping": damping})


class Declared(Damped):
    """The same, saying so itself."""

    mupfx_family = OWN


def test_a_row_of_the_user_s_own() -> None:
    given = groups_of(model(), Damped, lr=1.0, family=OWN)
    assert settings_of(given, "damping")["2.weight"] == 2.0
    assert settings_of(given, "lr")["2.weight"] == 0.25
    assert settings_of(given, "weight_decay")["2.weight"] == 0.4
    declared = groups_of(model(), Declared, lr=1.0)
    assert settings_of(declared, "damping") == settings_of(given, "damping")
    optimizer = construct(Declared, declared, {"lr": 1.0})
    optimizer.param_groups[0]["damping"] = 1.0
    assert "damping is 1" in check_ratios(optimizer)[0]


@pytest.mark.parametrize(("rule", "decay"), [("timescale", 1.2), ("sqrt", 0.6), ("const", 0.3)])
def test_rules_of_weight_decay(rule: str, decay: float) -> None:
    groups = groups_of(model(), Sign, lr=1.0, family="sign", wd_rule=rule)
    assert settings_of(groups, "weight_decay")["2.weight"] == pytest.approx(decay)
    assert settings_of(groups, "weight_decay")["0.weight"] == 0.3


class Forgetful(torch.optim.SGD):
    """Sets a rate of its own."""

    def __init__(self, params: Any, lr: float = 0.1) -> None:
        super().__init__(params, lr)
        for group in self.param_groups:
            group["lr"] = lr


def test_a_class_that_changes_its_groups_is_refused() -> None:
    with pytest.raises(OptimizerError, match="does not keep what its groups say"):
        construct(Forgetful, groups_of(model(), Forgetful), {})


def test_every_optimizer_trains() -> None:
    for optimizer_class, arguments in (
        (torch.optim.RAdam, {"lr": 0.01}),
        (torch.optim.Adagrad, {"lr": 0.1, "initial_accumulator_value": 0.1}),
        (torch.optim.Adafactor, {"lr": 0.1, "eps": (1e-18, 1e-3)}),
        (torch.optim.Rprop, {"lr": 0.01}),
        (torch.optim.ASGD, {"lr": 0.1}),
        (torch.optim.Adadelta, {"lr": 1.0}),
    ):
        net = model()
        losses = train(net, made(net, optimizer_class, **arguments))
        assert losses[-1] < losses[0]

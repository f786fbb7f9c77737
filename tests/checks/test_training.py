"""The training loop of a check: what it writes down, and that it is the user's own."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import CyclicLR, LambdaLR, OneCycleLR, ReduceLROnPlateau

from mupfx.core.report import Size
from mupfx.core.run import Run
from mupfx.core.setup import Setup
from mupfx.errors import OptimizerError
from mupfx.pipeline.checking.training import train


def loss(model: Any, batch: tuple[Tensor, Tensor]) -> Tensor:
    return functional.mse_loss(model(batch[0]), batch[1])


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(6, 4, generator=generator), torch.randn(6, 3, generator=generator)


def net(*, dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(4, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 3, bias=False)
    )


def setup(model: nn.Module, *optimizers: Any, schedulers: Any = ()) -> Setup:
    given = optimizers or (torch.optim.SGD(model.parameters(), lr=0.1),)
    x, y = batch()
    return Setup(Size(8), 0, model, given, (x, y), loss, (x,), {}, tuple(schedulers))


def sizes(run: Run, statistic: str = "updates") -> dict[str, float]:
    return {use.parameter: seen.size for use, seen in getattr(run, statistic).items()}


def test_updates_are_those_of_plain_training() -> None:
    model, twin = net(), net()
    run = train(setup(model), steps=4)
    x = batch()[0]
    old = {name: p.detach().clone() for name, p in twin.named_parameters()}
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        value = loss(twin, batch())
        losses.append(value.item())
        torch.autograd.backward(value)
        optimizer.step()
    assert all(map(torch.equal, model.parameters(), twin.parameters()))
    losses.append(loss(twin, batch()).item())
    assert run.losses == tuple(losses)
    h = twin[:3](x)
    assert sizes(run)["3.weight"] == pytest.approx(
        (h @ (twin.get_parameter("3.weight") - old["3.weight"]).T).square().mean().sqrt().item(),
        rel=1e-4,
    )
    assert sizes(run, "starts")["0.weight"] == pytest.approx(
        (x @ old["0.weight"].T).square().mean().sqrt().item(), rel=1e-4
    )


def test_two_trainings_give_the_same_numbers() -> None:
    one, other = (train(setup(net(dropout=0.4)), steps=4, means=True) for _ in range(2))
    assert one == other
    assert one.means


def test_the_generator_is_left_alone() -> None:
    made = setup(net(dropout=0.4))
    torch.manual_seed(7)
    expected = torch.randn(1)
    torch.manual_seed(7)
    train(made, steps=3)
    assert torch.equal(torch.randn(1), expected)


def test_several_passes_are_put_together() -> None:
    last = sizes(train(setup(net()), steps=4))["3.weight"]
    before = sizes(train(setup(net()), steps=3))["3.weight"]
    both = sizes(train(setup(net()), steps=4, recorded=2))["3.weight"]
    assert both == pytest.approx(((last**2 + before**2) / 2) ** 0.5)


def test_rates_are_seen_after_all_that_others_do_before_a_step() -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def warm_up(taken: Any, *_: object) -> None:
        taken.param_groups[0]["lr"] = 0.025

    optimizer.register_step_pre_hook(warm_up)
    run = train(setup(model, optimizer), steps=3)
    assert run.given["0.weight"] == 0.1
    assert [step["0.weight"] for step in run.rates] == [0.025, 0.025]


@pytest.mark.parametrize("seen_before", [True, False])
def test_rates_that_a_step_sets_itself_are_seen(*, seen_before: bool) -> None:
    """Whether or not torch has put its hooks around the step of the class below."""

    class Plain(torch.optim.Optimizer):
        def __init__(self, parameters: Any, lr: float) -> None:
            super().__init__(parameters, {"lr": lr})

        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            del closure
            rates.append(self.param_groups[0]["lr"])

    class Pinned(Plain):
        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            self.param_groups[0]["lr"] = 0.5
            super().step(closure)
            self.param_groups[0]["lr"] = 0.1

    rates: list[float] = []
    model = net()
    if seen_before:
        Plain(model.parameters(), lr=1.0)
    step, hooks = vars(Plain)["step"], 0
    optimizer = Pinned(model.parameters(), lr=0.1)

    def count(*_: object) -> None:
        nonlocal hooks
        hooks += 1

    optimizer.register_step_pre_hook(count)
    run = train(setup(model, optimizer), steps=2)
    assert (run.given["0.weight"], rates) == (0.1, [0.5])
    assert run.scheduled[0]["0.weight"] == 0.1
    assert run.rates[0]["0.weight"] == 0.5
    assert vars(Plain)["step"] is step
    assert hooks == (2 if seen_before else 1)


def test_schedulers_are_stepped() -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    schedulers = [LambdaLR(optimizer, lambda step: 0.5**step), ReduceLROnPlateau(optimizer)]
    run = train(setup(model, optimizer, schedulers=schedulers), steps=4)
    assert [step["0.weight"] for step in run.rates] == pytest.approx([0.1, 0.05, 0.025])
    assert run.given["0.weight"] == 0.1


@pytest.mark.parametrize("kind", [OneCycleLR, CyclicLR])
def test_one_maximum_of_several_groups_is_said(kind: Any) -> None:
    settings: Any = {"total_steps": 9} if kind is OneCycleLR else {"base_lr": 0.01}

    def said(peak: float | list[float]) -> tuple[str, ...]:
        model = net()
        groups = [{"params": [p], "lr": 0.1 / (i + 1)} for i, p in enumerate(model.parameters())]
        optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
        made = kind(optimizer, max_lr=peak, **settings)
        return train(setup(model, optimizer, schedulers=[made]), steps=2).pinned

    (sentence,) = said(0.2)
    assert sentence.startswith(f"{kind.__name__} sets the rate of all 3 groups by one maximum")
    assert not said([0.2, 0.1, 0.05])


def test_several_optimizers() -> None:
    model = net()
    first = torch.optim.SGD(model[0].parameters(), lr=0.1)
    second = torch.optim.Adam(model[3].parameters(), lr=0.2)
    run = train(setup(model, first, second), steps=2)
    assert run.rates[0] == {"0.weight": 0.1, "0.bias": 0.1, "3.weight": 0.2}
    assert run.families == {"0.weight": "SGD", "0.bias": "SGD", "3.weight": "Adam"}


def clipped(where: str) -> Run:
    model = net()
    optimizer: torch.optim.Optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    if where == "hook":

        def clip(*_: object) -> None:
            nn.utils.clip_grad_norm_(model.parameters(), 0.01)

        optimizer.register_step_pre_hook(clip)
    elif where == "step":

        class Clipping(torch.optim.SGD):
            def step(self, closure: Any = None) -> Any:
                nn.utils.clip_grad_norm_(model.parameters(), 0.01)
                return super().step(closure)

        optimizer = Clipping(model.parameters(), lr=0.1)
    elif where == "parameter":
        for parameter in model.parameters():
            parameter.register_hook(lambda g: g * 0.01 / g.norm())  # type: ignore[no-untyped-call]
    return train(setup(model, optimizer), steps=3)


def test_gradients_are_seen_whole_and_as_they_are_used() -> None:
    plain = clipped("")
    assert all(g.kept == 1 and g.kept_largest == 1 for s in plain.gradients for g in s.values())
    for where in ("hook", "step"):
        first = clipped(where).gradients[0]
        whole = sum(g.norm**2 for g in first.values()) ** 0.5
        assert whole == pytest.approx(sum(g.norm**2 for g in plain.gradients[0].values()) ** 0.5)
        assert {round(g.kept * whole, 5) for g in first.values()} == {0.01}
    tensors = clipped("parameter").gradients[0]
    assert {n: g.norm for n, g in tensors.items()} == pytest.approx(
        {n: g.norm for n, g in plain.gradients[0].items()}
    )
    assert {round(g.kept * g.norm, 5) for g in tensors.values()} == {0.01}


def test_a_frozen_parameter_has_no_gradient_and_no_update() -> None:
    model = net()
    model[0].weight.requires_grad = False
    run = train(setup(model), steps=3)
    assert "0.weight" not in run.gradients[0]
    assert sizes(run)["0.weight"] == 0


def test_what_is_not_finite_ends_it() -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e30)
    run = train(setup(model, optimizer), steps=6)
    assert run.not_finite
    assert len(run.rates) < 5


def test_a_compiled_model_is_watched_op_by_op() -> None:
    model = net()
    compiled: Any = torch.compile(model)
    run = train(setup(compiled), steps=2)
    assert {use.parameter for use in run.updates} == {
        "_orig_mod.0.weight", "_orig_mod.0.bias", "_orig_mod.3.weight",
    }  # fmt: skip


def test_no_backward_pass_follows_the_last_step() -> None:
    model, passes = net(), []
    model[3].register_full_backward_hook(lambda *_: passes.append(1))
    train(setup(model), steps=4)
    assert len(passes) == 3


def test_an_optimizer_that_needs_a_closure_is_refused() -> None:
    model = net()
    with pytest.raises(OptimizerError, match="several times"):
        train(setup(model, torch.optim.LBFGS(model.parameters())))

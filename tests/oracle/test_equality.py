"""Every number, and training itself, equal to microsoft/mup's; where mup is wrong, to the theory.

The short runs use narrower models at the oracle's own ratio: its numbers are functions of it.
"""

import copy
import functools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

import mupfx
from mupfx.core.plan import Plan
from tests.oracle.reference import NAMES, Oracle, drive

Optimizer = type[torch.optim.Optimizer]
ROOT_GROWTH = {"hf_gpt2", "hf_gpt2_tied", "hf_bert"}
"""Four heads whatever the width: head_dim grows."""


@functools.cache
def converted(name: str) -> tuple[nn.Module, nn.Module]:
    """The plain model and the converted one, at the oracle's widths."""
    oracle = Oracle.read(name)
    plain = oracle.build(oracle.target)
    return plain, convert(oracle, copy.deepcopy(plain), oracle.base)


def convert(oracle: Oracle, model: nn.Module, base: int) -> nn.Module:
    args, kwargs = oracle.example()
    # BERT keeps a spare output bias that its forward never reads.
    strict = oracle.name != "hf_bert"
    result: nn.Module = mupfx.convert(model, args, kwargs, base=oracle.build(base), strict=strict)
    return result


def folded(plan: Plan, parameter: str) -> float:
    """Multiplier of attention logits that conversion put into this parameter's values."""
    sites = (s for s in plan.sites.values() if s.lowering == "fold" and parameter in s.target)
    return math.prod(site.multiplier for site in sites)


def reached(name: str) -> list[str]:
    """Parameters of an oracle file that the forward pass reads."""
    return [p for p in Oracle.read(name).parameters if p != "cls.predictions.bias"]


def factors(model: nn.Module, optimizer: Optimizer, **hyper: Any) -> dict[str, dict[str, Any]]:
    """The group each parameter is in, by its name."""
    names = {p: name for name, p in model.named_parameters()}
    groups = mupfx.param_groups(model, optimizer=optimizer, lr=1.0, **hyper)
    return {names[p]: group for group in groups for p in group["params"]}


@pytest.mark.parametrize("name", NAMES)
def test_initial_values(name: str) -> None:
    """Values after over values before, times the multiplier, is mup's factor on the same draw."""
    oracle = Oracle.read(name)
    plain, model = converted(name)
    plan = mupfx.plan(model)
    tied = {"hf_gpt2_tied": {"transformer.wte.weight"}}.get(name, set())
    for parameter in reached(name):
        numbers = oracle.parameters[parameter]
        forward = 1.0 if parameter in tied else numbers["fwd"]
        expected = oracle.init_factor(parameter) * forward
        before, after = plain.get_parameter(parameter), model.get_parameter(parameter)
        scale = plan.parameters[parameter].multiplier
        torch.testing.assert_close(
            after * scale, before * expected, rtol=1e-6, atol=0, msg=parameter
        )


@pytest.mark.parametrize("name", NAMES)
def test_plan_says_the_same_as_the_values(name: str) -> None:
    """``init.factor`` is what the values were multiplied by."""
    plain, model = converted(name)
    plan = mupfx.plan(model)
    for parameter in reached(name):
        before, after = plain.get_parameter(parameter), model.get_parameter(parameter)
        factor = plan.parameters[parameter].init.factor
        torch.testing.assert_close(after, before * factor, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_learning_rate_of_adam(name: str) -> None:
    _, model = converted(name)
    found, plan = factors(model, torch.optim.Adam), mupfx.plan(model)
    tied = {"transformer.wte.weight": 1.0} if name == "hf_gpt2_tied" else {}
    for parameter in reached(name):
        canonical = Oracle.read(name).parameters[parameter]["canonical"]["eff_lr_adam"]
        expected = tied.get(parameter, canonical)
        effective = found[parameter]["lr"] * plan.parameters[parameter].multiplier
        assert effective == pytest.approx(expected, rel=1e-6), parameter


@pytest.mark.parametrize("name", NAMES)
def test_learning_rate_of_sgd(name: str) -> None:
    _, model = converted(name)
    found, plan = factors(model, torch.optim.SGD, momentum=0.9), mupfx.plan(model)
    tied = {"transformer.wte.weight": 2.0} if name == "hf_gpt2_tied" else {}
    for parameter in reached(name):
        canonical = Oracle.read(name).parameters[parameter]["canonical"]["eff_lr_sgd"]
        expected = tied.get(parameter, canonical)
        effective = found[parameter]["lr"] * plan.parameters[parameter].multiplier ** 2
        assert effective == pytest.approx(expected, rel=1e-6), parameter


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW])
def test_decay_rate(name: str, optimizer: Optimizer) -> None:
    """``lr * weight_decay``: in no gauge does it change."""
    _, model = converted(name)
    found = factors(model, optimizer, weight_decay=1.0)
    for parameter in reached(name):
        rate = found[parameter]["lr"] * found[parameter]["weight_decay"]
        expected = Oracle.read(name).parameters[parameter]["canonical"]["decay_rate_adamw"]
        assert rate == pytest.approx(expected, rel=1e-6), parameter


@pytest.mark.parametrize("name", NAMES)
def test_multipliers_are_those_of_folded_sites(name: str) -> None:
    """A stored weight differs from the effective one by what was folded into it, no more."""
    plan = mupfx.plan(converted(name)[1])
    for parameter in reached(name):
        multiplier = plan.parameters[parameter].multiplier
        assert multiplier * folded(plan, parameter) == pytest.approx(1), parameter


@pytest.mark.parametrize("name", NAMES)
def test_sites(name: str) -> None:
    """Logits over sqrt(base) where head_dim grows, the tied readout over the ratio, nothing else."""
    _, model = converted(name)
    ratio = Oracle.read(name).ratio
    moved = [s for s in mupfx.plan(model).sites.values() if s.multiplier != 1]
    logits = [s.multiplier for s in moved if s.kind == "attention"]
    tied = [s.multiplier for s in moved if s.kind == "tied_readout"]
    assert logits == pytest.approx([ratio**-0.5] * 2 if name in ROOT_GROWTH else [])
    assert tied == ([1 / ratio] if name == "hf_gpt2_tied" else [])
    assert len(moved) == len(logits) + len(tied)


STEPS: dict[str, tuple[Optimizer, dict[str, Any]]] = {
    "sgd": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-2}),
    "nesterov": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    "adam": (torch.optim.Adam, {"lr": 1e-3, "eps": 1e-30}),
    "adamw": (torch.optim.AdamW, {"lr": 1e-3, "eps": 1e-30, "weight_decay": 0.1}),
}


def language_loss(model: nn.Module, step: int) -> torch.Tensor:
    """Next-token loss on tokens that differ every step."""
    generator = torch.Generator().manual_seed(step)
    ids = torch.randint(0, 512, (2, 17), generator=generator)
    logits = model(input_ids=ids[:, :-1]).logits
    return functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())


def image_loss(model: nn.Module, step: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(step)
    inputs = torch.randn(8, 3072, generator=generator).double()
    targets = torch.randint(0, 10, (8,), generator=generator)
    return functional.cross_entropy(model(inputs), targets)


def train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_at: Callable[[nn.Module, int], torch.Tensor],
    steps: int,
) -> torch.Tensor:
    """The loss before each step."""
    losses = []
    for step in range(steps):
        optimizer.zero_grad()
        loss = loss_at(model, step)
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses)


def both(
    name: str, rule: str, base: int, steps: int, *, oracle: Oracle | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Losses of the converted model, and of the plain one driven by mup's numbers."""
    oracle = oracle or Oracle.read(name)
    optimizer, hyper = STEPS[rule]
    loss_at = language_loss if oracle.constant_std else image_loss
    plain = oracle.build(base * oracle.ratio)
    model = convert(oracle, copy.deepcopy(plain), base)
    driver = drive(oracle, plain, optimizer, **hyper)
    ours = train(model, mupfx.optimizer(optimizer, model, **hyper), loss_at, steps)
    return ours, train(plain, driver, loss_at, steps)


@pytest.mark.parametrize("rule", STEPS)
@pytest.mark.parametrize(
    ("name", "base", "steps"),
    [("mlp_test", 32, 20), ("hf_gpt2", 32, 20), ("hf_gpt2_tied", 32, 20), ("hf_llama", 128, 3)],
)
def test_training_in_short(name: str, rule: str, base: int, steps: int) -> None:
    ours, theirs = both(name, rule, base, steps)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=0)
    assert len(set(ours.tolist())) == steps


@pytest.mark.slow
@pytest.mark.parametrize("rule", STEPS)
@pytest.mark.parametrize("name", ["hf_gpt2", "hf_llama"])
def test_training(name: str, rule: str) -> None:
    ours, theirs = both(name, rule, Oracle.read(name).base, 20)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=0)


@pytest.mark.parametrize("number", ["lr", "fwd", "init"])
def test_training_would_notice_a_wrong_number(number: str) -> None:
    """The same comparison with one of mup's numbers doubled fails by far."""
    oracle = Oracle.read("hf_gpt2")
    head = copy.deepcopy(dict(oracle.parameters["lm_head.weight"]))
    if number == "fwd":
        head["fwd"] *= 2
    if number == "lr":
        head["lr"] = {rule: 2 * lr for rule, lr in head["lr"].items()}
    if number == "init":
        head["init"]["normal_std0.02"]["ratio_to_base"] *= 2
    wrong = Oracle(
        oracle.name, oracle.base, oracle.target, {**oracle.parameters, "lm_head.weight": head}
    )
    ours, theirs = both("hf_gpt2", "sgd", 32, 5, oracle=wrong)
    assert (ours - theirs).abs().max() > 1e-5

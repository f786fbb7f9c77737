"""Every optimizer changes the output alike at every width, each role trained by itself.

``pytest -m slow tests/measured/test_optimizers.py``. A tanh network 8, n, 2n, n, 1 with biases, n
from 32 to 512, eight steps at a small rate on a loss that is linear in the output, so that the
gradient never shrinks; medians of three seeds. The exponent of the output's change is predicted to
be 0; as measured it lies between -0.05 and +0.07 for every optimizer and role but Shampoo's input
weight (+0.16 over all widths, +0.05 over the last octave: eight columns are few beside 32 rows).
Without the learning rate's factor it is off by the factor's exponent, by 0.45 to 1.00.

Away from muP features move as ``width^-(1-s)/2``, -0.5, -0.25 and 0 for s = 0, 1/2 and 1: Muon's by
-0.48, -0.23, +0.02, SGD's by -0.51, -0.26, -0.01, AdamW's by -0.56, -0.31, -0.06.
"""

import copy
import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import mupfx
from tests.measured.slopes import medians, slope
from tests.passes.optimizers_of_ones_own import Atan2, Lion, Shampoo

O = torch.optim  # noqa: E741
BASE = 32
WIDTHS = (32, 64, 128, 256, 512)
SEEDS = range(3)
STEPS = 8
TOLERANCE, CONTROL = 0.1, 0.25
PREASYMPTOTIC = {("shampoo", "input"): 0.2}

OPTIMIZERS: Mapping[str, tuple[type[O.Optimizer], dict[str, Any]]] = {
    "sgd": (O.SGD, {"lr": 0.01, "momentum": 0.9, "nesterov": True}),
    "asgd": (O.ASGD, {"lr": 0.06, "lambd": 1e-3}),
    "adam": (O.Adam, {"lr": 0.002, "eps": 1e-3}),
    "amsgrad": (O.Adam, {"lr": 0.002, "eps": 1e-3, "amsgrad": True}),
    "adamw": (O.AdamW, {"lr": 0.002, "eps": 1e-3, "weight_decay": 0.0}),
    "nadam": (O.NAdam, {"lr": 0.002, "eps": 1e-3}),
    "adamax": (O.Adamax, {"lr": 0.002, "eps": 1e-3}),
    "rmsprop": (O.RMSprop, {"lr": 0.0006, "eps": 1e-3}),
    "rmsprop centered": (O.RMSprop, {"lr": 0.0006, "eps": 1e-3, "centered": True}),
    "radam": (O.RAdam, {"lr": 0.005}),
    "adagrad": (O.Adagrad, {"lr": 0.005, "eps": 1e-3, "initial_accumulator_value": 1e-6}),
    "adagrad filled": (O.Adagrad, {"lr": 0.005, "initial_accumulator_value": 1e-4}),
    "adadelta": (O.Adadelta, {"lr": 2.0, "eps": 1e-6}),
    "rprop": (O.Rprop, {"lr": 0.0006}),
    "adafactor": (O.Adafactor, {"lr": 0.005, "eps": (1e-18, 2e-2)}),
    "lion": (Lion, {"lr": 0.001}),
    "atan2": (Atan2, {"lr": 0.001}),
    "shampoo": (Shampoo, {"lr": 0.005, "eps": 1e-8}),
    "muon": (O.Muon, {"lr": 0.005, "weight_decay": 0.0}),
    "muon matched": (
        O.Muon,
        {"lr": 0.005, "weight_decay": 0.0, "adjust_lr_fn": "match_rms_adamw"},
    ),
}
MEMBERS = {
    "input": ("0.weight",),
    "vector": ("0.bias", "2.bias", "4.bias"),
    "hidden": ("2.weight", "4.weight"),
    "output": ("6.weight",),
}
QUIETER = {"hidden": 1 / 32, "output": 1 / 32}
"""Rates at the base, so that all roles move the output by about as much there."""
ALREADY_RELATIVE = ("adafactor", "sgd", "asgd", "adadelta", "muon", "muon matched", "shampoo")
CASES = [
    (name, role)
    for name in OPTIMIZERS
    for role in MEMBERS
    if not (name.startswith("muon") and role == "vector")
]


def data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(123)
    x = torch.randn(8, 8, generator=generator)
    signs = torch.sign(torch.randn(8, 1, generator=generator))
    return x / x.norm(dim=1, keepdim=True) * 8**0.5, signs


def mlp(n: int) -> nn.Sequential:
    tanh = nn.Tanh
    return nn.Sequential(
        nn.Linear(8, n), tanh(), nn.Linear(n, 2 * n), tanh(), nn.Linear(2 * n, n), tanh(),
        nn.Linear(n, 1),
    )  # fmt: skip


@cache
def converted(width: int, seed: int, parametrization: str = "mup") -> nn.Sequential:
    torch.manual_seed(1000 * width + seed)
    return mupfx.convert(mlp(width), data()[0], base=mlp(BASE), parametrization=parametrization)


def optimizer_of(model: nn.Module, name: str, role: str) -> O.Optimizer:
    for key, parameter in model.named_parameters():
        parameter.requires_grad = key in MEMBERS[role]
    optimizer_class, arguments = OPTIMIZERS[name]
    scale = 1.0 if name in ALREADY_RELATIVE and role == "hidden" else QUIETER.get(role, 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mupfx.MupfxWarning)
        return mupfx.optimizer(
            optimizer_class, model, **{**arguments, "lr": arguments["lr"] * scale}
        )


def change(  # noqa: PLR0913 - a run has this many sides
    width: int, seed: int, name: str, role: str, *, wrong: str | None, steps: int = STEPS
) -> float:
    """Root mean square of what some steps change of the output."""
    model = copy.deepcopy(converted(width, seed))
    optimizer = optimizer_of(model, name, role)
    if wrong is not None:
        spoil(optimizer, wrong)
    x, signs = data()
    with torch.no_grad():
        before = model(x)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.autograd.backward(-(model(x) * signs).mean())
        optimizer.step()
    with torch.no_grad():
        return float((model(x) - before).square().mean().sqrt())


def spoil(optimizer: O.Optimizer, wrong: str) -> None:
    """Leave out what mupfx does to a hyperparameter, or beside the groups."""
    if wrong == "steps":
        optimizer._optimizer_step_pre_hooks.clear()
        optimizer._optimizer_step_post_hooks.clear()
    for group in optimizer.param_groups:
        record = group["mupfx"]
        if wrong in record["base"]:
            group[wrong] = record["base"][wrong]
        for key, factor in record.get("state", {}).items() if wrong == "state" else ():
            for parameter in group["params"]:
                optimizer.state[parameter][key].div_(factor)


def exponent(name: str, role: str, *, wrong: str | None = None, steps: int = STEPS) -> float:
    """Of the output's change in the width."""
    few = name == "shampoo"  # its eigenvectors take their time
    steps, seeds = (2, SEEDS[:1]) if few else (steps, SEEDS)
    runs = [[change(n, s, name, role, wrong=wrong, steps=steps) for n in WIDTHS] for s in seeds]
    return slope(WIDTHS, medians(runs))


def factor(name: str, role: str) -> float:
    """Of the learning rate at the largest width."""
    groups = optimizer_of(copy.deepcopy(converted(WIDTHS[-1], 0)), name, role).param_groups
    return float(groups[0]["mupfx"]["lr"])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "role"), CASES)
def test_width_does_not_matter(name: str, role: str) -> None:
    assert abs(exponent(name, role)) <= PREASYMPTOTIC.get((name, role), TOLERANCE)
    if factor(name, role) != 1:
        assert abs(exponent(name, role, wrong="lr")) >= CONTROL


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("rmsprop", "input"),
        ("rmsprop", "hidden"),
        ("adadelta", "input"),
        ("adadelta", "vector"),
        ("adam", "input"),
        ("adam", "hidden"),
        ("adagrad", "hidden"),
    ],
)
def test_without_its_factor_eps_matters(name: str, role: str) -> None:
    """Where it is beside the gradient in size: those of -0.67 to -0.28, and Adadelta's of +0.6."""
    assert abs(exponent(name, role, wrong="eps")) >= CONTROL


@pytest.mark.slow
@pytest.mark.parametrize("role", ["input", "vector", "hidden"])
def test_without_its_first_steps_radam_is_slow(role: str) -> None:
    assert abs(exponent("radam", role, steps=5)) <= TOLERANCE
    assert exponent("radam", role, wrong="steps", steps=5) <= -CONTROL


@pytest.mark.slow
@pytest.mark.parametrize("role", ["input", "vector", "hidden"])
def test_without_their_factor_accumulators_matter(role: str) -> None:
    assert abs(exponent("adagrad filled", role)) <= TOLERANCE
    assert exponent("adagrad filled", role, wrong="state") <= -CONTROL


def feature_change(width: int, seed: int, parametrization: str, name: str) -> float:
    """Root mean square of what eight steps of the hidden weights change of the last features."""
    model = copy.deepcopy(converted(width, seed, parametrization))
    optimizer = optimizer_of(model, name, "hidden")
    x, signs = data()
    with torch.no_grad():
        before = model[:5](x)
    for _ in range(2 if name == "shampoo" else STEPS):
        optimizer.zero_grad()
        torch.autograd.backward(-(model(x) * signs).mean())
        optimizer.step()
    with torch.no_grad():
        return float((model[:5](x) - before).square().mean().sqrt())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["muon", "muon matched", "shampoo", "adafactor", "adamw", "sgd"])
@pytest.mark.parametrize("s", [0.0, 0.5, 1.0])
def test_features_move_as_the_parametrization_says(name: str, s: float) -> None:
    """From NTK to muP they move as ``width^-(1-s)/2``, whatever the optimizer."""
    seeds = SEEDS[:1] if name == "shampoo" else SEEDS
    runs = [[feature_change(n, seed, f"meta({s})", name) for n in WIDTHS] for seed in seeds]
    assert slope(WIDTHS, medians(runs)) == pytest.approx(-(1 - s) / 2, abs=0.12)

"""No gauge changes training: sixty steps of every optimizer, in any gauge, agree.

In double precision to 1e-12, whatever the multipliers; where they are powers of two, bit for bit in
single precision. What cannot follow is refused by name, and shown to differ.
"""

import copy
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import mupfx
from mupfx.core.optimizer_family import GRADIENT, NOTHING
from mupfx.tables.optimizers import FAMILIES
from mupfx.testing import ModelSpec
from tests.passes.optimizers_of_ones_own import Atan2, Lion, Shampoo

O = torch.optim  # noqa: E741
STEPS, MIDDLE = 60, 30

OPTIMIZERS: Mapping[str, tuple[type[O.Optimizer], dict[str, Any]]] = {
    "sgd": (O.SGD, {"lr": 0.1, "weight_decay": 0.05}),
    "momentum": (O.SGD, {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.05}),
    "nesterov": (O.SGD, {"lr": 0.03, "momentum": 0.9, "nesterov": True, "weight_decay": 0.05}),
    "sgd foreach": (O.SGD, {"lr": 0.05, "momentum": 0.9, "foreach": True}),
    "asgd": (O.ASGD, {"lr": 0.1, "lambd": 0.01, "t0": 20, "weight_decay": 0.05}),
    "adam": (O.Adam, {"lr": 0.02, "eps": 1e-3}),
    "adam coupled": (O.Adam, {"lr": 0.02, "eps": 1e-3, "weight_decay": 0.05}),
    "amsgrad": (O.Adam, {"lr": 0.02, "eps": 1e-3, "amsgrad": True}),
    "adam foreach": (O.Adam, {"lr": 0.02, "eps": 1e-3, "foreach": True}),
    "adam fused": (O.Adam, {"lr": 0.02, "eps": 1e-3, "fused": True}),
    "adam decoupled": (
        O.Adam,
        {"lr": 0.02, "eps": 1e-3, "weight_decay": 0.5, "decoupled_weight_decay": True},
    ),
    "adamw": (O.AdamW, {"lr": 0.02, "eps": 1e-3, "weight_decay": 0.5}),
    "adamax": (O.Adamax, {"lr": 0.02, "eps": 1e-3, "weight_decay": 0.05}),
    "nadam": (O.NAdam, {"lr": 0.02, "eps": 1e-3, "weight_decay": 0.05}),
    "nadam decoupled": (
        O.NAdam,
        {"lr": 0.02, "eps": 1e-3, "weight_decay": 0.5, "decoupled_weight_decay": True},
    ),
    "radam": (O.RAdam, {"lr": 0.02, "eps": 1e-3, "weight_decay": 0.05}),
    "radam decoupled": (
        O.RAdam,
        {"lr": 0.02, "eps": 1e-3, "weight_decay": 0.5, "decoupled_weight_decay": True},
    ),
    "rmsprop": (O.RMSprop, {"lr": 0.01, "eps": 1e-3, "weight_decay": 0.05}),
    "rmsprop centered": (
        O.RMSprop,
        {"lr": 0.01, "eps": 1e-3, "momentum": 0.5, "centered": True, "weight_decay": 0.05},
    ),
    "adagrad": (
        O.Adagrad,
        {"lr": 0.05, "eps": 1e-3, "initial_accumulator_value": 0.1, "weight_decay": 0.05},
    ),
    "adadelta": (O.Adadelta, {"lr": 1.0, "eps": 1e-4, "weight_decay": 0.05}),
    "rprop": (O.Rprop, {"lr": 0.003, "step_sizes": (1e-3, 5e-3)}),
    "adafactor": (O.Adafactor, {"lr": 0.05, "eps": (1e-18, 0.2), "weight_decay": 0.2}),
    "lion": (Lion, {"lr": 0.003, "weight_decay": 0.5}),
    "atan2": (Atan2, {"lr": 0.01, "weight_decay": 0.5}),
    "shampoo": (Shampoo, {"lr": 0.01, "eps": 1e-2, "weight_decay": 0.5}),
    "muon": (O.Muon, {"lr": 0.02, "weight_decay": 0.5}),
    "muon matched": (O.Muon, {"lr": 0.02, "weight_decay": 0.5, "adjust_lr_fn": "match_rms_adamw"}),
}
ANY_GAUGE = sorted(set(OPTIMIZERS) - {"muon", "muon matched"})
"""Muon computes in bfloat16, and follows powers of two alone."""
BY_BITS = sorted(set(OPTIMIZERS) - {"shampoo"})
"""Shampoo's eigenvectors are not computed alike for a matrix and its multiple."""
STATE_KNOWN = sorted(set(ANY_GAUGE) - {"shampoo"})
"""Of Shampoo, every implementation names its state differently."""

STEPS_OF: Mapping[str, tuple[str, ...]] = {
    "tokens": ("linear", "plain_mlp", "mlp", "attention", "layer_norm", "rms_norm", "gain"),
    "features": ("linear", "plain_mlp", "mlp", "layer_norm", "rms_norm", "gain"),
    "image": ("pointwise", "depthwise"),
}
"""No bias whose gradient is zero by a symmetry: its rounding errors alone would train."""


@st.composite
def specs(draw: st.DrawFn) -> ModelSpec:
    source = draw(st.sampled_from(sorted(STEPS_OF)))
    steps = st.lists(st.sampled_from(STEPS_OF[source]), max_size=2)
    return ModelSpec(
        source=source,
        heads=draw(st.integers(1, 2)),
        head_dim=draw(st.integers(2, 4)),
        steps=tuple(draw(steps)),
        tied=source == "tokens" and draw(st.booleans()),
        seed=draw(st.integers(0, 9)),
    )


PLAIN = ModelSpec("tokens", 2, 4, ("mlp", "linear"), tied=False, seed=1)


@cache
def converted(spec: ModelSpec) -> tuple[nn.Module, Tensor]:
    """Twice as wide as its base, so that no factor is one; with inputs."""
    model, (inputs,) = spec.build(2)
    return mupfx.convert(model, (inputs,), base=spec.build()[0]), inputs


def fresh(spec: ModelSpec, name: str, dtype: torch.dtype) -> nn.Module:
    model = copy.deepcopy(converted(spec)[0]).to(dtype)
    if name.startswith("muon"):
        for parameter in model.parameters():
            parameter.requires_grad = parameter.ndim == 2
    return model


def made(model: nn.Module, name: str) -> O.Optimizer:
    optimizer_class, arguments = OPTIMIZERS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mupfx.MupfxWarning)  # a coupled penalty, on purpose
        return mupfx.optimizer(optimizer_class, model, **arguments)


def run(model: nn.Module, optimizer: O.Optimizer, spec: ModelSpec, steps: range) -> None:
    inputs = converted(spec)[1]
    dtype = next(model.parameters()).dtype
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        x = inputs.to(dtype) if inputs.is_floating_point() else inputs
        logits = model(x).flatten(0, -2)
        labels = torch.randint(0, logits.shape[1], (len(logits),), generator=generator)
        optimizer.zero_grad()
        torch.autograd.backward(nn.functional.cross_entropy(logits, labels))
        optimizer.step()


def effective(model: nn.Module) -> dict[str, Tensor]:
    plan = mupfx.plan(model)
    return {
        name: parameter.detach() * plan.parameters[name].multiplier
        for name, parameter in model.named_parameters()
    }


def deviation(left: nn.Module, right: nn.Module) -> float:
    a, b = effective(left), effective(right)
    return max(float((a[n] - b[n]).norm() / b[n].norm().clamp_min(1e-30)) for n in b)


def gauge_of(model: nn.Module, seed: int, *, exact: bool) -> dict[str, float]:
    """A random multiplier a parameter, between 0.16 and 3."""
    generator = torch.Generator().manual_seed(seed)
    names = [name for name, _ in model.named_parameters()]
    logs = torch.empty(len(names)).uniform_(-1.83, 1.09, generator=generator).tolist()
    values = [float(torch.tensor(log).exp()) for log in logs]
    if exact:
        values = [2.0 ** int(torch.randint(-3, 4, (), generator=generator)) for _ in values]
    return dict(zip(names, values, strict=True))


@contextmanager
def computing_in(dtype: torch.dtype) -> Iterator[None]:
    """ASGD keeps its rate in the default type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def reference(spec: ModelSpec, name: str, dtype: torch.dtype) -> nn.Module:
    model = fresh(spec, name, dtype)
    with computing_in(dtype):
        run(model, made(model, name), spec, range(STEPS))
    return model


def moved_first(spec: ModelSpec, name: str, dtype: torch.dtype, gauge: dict[str, float]) -> Any:
    model = mupfx.regauge_(fresh(spec, name, dtype), gauge)
    with computing_in(dtype):
        run(model, made(model, name), spec, range(STEPS))
    return model


def moved_midway(spec: ModelSpec, name: str, dtype: torch.dtype, gauge: dict[str, float]) -> Any:
    model = fresh(spec, name, dtype)
    with computing_in(dtype):
        optimizer = made(model, name)
        run(model, optimizer, spec, range(MIDDLE))
        mupfx.regauge_(model, gauge, optimizer=optimizer)
        assert mupfx.check_groups(optimizer) == ()
        run(model, optimizer, spec, range(MIDDLE, STEPS))
    return model


# --------------------------------------------------------------------------------- it holds


@pytest.mark.parametrize("name", ANY_GAUGE)
def test_any_gauge(name: str) -> None:
    gauge = gauge_of(converted(PLAIN)[0], 3, exact=False)
    plain = reference(PLAIN, name, torch.float64)
    assert deviation(plain, fresh(PLAIN, name, torch.float64)) > 1e-2, "training must matter"
    assert deviation(moved_first(PLAIN, name, torch.float64, gauge), plain) < 1e-12


@pytest.mark.parametrize("name", STATE_KNOWN)
def test_any_gauge_for_a_live_optimizer(name: str) -> None:
    gauge = gauge_of(converted(PLAIN)[0], 4, exact=False)
    plain = reference(PLAIN, name, torch.float64)
    assert deviation(moved_midway(PLAIN, name, torch.float64, gauge), plain) < 1e-12


@pytest.mark.parametrize("name", BY_BITS)
def test_powers_of_two_bit_for_bit(name: str) -> None:
    gauge = gauge_of(converted(PLAIN)[0], 5, exact=True)
    plain = reference(PLAIN, name, torch.float32)
    assert deviation(moved_first(PLAIN, name, torch.float32, gauge), plain) == 0.0
    assert deviation(moved_midway(PLAIN, name, torch.float32, gauge), plain) == 0.0


@settings(max_examples=max(5, (settings.default.max_examples if settings.default else 10)))
@given(
    spec=specs(),
    name=st.sampled_from(STATE_KNOWN),
    seed=st.integers(0, 2**16),
    exact=st.booleans(),
    midway=st.booleans(),
)
def test_generated_models(
    spec: ModelSpec, name: str, seed: int, *, exact: bool, midway: bool
) -> None:
    gauge = gauge_of(converted(spec)[0], seed, exact=exact)
    dtype = torch.float32 if exact else torch.float64
    moved = (moved_midway if midway else moved_first)(spec, name, dtype, gauge)
    assert deviation(moved, reference(spec, name, dtype)) <= (0.0 if exact else 1e-12)


class Sparse(nn.Module):
    """An embedding whose gradient is sparse."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, width, sparse=True)
        self.readout = nn.Linear(width, 5)

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.readout(self.embedding(tokens))
        return out


@pytest.mark.parametrize(("gauge", "dtype"), [(2.7, torch.float64), (4.0, torch.float32)])
@pytest.mark.parametrize("midway", [True, False])
def test_sparse_adam(gauge: float, dtype: torch.dtype, *, midway: bool) -> None:
    tokens = torch.arange(12).reshape(3, 4) % 7
    weights = []
    for value in (1.0, gauge):
        torch.manual_seed(0)
        model = mupfx.convert(Sparse(8), tokens, base=Sparse(4)).to(dtype)
        model.readout.requires_grad_(requires_grad=False)
        if not midway:
            mupfx.regauge_(model, {"embedding.weight": value})
        optimizer: Any = mupfx.optimizer(O.SparseAdam, model, lr=0.05, eps=1e-3)
        for step in range(STEPS):
            if midway and step == MIDDLE:
                mupfx.regauge_(model, {"embedding.weight": value}, optimizer=optimizer)
            optimizer.zero_grad()
            torch.autograd.backward((model(tokens + step % 4) ** 2).mean())
            optimizer.step()
        weights.append(effective(model)["embedding.weight"])
    deviates = float((weights[0] - weights[1]).norm() / weights[0].norm())
    assert deviates <= (0.0 if dtype is torch.float32 else 1e-12)


# --------------------------------------------------------------------------- it would show


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("adamw", {"state": {**(FAMILIES["adamw"].state or {}), "exp_avg": NOTHING}}),
        ("adamw", {"state": {**(FAMILIES["adamw"].state or {}), "exp_avg_sq": GRADIENT}}),
        ("adamw", {"others": {"eps": NOTHING}}),
        ("momentum", {"state": {"momentum_buffer": NOTHING}}),
        ("adagrad", {"state": {"sum": GRADIENT, "step": NOTHING}}),
        ("rprop", {"state": {**(FAMILIES["rprop"].state or {}), "step_size": NOTHING}}),
    ],
)
def test_a_wrong_row_shows(name: str, wrong: dict[str, Any]) -> None:
    gauge = gauge_of(converted(PLAIN)[0], 4, exact=False)
    model = fresh(PLAIN, name, torch.float64)
    optimizer = made(model, name)
    run(model, optimizer, PLAIN, range(MIDDLE))
    family = replace(FAMILIES[optimizer.param_groups[0]["mupfx"]["family"]], **wrong)
    mupfx.regauge_(model, gauge, optimizer=optimizer, family=family)
    run(model, optimizer, PLAIN, range(MIDDLE, STEPS))
    assert deviation(model, reference(PLAIN, name, torch.float64)) > 1e-4


@pytest.mark.parametrize("name", ["radam", "adagrad"])
def test_groups_alone_show(name: str) -> None:
    """Without what ``mupfx.optimizer`` does beside them, gauges differ, and are told to."""
    optimizer_class, arguments = OPTIMIZERS[name]
    arguments = {key: value for key, value in arguments.items() if key != "weight_decay"}
    gauge = gauge_of(converted(PLAIN)[0], 4, exact=False)
    models = []
    for moved in ({}, gauge):
        model = mupfx.regauge_(fresh(PLAIN, name, torch.float64), moved)
        with pytest.warns(mupfx.MupfxWarning, match="needs more than groups can say"):
            groups = mupfx.param_groups(model, optimizer_class, **arguments)
        run(model, optimizer_class(groups, **arguments), PLAIN, range(STEPS))
        models.append(model)
    assert deviation(*models) > 1e-3


# ------------------------------------------------------------------- what has no gauge


def live(name: str, optimizer_class: Any, **arguments: Any) -> tuple[nn.Module, O.Optimizer]:
    model = fresh(PLAIN, name, torch.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mupfx.MupfxWarning)
        return model, mupfx.optimizer(optimizer_class, model, **arguments)


def test_lbfgs_is_refused_and_would_have_differed() -> None:
    model = fresh(PLAIN, "lbfgs", torch.float64)
    with pytest.raises(mupfx.OptimizerError, match="LBFGS cannot be put into a parametrization"):
        mupfx.optimizer(O.LBFGS, model)
    gauge = gauge_of(model, 4, exact=False)
    with pytest.raises(mupfx.OptimizerError, match="LBFGS cannot"):
        mupfx.regauge_(model, gauge, optimizer=O.LBFGS(model.parameters()))
    assert deviation(model, fresh(PLAIN, "lbfgs", torch.float64)) == 0
    trained = []
    for moved in ({}, gauge):
        model = mupfx.regauge_(fresh(PLAIN, "lbfgs", torch.float64), moved)
        optimizer: Any = O.LBFGS(model.parameters(), lr=0.5, max_iter=10)

        def loss(model: nn.Module = model, optimizer: Any = optimizer) -> Tensor:
            optimizer.zero_grad()
            value: Tensor = model(converted(PLAIN)[1]).square().mean()
            torch.autograd.backward(value)
            return value

        optimizer.step(loss)
        trained.append(model)
    assert deviation(*trained) > 1e-3


def test_adafactor_with_a_clamp_is_refused_and_would_have_differed() -> None:
    arguments: dict[str, Any] = {"lr": 0.3, "eps": (1e-2, 1e-3)}
    model, optimizer = live("adafactor", O.Adafactor, **arguments)
    gauge = gauge_of(model, 4, exact=False)
    with pytest.raises(mupfx.OptimizerError, match="Adafactor trains differently"):
        mupfx.regauge_(model, gauge, optimizer=optimizer)
    trained = []
    for moved in ({}, gauge):
        model = mupfx.regauge_(fresh(PLAIN, "adafactor", torch.float64), moved)
        with pytest.warns(mupfx.MupfxWarning, match=r"eps\[0\] is 0.01"):
            optimizer = mupfx.optimizer(O.Adafactor, model, **arguments)
        run(model, optimizer, PLAIN, range(STEPS))
        trained.append(model)
    assert deviation(*trained) > 1e-3


def test_muon_but_for_powers_of_two_is_refused_and_would_have_differed() -> None:
    model = fresh(PLAIN, "muon", torch.float64)
    optimizer = made(model, "muon")
    gauge = gauge_of(model, 4, exact=False)
    with pytest.raises(mupfx.OptimizerError, match="Muon trains differently"):
        mupfx.regauge_(model, gauge, optimizer=optimizer)
    moved = moved_first(PLAIN, "muon", torch.float64, gauge)
    assert deviation(moved, reference(PLAIN, "muon", torch.float64)) > 1e-3
    mupfx.regauge_(model, gauge, optimizer=optimizer, exact=True)
    run(model, optimizer, PLAIN, range(STEPS))
    assert deviation(model, reference(PLAIN, "muon", torch.float64)) == 0.0

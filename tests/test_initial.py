"""IC-MF: a mean-field net that starts as the default one, by a frozen copy of its start."""

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import mupfx
from mupfx.errors import LoweringError, ModelError, ParametrizationError

BASE, FEATURES, CLASSES = 32, 6, 5


def net(width: int, *, seed: int = 0, dropout: float = 0.0, bias: bool = False) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = nn.Sequential(
            nn.Linear(FEATURES, width, bias=bias),
            nn.Tanh(),
            nn.Dropout(dropout),
            nn.Linear(width, width, bias=bias),
            nn.Tanh(),
            nn.Linear(width, CLASSES, bias=bias),
        ).double()
        for module in made:
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=module.in_features**-0.5)
    return made


def inputs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(16, FEATURES, generator=generator, dtype=torch.float64)
    return x, torch.randn(16, CLASSES, generator=generator, dtype=torch.float64)


def corrected(width: int, **given: Any) -> nn.Sequential:
    return converted(net(width, **given), "ic_mean_field")


def converted(model: nn.Sequential, table: str) -> nn.Sequential:
    laws = {"*.weight": "lecun_normal"}
    return mupfx.convert(model, inputs()[0], base=BASE, parametrization=table, init=laws)


def outputs(
    model: Callable[[Tensor], Tensor], optimizer: torch.optim.Optimizer, steps: int = 50
) -> Tensor:
    """What a model makes at every step of training."""
    x, y = inputs()
    found = []
    for _ in range(steps):
        made = model(x)
        found.append(made.detach())
        optimizer.zero_grad()
        functional.mse_loss(made, y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return torch.stack(found)


OPTIMIZERS: list[tuple[Any, dict[str, Any]]] = [
    (torch.optim.SGD, {"lr": 0.5, "momentum": 0.9}),
    (torch.optim.Adam, {"lr": 3e-3}),
]
KINDS = pytest.mark.parametrize(("kind", "given"), OPTIMIZERS, ids=["SGD", "Adam"])


@KINDS
def test_at_the_base_it_is_the_default_net(kind: Any, given: dict[str, Any]) -> None:
    plain, model = net(BASE), corrected(BASE)
    expected = outputs(plain, kind(plain.parameters(), **given))
    found = outputs(model, mupfx.optimizer(kind, model, **given))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    assert len(model.state_dict()) == len(plain.state_dict())


class ByHand(nn.Module):
    """f_MF(t) - f_MF(0) + f_default(0), as the paper has it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ratio = width / BASE
        self.default, self.net = net(width), net(width)
        with torch.no_grad():
            self.net.get_parameter("5.weight").mul_(self.ratio**-0.5)
        self.start = copy.deepcopy(self.net)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            constant = self.default(x) - self.start(x)
        out: Tensor = self.net(x) + constant
        return out

    def groups(self, kind: Any, lr: float) -> list[dict[str, Any]]:
        """MuP's rates, written out."""
        n = self.ratio
        factors = (n, 1.0, 1 / n) if kind is torch.optim.SGD else (1.0, 1 / n, 1 / n)
        weights = (self.net[0].weight, self.net[3].weight, self.net[5].weight)
        return [
            {"params": [w], "lr": lr * f, "eps": 1e-30} if kind is torch.optim.Adam
            else {"params": [w], "lr": lr * f}
            for w, f in zip(weights, factors, strict=True)
        ]  # fmt: skip


@KINDS
def test_wider_it_is_the_formula(kind: Any, given: dict[str, Any]) -> None:
    other, model = ByHand(4 * BASE), corrected(4 * BASE)
    rest = {key: value for key, value in given.items() if key != "lr"}
    if kind is torch.optim.Adam:
        rest["eps"] = 1e-30
    expected = outputs(other, kind(other.groups(kind, given["lr"]), **rest))
    found = outputs(model, mupfx.optimizer(kind, model, lr=given["lr"], **rest))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(found[0], net(4 * BASE)(inputs()[0]), rtol=1e-12, atol=1e-12)
    plain = converted(net(4 * BASE), "mean_field")
    without = outputs(plain, mupfx.optimizer(kind, plain, lr=given["lr"], **rest))
    assert (without - expected).abs().max() > 0.05


@pytest.mark.parametrize(("table", "expected"), [("ic_mean_field", 0.0), ("mean_field", -0.5)])
def test_the_output_at_the_start(table: str, expected: float) -> None:
    """Over 80 numbers and four seeds each, from 32 to 512 wide."""
    x = inputs()[0]
    sizes = []
    for width in (BASE, 16 * BASE):
        models = (net(width, seed=seed) for seed in range(4))
        made = [converted(m, table)(x).detach() for m in models]
        sizes.append(float(torch.stack(made).pow(2).mean().sqrt()))
    assert math.log(sizes[1] / sizes[0], 16) == pytest.approx(expected, abs=0.1)


def trained() -> nn.Sequential:
    model = corrected(4 * BASE, bias=True)
    outputs(model, mupfx.optimizer(torch.optim.SGD, model, lr=0.1), steps=3)
    return model


def test_the_copy_shares_nothing_that_trains() -> None:
    model = corrected(4 * BASE, bias=True)
    assert [name for name, _ in model.named_parameters()] == [
        name for name, _ in net(BASE, bias=True).named_parameters()
    ]
    start = {name: value.clone() for name, value in model.named_buffers()}
    outputs(model, mupfx.optimizer(torch.optim.SGD, model, lr=0.5), steps=5)
    assert start
    for name, value in model.named_buffers():
        torch.testing.assert_close(value, start[name], rtol=0, atol=0)
        assert not value.requires_grad
    storages = {p.untyped_storage().data_ptr() for p in model.parameters()}
    assert not storages & {b.untyped_storage().data_ptr() for b in model.buffers()}


def reloaded(model: nn.Sequential) -> nn.Sequential:
    other = corrected(4 * BASE, seed=7, bias=True)
    assert not torch.allclose(other(inputs()[0]), model(inputs()[0]))
    other.load_state_dict(model.state_dict())
    return other


COPIES: dict[str, Callable[[nn.Sequential], nn.Sequential]] = {
    "state_dict": reloaded,
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
}


@pytest.mark.parametrize("way", COPIES)
def test_it_survives(way: str) -> None:
    """And trains on as the model itself does."""
    model = trained()
    other = COPIES[way](model)
    x = inputs()[0]
    torch.testing.assert_close(other(x), model(x), rtol=0, atol=0)
    runs = [
        outputs(m, mupfx.optimizer(torch.optim.SGD, m, lr=0.1), steps=4) for m in (model, other)
    ]
    torch.testing.assert_close(*runs, rtol=0, atol=0)


def test_it_follows_the_model_to_another_type() -> None:
    model = trained()
    x = inputs()[0]
    expected = model(x)
    torch.testing.assert_close(model.float()(x.float()), expected.float(), rtol=1e-4, atol=1e-5)


def test_the_start_never_drops_out() -> None:
    """With every unit dropped the net itself makes nothing; what is left is the start, in full."""
    model = corrected(4 * BASE, dropout=0.5)
    x = inputs()[0]
    model.eval()
    start = model(x).detach()
    model.train()
    for module in model.modules():
        if isinstance(module, nn.Dropout) and module.training:
            module.p = 1.0
    assert model.training
    torch.testing.assert_close(model(x), start / 2, rtol=1e-12, atol=1e-12)


class Structured(nn.Module):
    """Logits in a dict, beside a loss that was made of them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(FEATURES, width), nn.Linear(width, CLASSES)
        self.other = nn.Linear(width, 2)
        self.double()

    def forward(self, x: Tensor, y: Tensor | None = None) -> dict[str, Tensor]:
        h = torch.tanh(self.body(x))
        logits, other = self.head(h), self.other(h)
        loss = logits.square().mean() if y is None else functional.mse_loss(logits, y)
        return {"logits": logits, "other": other, "loss": loss}


def test_outputs_may_be_structures_with_several_readouts() -> None:
    torch.manual_seed(0)
    plain = Structured(4 * BASE)
    for layer in (plain.head, plain.other):
        nn.init.zeros_(layer.bias)
    model = copy.deepcopy(plain)
    x, y = inputs()
    laws = {"body.bias": "constant"}
    mupfx.convert(model, x, base=BASE, parametrization="ic_mean_field", init=laws)
    found, expected = model(x, y=y), plain(x)
    for name in ("logits", "other"):
        torch.testing.assert_close(found[name], expected[name], rtol=1e-12, atol=1e-12)
    assert found["loss"] == functional.mse_loss(found["logits"], y)
    found["loss"].backward()
    assert model.body.weight.grad is not None


def test_the_bias_of_the_readout_is_no_part_of_the_start() -> None:
    model = corrected(4 * BASE, bias=True)
    x = inputs()[0]
    start = model(x).detach()
    with torch.no_grad():
        model.get_parameter("5.weight").zero_()
        model.get_parameter("5.bias").zero_()
    alone = model(x)  # what the copy adds: (2 - 1) * start without its bias
    bias = corrected(4 * BASE, bias=True).get_parameter("5.bias")
    torch.testing.assert_close(start, 2 * alone + bias, rtol=1e-12, atol=1e-12)


def test_converted_on_meta_the_start_is_kept_when_there_are_values() -> None:
    with torch.device("meta"):
        model = net(4 * BASE)
    mupfx.convert(model, inputs()[0].to("meta"), base=BASE, parametrization="ic_mean_field")
    model.to_empty(device="cpu")
    model.load_state_dict(net(4 * BASE).state_dict())
    mupfx.rescale_(model)
    torch.testing.assert_close(
        model(inputs()[0]), net(4 * BASE)(inputs()[0]), rtol=1e-12, atol=1e-12
    )


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(FEATURES, 4 * BASE)
        self.out = nn.Parameter(torch.randn(CLASSES, 4 * BASE))

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.body(x)) @ self.out.t() * 1.5


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(FEATURES, 4 * BASE), nn.Linear(4 * BASE, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        h = self.body(x)
        out: Tensor = self.head(torch.tanh(h)) + self.head(torch.relu(h))
        return out


class Mean(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.more = nn.Linear(FEATURES, 4 * BASE), nn.Linear(4 * BASE, 4 * BASE)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.more(torch.tanh(self.body(x)))).mean(-1)


def normed() -> nn.Module:
    layers = nn.Linear(FEATURES, 4 * BASE), nn.BatchNorm1d(4 * BASE), nn.Linear(4 * BASE, CLASSES)
    return nn.Sequential(*layers)


REFUSED: dict[str, tuple[Callable[[], nn.Module], type[Exception], str]] = {
    "batch norm": (normed, ParametrizationError, "batch norm"),
    "no module": (Functional, LoweringError, "no module"),
    "used twice": (Twice, ParametrizationError, "used twice"),
    "no readout": (Mean, ParametrizationError, "no readout that ends the model"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    build, error, words = REFUSED[name]
    with pytest.raises(error, match=words):
        mupfx.convert(build(), inputs()[0].float(), base=BASE, parametrization="ic_mean_field")


def test_a_call_that_would_go_without_the_start_is_refused() -> None:
    model, x = corrected(4 * BASE), inputs()[0]
    with pytest.raises(ModelError, match="once in every call"):
        model.forward(x)  # type: ignore[no-untyped-call]
    model(x)


def test_an_argument_that_a_model_may_write_to_is_refused() -> None:
    class Cache:
        pass

    class Cached(Structured):
        def forward(
            self, x: Tensor, y: Tensor | None = None, cache: Cache | None = None
        ) -> dict[str, Tensor]:
            del cache
            return Structured.forward(self, x, y)

    model = Cached(4 * BASE)
    mupfx.convert(model, inputs()[0], base=BASE, parametrization="ic_mean_field")
    with pytest.raises(ModelError, match="type Cache"):
        model(inputs()[0], cache=Cache())

"""Coordinates, updates and own updates against the same numbers worked out by hand."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import mupfx
from mupfx import Observations
from mupfx.observables.coordinates import ROWS
from mupfx.observables.sketch import ENTRIES


def loss(model: nn.Module, x: Tensor) -> Tensor:
    found: Tensor = (model(x) - 1).pow(2).mean()
    return found


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.1)


def rms(x: Tensor) -> float:
    return float(x.detach().pow(2).mean().sqrt())


def mean_abs(x: Tensor) -> float:
    return float(x.detach().abs().mean())


def number(seen: Observations, quantity: str, op: str, step: int) -> float:
    (row,) = seen.where(quantity=quantity, op=op, step=step).rows
    return row.value


def perceptron() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 2)).double()


def test_against_numbers_by_hand() -> None:
    start, x = perceptron(), torch.randn(5, 3, dtype=torch.float64)
    seen = mupfx.observe(start, x, loss, what=["coordinates", "updates"], steps=2, optimizer=sgd)
    model = copy.deepcopy(start)
    optimizer = sgd(model)
    for _ in range(2):
        optimizer.zero_grad()
        torch.autograd.backward(loss(model, x))
        optimizer.step()
    first, tanh, last = start
    hidden, before = model[:2](x), start[:2](x)
    wanted = {
        ("rms", "tanh"): rms(hidden),
        ("mean_abs", "tanh"): mean_abs(hidden),
        ("update", "tanh"): rms(hidden - before),
        ("own_update", "linear"): rms(model[0](x) - first(x)),
        ("own_update_mean_abs", "linear"): mean_abs(model[0](x) - first(x)),
        ("update_mean_abs", "tanh"): mean_abs(hidden - before),
        ("own_update", "linear_1"): rms(model[2](hidden) - last(hidden)),
        ("update", "linear_1"): rms(model(x) - start(x)),
        ("update", "linear"): rms(model[0](x) - first(x)),
    }
    found = {(quantity, op): number(seen, quantity, op, 2) for quantity, op in wanted}
    assert found == pytest.approx(wanted, rel=1e-12)
    assert tanh(torch.zeros(1)) == 0


def test_it_trains_as_without_being_watched() -> None:
    start, x = perceptron(), torch.randn(5, 3, dtype=torch.float64)
    seen = mupfx.observe(start, x, loss, steps=range(6), optimizer=sgd)
    model = copy.deepcopy(start)
    optimizer, losses = sgd(model), []
    for _ in range(6):
        optimizer.zero_grad()
        value = loss(model, x)
        losses.append(float(value.detach()))
        torch.autograd.backward(value)
        optimizer.step()
    assert [row.value for row in seen.where(quantity="loss").rows] == losses


def test_the_model_stays_as_it_is() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1))
    held = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.random.get_rng_state()
    mupfx.observe(model, torch.randn(4, 3, generator=torch.Generator()), loss, optimizer=sgd)
    assert all(torch.equal(held[name], value) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert not model._forward_hooks
    assert not model._forward_pre_hooks
    assert torch.equal(random, torch.random.get_rng_state())


def test_running_statistics_move_once_a_step() -> None:
    """Kernels and speeds are further runs; they leave buffers alone."""
    made: list[nn.Module] = []

    def target() -> nn.Module:
        made.append(nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Linear(8, 1)))
        return made[-1]

    mupfx.observe(target, torch.randn(4, 3), loss, steps=[0, 2], optimizer=sgd)
    counted = [dict(m.named_buffers())["1.num_batches_tracked"] for m in made]
    assert max(int(count) for count in counted) == 3


def test_running_statistics_are_those_of_plain_training() -> None:
    x, made = torch.randn(4, 3), []

    def target() -> nn.Module:
        torch.manual_seed(0)
        made.append(nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Linear(8, 1)))
        return made[-1]

    mupfx.observe(target, x, loss, what=["updates"], steps=range(3), optimizer=sgd)
    plain = target()
    optimizer = sgd(plain)
    for step in range(3):
        value = loss(plain, x)
        if step < 2:
            optimizer.zero_grad()
            torch.autograd.backward(value)
            optimizer.step()
    seen = [m for m in made[:-1] if m.get_buffer("1.num_batches_tracked") == 3]
    assert len(seen) == 1
    torch.testing.assert_close(dict(seen[0].named_buffers()), dict(plain.named_buffers()))


class Tied(nn.Module):
    """A convolution, an embedding used twice, and a flat weight that the code makes of two."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(11, 8)
        self.mix = nn.Conv1d(8, 8, 3, padding=1)
        self.left, self.right = (nn.Parameter(torch.randn(8, 2)) for _ in range(2))

    def forward(self, ids: Tensor) -> Tensor:
        x = self.words(ids)
        x = x + self.mix(x.transpose(1, 2)).transpose(1, 2)
        x = x @ (self.left @ self.right.T)
        return functional.linear(x, self.words.weight)


def test_weights_that_are_computed_tied_and_convolved() -> None:
    torch.manual_seed(0)
    start, ids = Tied().double(), torch.arange(12).view(2, 6) % 11
    seen = mupfx.observe(start, ids, loss, what="updates", steps=[0, 1], optimizer=sgd)
    model = copy.deepcopy(start)
    optimizer = sgd(model)
    torch.autograd.backward(loss(model, ids))
    optimizer.step()
    x = model.words(ids)
    mixed = (x + model.mix(x.transpose(1, 2)).transpose(1, 2)).detach()
    product = model.left @ model.right.T - start.left @ start.right.T
    wanted = {
        "embedding": rms(x - start.words(ids)),
        "conv1d": rms(model.mix(x.transpose(1, 2)) - start.mix(x.transpose(1, 2))),
        "matmul_1": rms(mixed @ product),
    }
    found = {op: number(seen, "own_update", op, 1) for op in wanted}
    assert found == pytest.approx(wanted, rel=1e-9)
    last = {row.op: row.parameter for row in seen.where(quantity="own_update").rows}
    assert last["matmul_1"] == "left"
    assert last["linear"] == "words.weight"


def test_large_tensors_are_sampled() -> None:
    torch.manual_seed(0)
    rows = 8 * ROWS
    start = nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 2))
    x = torch.randn(rows, 16)
    assert rows * 64 > ENTRIES
    seen = mupfx.observe(start, x, loss, what="updates", steps=[0, 3], optimizer=sgd)
    model = copy.deepcopy(start)
    optimizer = sgd(model)
    for _ in range(3):
        optimizer.zero_grad()
        torch.autograd.backward(loss(model, x))
        optimizer.step()
    moved = rms(model[0](x) - start[0](x))
    assert number(seen, "own_update", "linear", 3) == pytest.approx(moved, rel=0.2)
    assert number(seen, "update", "linear", 3) == pytest.approx(moved, rel=0.1)


class Added(nn.Module):
    """A bias that is added to what a layer makes, in place or beside it."""

    def __init__(self, *, in_place: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(3, 8, bias=False), nn.Linear(8, 2)
        self.bias, self.gain = nn.Parameter(torch.randn(8)), nn.Parameter(torch.randn(8))
        self.in_place = in_place

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        h = h.add_(self.bias) if self.in_place else h + self.bias
        h = h.clone()
        if self.in_place:
            h *= self.gain
        else:
            h = h * self.gain
        found: Tensor = self.last(functional.relu(h))
        return found


def test_ops_that_write_where_they_read() -> None:
    """They train alike and show the same as those that do not."""
    x, what = torch.randn(5, 3), ["coordinates", "updates"]
    here, beside = (
        mupfx.observe(Added(in_place=ip), x, loss, what=what, steps=range(4), optimizer=sgd)
        for ip in (True, False)
    )
    named = [
        {(r.step, r.op.replace("_", ""), r.quantity): r.value for r in seen.rows}
        for seen in (here, beside)
    ]
    assert named[0] == pytest.approx(named[1], rel=1e-4)
    assert named[0][3, "add", "own_update"] > 1e-3

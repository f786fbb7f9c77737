"""Both sides of the Feature Speed Formula, computed apart, for any optimizer."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import mupfx
from mupfx import Observations
from mupfx.observables import feature_speed
from mupfx.observables.graph import Layer


class Block(nn.Module):
    """A pre-norm block with dropout."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.drop = nn.LayerNorm(width), nn.Dropout(0.2)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.drop(self.down(torch.relu(self.up(self.norm(x)))))
        return out


class Tied(nn.Module):
    """An embedding that is the readout, too: it has a way past every layer."""

    def __init__(self, width: int = 16, depth: int = 3) -> None:
        super().__init__()
        self.words = nn.Embedding(13, width)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(depth)))
        self.head = nn.Linear(width, 13, bias=False)
        self.head.weight = self.words.weight

    def forward(self, ids: Tensor) -> Tensor:
        out: Tensor = self.head(self.blocks(self.words(ids)))
        return out


def loss(model: nn.Module, ids: Tensor) -> Tensor:
    found: Tensor = nn.functional.cross_entropy(model(ids).flatten(0, 1), ids.flatten())
    return found


OPTIMIZERS: dict[str, Callable[[nn.Module], Any]] = {
    "SGD": lambda model: torch.optim.SGD(model.parameters(), lr=0.01),
    "momentum": lambda model: torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9),
    "AdamW": lambda model: torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.5),
    "two": lambda model: [
        torch.optim.SGD(list(model.parameters())[1:], lr=0.01),
        torch.optim.Adam(list(model.parameters())[:1], lr=1e-3),
    ],
}


def observed(kind: str) -> Observations:
    torch.manual_seed(0)
    return mupfx.observe(
        Tied().double(), torch.arange(10).view(2, 5), loss, what="feature_speed", steps=[0, 3],
        optimizer=OPTIMIZERS[kind],
    )  # fmt: skip


def worst(seen: Observations) -> float:
    sides = [
        {(r.step, r.op): r.value for r in seen.where(quantity=name).rows if r.op}
        for name in ("feature_speed", "feature_speed_formula")
    ]
    assert sides[0].keys() == sides[1].keys()
    assert len(sides[0]) == 10  # an embedding, three blocks and logits, twice
    return max(abs(sides[1][key] / sides[0][key] - 1) for key in sides[0])


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_sides_agree_at_every_layer(kind: str) -> None:
    assert worst(observed(kind)) < 1e-9


def test_a_wrong_gradient_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedding's whole gradient taken for what went through a layer."""
    right = feature_speed.Behind.decay

    def wrong(self: feature_speed.Behind, gradients: Any, step: Any) -> float:
        layer = Layer(self.layer.node, self.layer.through | self.layer.beside, frozenset())
        return right(feature_speed.Behind(layer, self.gradient, self.size, {}), gradients, step)

    monkeypatch.setattr(feature_speed.Behind, "decay", wrong)
    seen = observed("SGD")
    assert worst(seen) > 0.01
    assert any("apart" in note for note in seen.notes)


def test_layers_that_are_written_over() -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(3, 8), nn.ReLU(inplace=True), nn.Linear(8, 8), nn.ReLU(inplace=True)]
    seen = mupfx.observe(
        nn.Sequential(*layers, nn.Linear(8, 1)).double(),
        torch.randn(4, 3, dtype=torch.float64),
        lambda m, b: (m(b) - 1).pow(2).mean(),
        what="feature_speed",
        steps=[0],
        optimizer=lambda m: torch.optim.SGD(m.parameters(), lr=0.1),
    )
    speeds = {r.op: r.value for r in seen.where(quantity="feature_speed").rows if r.op}
    sides = {r.op: r.value for r in seen.where(quantity="feature_speed_formula").rows}
    assert len(speeds) == 4
    assert sides == pytest.approx(speeds, rel=1e-10)


def test_a_loss_that_goes_past_the_model_is_noted() -> None:
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    seen = mupfx.observe(
        model,
        torch.randn(4, 3, dtype=torch.float64),
        lambda m, b: m(b).pow(2).mean() + sum(p.pow(2).sum() for p in m.parameters()),
        what="feature_speed",
        steps=[0],
        optimizer=lambda m: torch.optim.SGD(m.parameters(), lr=0.1),
    )
    assert any("the loss reaches its parameters another way" in note for note in seen.notes)


def test_the_speed_is_that_of_a_small_step() -> None:
    """One step of a tiny rate moves features as fast as is said."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    x = torch.randn(4, 3, dtype=torch.float64)
    seen = mupfx.observe(
        model,
        x,
        lambda m, b: (m(b) - 1).pow(2).mean(),
        what=["feature_speed", "output"],
        steps=[0, 1],
        optimizer=lambda m: torch.optim.SGD(m.parameters(), lr=1e-6),
    )
    (speed,) = seen.where(quantity="feature_speed", step=0, op="").rows
    (moved,) = seen.where(quantity="feature_update", step=1).rows
    assert moved.value == pytest.approx(speed.value, rel=1e-4)


def test_an_op_without_the_derivative_is_taken_by_differences() -> None:
    """Kernels of recurrent layers cannot be differentiated forwards."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(7, 8), nn.LSTM(8, 8, batch_first=True))
    model.append(Last())
    seen = mupfx.observe(
        model, torch.arange(6).view(2, 3), lambda m, b: (m(b) - 1).pow(2).mean(), steps=[0, 1],
        optimizer=lambda m: torch.optim.SGD(m.parameters(), lr=0.1),
    )  # fmt: skip
    assert any("the speed of features is taken by differences" in note for note in seen.notes)
    assert any("the tangent kernel is taken by differences" in note for note in seen.notes)
    speeds = {r.op: r.value for r in seen.where(quantity="feature_speed", step=1).rows if r.op}
    sides = {r.op: r.value for r in seen.where(quantity="feature_speed_formula", step=1).rows}
    assert len(speeds) > 1
    assert sides == pytest.approx(speeds, rel=0.01)


class Last(nn.Module):
    """The output of a recurrent layer, without its state."""

    def forward(self, made: tuple[Tensor, Any]) -> Tensor:
        return made[0]


def test_differences_are_what_derivatives_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an ordinary model, in every number."""

    def observed() -> Observations:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).double()
        return mupfx.observe(
            model,
            torch.randn(4, 3, dtype=torch.float64),
            lambda m, b: (m(b) - 1).pow(2).mean(),
            what=["feature_speed", "ntk"],
            steps=[0, 2],
            optimizer=lambda m: torch.optim.SGD(m.parameters(), lr=0.1),
        )

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no derivative")

    wanted = [row.value for row in observed().rows]
    monkeypatch.setattr(torch.autograd.forward_ad, "make_dual", refuse)
    monkeypatch.setattr(torch.func, "jacrev", refuse)
    seen = observed()
    assert len(seen.notes) >= 2
    assert [row.value for row in seen.rows] == pytest.approx(wanted, rel=1e-6)

"""A base whose graph has an op less, or more, because its sizes ask for none: lined up all the same.

What sizes do not ask for is still another architecture.
"""

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional

import mupfx
from mupfx.core.analysis import Analysis
from mupfx.errors import BaseError

Tensor = torch.Tensor


class Shortcut(nn.Module):
    """A stem that stays, and blocks whose shortcut is projected where widths differ."""

    def __init__(self, width: int, stem: int = 16, bend: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, stem, 3, padding=1)
        self.inner = nn.Sequential(
            nn.Conv2d(stem, width, 3, padding=1), nn.BatchNorm2d(width), bend(),
            nn.Conv2d(width, width, 1), nn.BatchNorm2d(width),
        )  # fmt: skip
        self.project: nn.Module = nn.Identity()
        if stem != width:
            self.project = nn.Sequential(nn.Conv2d(stem, width, 1), nn.BatchNorm2d(width))
        self.second = nn.Sequential(nn.Conv2d(width, width, 1), nn.BatchNorm2d(width))
        self.head = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.stem(x))
        x = functional.relu(self.inner(x) + self.project(x))
        x = functional.relu(self.second(x) + x)
        out: Tensor = self.head(x.mean((2, 3)))
        return out


class Embedded(nn.Module):
    """An embedding of its own size, projected to the stream and back where that is another."""

    def __init__(self, width: int, embedding: int = 8, bend: str = "relu") -> None:
        super().__init__()
        self.bend = getattr(functional, bend)
        self.embed, self.head = nn.Embedding(11, embedding), nn.Linear(embedding, 11, bias=False)
        self.head.weight = self.embed.weight
        self.into: nn.Module = nn.Identity()
        self.back: nn.Module = nn.Identity()
        if width != embedding:
            self.into, self.back = nn.Linear(embedding, width), nn.Linear(width, embedding)
        self.up, self.down = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.into(self.embed(ids))
        x = x + self.down(self.bend(self.up(x)))
        out: Tensor = self.head(self.back(x))
        return out


class Added(nn.Module):
    """Layers that add their input where it is as wide as their result, as inverted residuals."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, widths[0]), nn.Linear(widths[-1], 5)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for layer in self.layers:
            made = layer(functional.gelu(x))
            x = made + x if made.shape == x.shape else made
        out: Tensor = self.head(x)
        return out


class Rescaled(nn.Module):
    """A weight that the first forward divides, once."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(3, width), nn.Linear(width, 5)
        self.done = False

    def forward(self, x: Tensor) -> Tensor:
        if not self.done:
            with torch.no_grad():
                self.down.weight.div_(2)
        out: Tensor = self.down(functional.gelu(self.up(x)))
        return out


IMAGE, IDS, ROW = torch.zeros(2, 3, 6, 6), torch.tensor([[1, 2, 3]]), torch.zeros(2, 3)


def shown(analysis: Analysis) -> dict[str, tuple[str, list[int]]]:
    """Role and width dimensions of every parameter."""
    kinds = {name: str(c.kind) for name, c in analysis.classes.items()}
    return {
        name: (str(p.role), [d for d, axis in enumerate(p.axes) if "width" in map(kinds.get, axis)])
        for name, p in analysis.parameters.items()
    }


def beside(model: nn.Module, base: nn.Module, example: Tensor) -> Analysis:
    return mupfx.analyze(model.eval(), (example,), {}, base=base.eval())


def test_a_shortcut_that_is_projected_at_one_width_only() -> None:
    found = beside(Shortcut(64), Shortcut(16), IMAGE)
    roles = shown(found)
    assert roles["project.0.weight"] == ("input", [0])
    assert roles["project.1.weight"] == ("vector", [0])
    assert roles["inner.0.weight"] == ("input", [0])
    assert roles["second.0.weight"] == ("hidden", [0, 1])
    assert roles["stem.weight"] == ("scalar", [])
    assert found.axes.base_shapes["project.0.weight"] == (16, 16, 1, 1)
    assert any("aten.conv2d.default is only here" in said for said in found.findings)
    assert set(found.ratios.depth.values()) == {1} if found.ratios else False


def test_the_other_way_round() -> None:
    """The model is the one without the projection."""
    found = beside(Shortcut(16), Shortcut(64), IMAGE)
    assert shown(found)["inner.0.weight"] == ("input", [0])
    assert found.axes.base_shapes["inner.0.weight"] == (64, 16, 3, 3)
    assert any("aten.conv2d.default is only in the base" in said for said in found.findings)


def test_projections_around_the_stream() -> None:
    found = beside(Embedded(32), Embedded(8), IDS)
    roles = shown(found)
    assert roles["embed.weight"] == ("scalar", [])
    assert roles["into.weight"] == ("input", [0])
    assert roles["back.weight"] == ("output", [1])
    assert roles["up.weight"] == ("hidden", [0, 1])
    assert not any("taken as long" in said for said in found.findings)


def test_what_is_only_here_is_converted_too() -> None:
    model = Embedded(32)
    mupfx.convert(model, (IDS,), {}, base=Embedded(8), parametrization="mup")
    rows = mupfx.plan(model).parameters
    into, back = rows["into.weight"], rows["back.weight"]
    assert [into.fan_in_ratio, into.fan_out_ratio] == [1, 4]
    assert [back.fan_in_ratio, back.fan_out_ratio] == [4, 1]


def test_a_sum_that_only_the_base_can_make() -> None:
    """Rounding makes two layers of the base alike, which are not here."""
    found = beside(Added((16, 16, 24, 16)), Added((8, 8, 8, 8)), ROW)
    assert shown(found)["layers.1.weight"] == ("hidden", [0, 1])
    assert found.axes.base_shapes["layers.1.weight"] == (8, 8)
    assert any("aten.add.Tensor is only in the base" in said for said in found.findings)


def test_a_weight_that_one_of_them_has_rescaled_already() -> None:
    base = Rescaled(8)
    base.done = True
    found = beside(Rescaled(16), base, ROW)
    assert shown(found) == shown(beside(Rescaled(16), Rescaled(8), ROW))
    assert any("aten.div" in said for said in found.findings)


class Unknown(nn.Module):
    """A projection of two layers, whose size between is here alone."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, 8), nn.Linear(width, 5)
        pair = nn.Sequential(nn.Linear(8, 13), nn.LayerNorm(13), nn.Linear(13, width))
        self.project = pair if width != 8 else nn.Identity()
        self.layer = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.project(self.stem(x))
        out: Tensor = self.head(torch.tanh(self.layer(x)))
        return out


def test_what_cannot_be_derived_is_told() -> None:
    found = beside(Unknown(32), Unknown(8), ROW)
    assert found.axes.base_shapes["project.0.weight"] == (13, 8)
    assert any("project.0.weight" in said and "taken as long" in said for said in found.findings)


class Bent(nn.Module):
    """A block whose activation may be left out, or come before its norm."""

    def __init__(self, width: int, order: str) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, width), nn.Linear(width, 5)
        parts = {"n": nn.LayerNorm(width), "g": nn.GELU(), "l": nn.Linear(width, width)}
        self.block = nn.Sequential(*(parts[letter] for letter in order))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        out: Tensor = self.head(x + self.block(x))
        return out


REFUSED: dict[str, tuple[Callable[[], nn.Module], Callable[[], nn.Module], Tensor]] = {
    "another activation beside a projection": (
        lambda: Shortcut(64), lambda: Shortcut(16, bend=nn.Tanh), IMAGE,
    ),
    "no activation beside a projection": (
        lambda: Shortcut(64), lambda: Shortcut(16, bend=nn.Identity), IMAGE,
    ),
    "another activation between projections": (
        lambda: Embedded(32), lambda: Embedded(8, bend="gelu"), IDS,
    ),
    "an activation left out": (lambda: Bent(16, "nlgl"), lambda: Bent(8, "nll"), ROW),
    "an activation moved": (lambda: Bent(16, "nlgl"), lambda: Bent(8, "nllg"), ROW),
    "a norm left out": (lambda: Bent(16, "nlgl"), lambda: Bent(8, "lgl"), ROW),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_sizes_do_not_ask_for_is_another_architecture(name: str) -> None:
    model, base, example = REFUSED[name]
    with pytest.raises(BaseError):
        beside(model(), base(), example)

"""A width is what weights make and contract; other factors are given, or count something."""

from collections.abc import Sequence

import pytest
import torch
from torch import nn

import mupfx
from tests.zoo.models.common import floats

Found = mupfx.Analysis


class Placed(nn.Module):
    """Features of places that the code makes, projected and added to the stream."""

    places: torch.Tensor

    def __init__(self, places: torch.Tensor, width: int) -> None:
        super().__init__()
        self.register_buffer("places", places)
        self.inside, self.place = nn.Linear(3, width), nn.Linear(places.shape[-1], width)
        self.middle, self.out = nn.Linear(width, width), nn.Linear(width, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.inside(x) + self.place(self.places)
        out: torch.Tensor = self.out(torch.tanh(self.middle(x)))
        return out


def waves(length: int, size: int) -> torch.Tensor:
    angle = torch.arange(length)[:, None] * torch.linspace(0.1, 1, size // 2)
    return torch.cat([angle.sin(), angle.cos()], -1)


def kinds(found: Found, parameter: str) -> list[list[str]]:
    axes = found.axes.parameters[parameter]
    return [[str(found.axes.classes[c].kind) for c in axis] for axis in axes]


def status(found: Found, parameter: str) -> str:
    return str(found.parameters[parameter].status)


@pytest.mark.parametrize("places", [floats(5, 4), waves(5, 6)], ids=["buffer", "waves"])
def test_a_constant_that_weights_contract_is_given(places: torch.Tensor) -> None:
    found = mupfx.analyze(Placed(places, 32), floats(2, 5, 3))
    assert kinds(found, "place.weight") == [["width"], ["finite"]]
    assert status(found, "place.weight") == "assumed"
    (given,) = found.axes.parameters["place.weight"][1]
    assert "a constant in the code" in found.axes.classes[given].evidence
    assert kinds(found, "middle.weight") == [["width"], ["width"]]
    assert status(found, "middle.weight") == "certain"


@pytest.mark.parametrize("places", [floats(5, 32), waves(5, 32)], ids=["buffer", "waves"])
def test_a_constant_as_long_as_a_width_may_be_one(places: torch.Tensor) -> None:
    found = mupfx.analyze(Placed(places, 32), floats(2, 5, 3))
    assert kinds(found, "place.weight") == [["width"], ["width"]]
    assert status(found, "place.weight") == "assumed"


@pytest.mark.parametrize(("size", "kind"), [(6, "finite"), (12, "width")])
def test_a_base_settles_what_a_constant_is(size: int, kind: str) -> None:
    base = Placed(waves(5, 6), 16)
    found = mupfx.analyze(Placed(waves(5, size), 32), floats(2, 5, 3), base=base)
    assert set(kinds(found, "place.weight")[1]) == {kind}
    assert status(found, "place.weight") == "certain"


class Windowed(nn.Module):
    """A constant along an axis that a weight makes says nothing of it."""

    window: torch.Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("window", torch.linspace(0, 1, width))
        self.inside, self.out = nn.Linear(3, width), nn.Linear(width, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.out(self.inside(x) * self.window)
        return out


def test_a_constant_beside_what_a_weight_makes() -> None:
    found = mupfx.analyze(Windowed(16), floats(2, 3))
    (inner,) = found.axes.parameters["out.weight"][1]
    (rows,) = found.axes.parameters["inside.weight"][0]
    assert inner == rows
    assert found.axes.classes[inner].kind == "width"
    assert found.axes.classes[inner].status == "certain"


class Latents(nn.Module):
    """Learned vectors that look at the data, and are looked at in turn."""

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(count, width))
        self.inside, self.query = nn.Linear(3, width), nn.Linear(width, width)
        self.back, self.out = nn.Linear(width, width), nn.Linear(width, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.inside(x)
        size = x.shape[-1] ** 0.5
        seen = torch.softmax(self.query(self.latents) @ x.transpose(1, 2) / size, -1) @ x
        back = torch.softmax(self.back(x) @ seen.transpose(1, 2) / size, -1) @ seen
        out: torch.Tensor = self.out(back)
        return out


@pytest.mark.parametrize(("counts", "known"), [((6,), "assumed"), ((6, 6), "certain")])
def test_what_no_weight_mixes_counts_something(counts: Sequence[int], known: str) -> None:
    base = Latents(16, counts[1]) if len(counts) > 1 else None
    x = floats(2, 5, 3)
    model = Latents(32, counts[0])
    found = mupfx.analyze(model, x) if base is None else mupfx.analyze(model, x, base=base)
    assert kinds(found, "latents") == [["finite"], ["width"]]
    assert status(found, "latents") == known
    assert kinds(found, "query.weight") == [["width"], ["width"]]

"""Ratios from every form of a base, and what each form cannot mean."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

import mupfx
from mupfx.core.analysis import Analysis
from mupfx.errors import BaseError
from mupfx.passes.ratios import of_shapes, of_sizes, of_width

Tensor = torch.Tensor


class Block(nn.Module):
    """A residual layer of attention and an MLP on tokens."""

    def __init__(self, width: int, inner: int, heads: int = 2, vocabulary: int = 17) -> None:
        super().__init__()
        self.heads = heads
        self.table = nn.Embedding(vocabulary, width)
        self.mix, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)
        self.head = nn.Linear(width, 7)

    def forward(self, ids: Tensor) -> Tensor:
        x: Tensor = self.table(ids)
        parts = self.mix(x).view(*ids.shape, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = parts.unbind(0)
        mixed = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.out(mixed)
        x = x + self.down(functional.gelu(self.up(x)))
        out: Tensor = self.head(x)
        return out


def ids() -> Tensor:
    return torch.arange(10).view(2, 5) % 11


@pytest.fixture(scope="module")
def found() -> Analysis:
    """Width 48 of 6 heads of 8, an MLP of 80."""
    return mupfx.analyze(Block(48, 80, 6), ids())


def of_parameters(found: Analysis, ratios: Any) -> dict[str, list[Fraction]]:
    return {
        name: [ratios.of_axis(axis) for axis in found.axes.parameters[name]]
        for name in ("table.weight", "mix.weight", "up.weight", "head.weight")
    }


def test_a_width_is_everybodys(found: Analysis) -> None:
    ratios = of_width(found.axes, found.streams, 16)
    assert of_parameters(found, ratios) == {
        "table.weight": [1, 3],
        "mix.weight": [3, 3],
        "up.weight": [3, 3],
        "head.weight": [1, 3],
    }


def test_a_size_by_label_and_the_rest_like_the_stream(found: Analysis) -> None:
    inner = found.axes.parameters["up.weight"][0][0]
    ratios = of_sizes(found.axes, found.streams, {"width": 24, inner: 20})
    assert of_parameters(found, ratios) == {
        "table.weight": [1, 2],
        "mix.weight": [2, 2],
        "up.weight": [4, 2],
        "head.weight": [1, 2],
    }


def test_heads_and_their_size_are_told_apart(found: Analysis) -> None:
    ratios = of_sizes(found.axes, found.streams, {"width": 12, "heads": 3, "head_dim": 4})
    heads = found.axes.parameters["mix.weight"][0]
    labels = {found.axes.classes[c].label: ratios.classes.get(c, 1) for c in heads}
    assert {label: labels[label] for label in ("heads", "head_dim")} == {"heads": 2, "head_dim": 2}
    assert of_parameters(found, ratios)["mix.weight"] == [4, 4]


def test_fractions_are_exact(found: Analysis) -> None:
    ratios = of_width(found.axes, found.streams, 36)
    assert ratios.of_axis(found.axes.parameters["table.weight"][1]) == Fraction(4, 3)


def test_shapes_are_solved_for_sizes(found: Analysis) -> None:
    shapes = {name: list(p.shape) for name, p in Block(16, 20, 2).named_parameters()}
    ratios = of_shapes(found.axes, shapes)
    assert of_parameters(found, ratios) == {
        "table.weight": [1, 3],
        "mix.weight": [3, 3],
        "up.weight": [4, 3],
        "head.weight": [1, 3],
    }


def test_none_in_a_shape_is_a_finite_axis(found: Analysis) -> None:
    shapes: dict[str, list[int | None]] = {
        name: list(p.shape) for name, p in Block(16, 20, 2).named_parameters()
    }
    shapes["table.weight"] = [None, 16]
    ratios = of_shapes(found.axes, shapes)
    assert of_parameters(found, ratios)["table.weight"] == [1, 3]


WRONG: dict[str, tuple[Mapping[str, int], str]] = {
    "no such class": ({"wdith": 4}, "no factor class is called 'wdith'"),
    "a finite one": ({"index": 5}, "finite and cannot have another size"),
    "zero": ({"width": 0}, "not positive"),
    "negative": ({"width": -4}, "not positive"),
}


@pytest.mark.parametrize("name", WRONG)
def test_sizes_that_mean_nothing(name: str, found: Analysis) -> None:
    given, message = WRONG[name]
    with pytest.raises(BaseError, match=message):
        of_sizes(found.axes, found.streams, given)


def test_the_names_there_are_stand_in_the_message(found: Analysis) -> None:
    with pytest.raises(BaseError) as caught:
        of_sizes(found.axes, found.streams, {"wdith": 4})
    assert "head_dim" in str(caught.value)
    assert "width" in str(caught.value)


@pytest.mark.parametrize("width", [0, -3])
def test_a_width_is_positive(width: int, found: Analysis) -> None:
    with pytest.raises(BaseError, match="not a width"):
        of_width(found.axes, found.streams, width)


def test_a_width_of_several_is_ambiguous() -> None:
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 12), nn.Tanh(), nn.Linear(12, 5))
    plain = mupfx.analyze(model, torch.zeros(2, 3))
    with pytest.raises(BaseError, match="could mean any of several widths") as caught:
        of_width(plain.axes, plain.streams, 4)
    assert "c0=8" in str(caught.value)


def test_a_model_without_width_has_no_base_width() -> None:
    plain = mupfx.analyze(nn.Linear(3, 5), torch.zeros(2, 3))
    with pytest.raises(BaseError, match="no axis of this model is width"):
        of_width(plain.axes, plain.streams, 4)


SHAPES: dict[str, tuple[str, Any, str]] = {
    "missing": ("up.weight", None, "does not have this parameter"),
    "another rank": ("up.weight", [20], "2 dimensions"),
    "some layers only": ("down.weight", [16, 40], "only some layers"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_that_no_sizes_explain(name: str, found: Analysis) -> None:
    parameter, shape, message = SHAPES[name]
    shapes = {name: list(p.shape) for name, p in Block(16, 20, 2).named_parameters()}
    if shape is None:
        del shapes[parameter]
    else:
        shapes[parameter] = shape
    with pytest.raises(BaseError, match=message) as caught:
        of_shapes(found.axes, shapes)
    assert parameter in str(caught.value) or "weight" in str(caught.value)


def test_a_base_model_settles_what_was_assumed() -> None:
    """Heads grow in size here, which no instance alone can tell."""
    model, base = Block(48, 80, 2), Block(16, 20, 2)
    told = mupfx.analyze(model, ids(), base=base)
    assert told.ratios is not None
    heads = {
        told.axes.classes[c].label: told.ratios.classes.get(c, Fraction(1))
        for c in told.axes.parameters["mix.weight"][0]
    }
    assert heads["head_dim"] == 3
    assert heads["heads"] == 1


def test_a_vocabulary_that_grew_is_no_width() -> None:
    told = mupfx.analyze(Block(48, 80, 6, vocabulary=34), ids(), base=Block(16, 20, 2))
    assert told.ratios is not None
    assert [told.ratios.of_axis(a) for a in told.axes.parameters["table.weight"]] == [1, 3]
    assert any("34 here and 17 at the base" in text for text in told.findings)


class Uneven(nn.Module):
    """Two layers in a row whose inner widths are free."""

    def __init__(self, width: int, *inner: int) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, width), nn.Linear(width, 5)
        self.up = nn.ModuleList(nn.Linear(width, n) for n in inner)
        self.down = nn.ModuleList(nn.Linear(n, width) for n in inner)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for up, down in zip(self.up, self.down, strict=True):
            x = x + down(functional.gelu(up(x)))
        out: Tensor = self.head(x)
        return out


def test_layers_that_grew_apart_are_named() -> None:
    x = torch.zeros(2, 4, 3)
    first = mupfx.analyze(Uneven(16, 32, 32), x, base=Uneven(8, 16, 32)).uneven[0]
    assert first.where == "up.1.weight dimension 0"
    assert "32 here, 32 at the base" in first.found
    assert "a ratio of 2" in first.expected
    with pytest.raises(BaseError, match="only some layers"):
        mupfx.convert(Uneven(16, 32, 32), x, base=Uneven(8, 16, 32))


def test_layers_may_differ_in_size_if_they_grow_alike() -> None:
    x = torch.zeros(2, 4, 3)
    found = mupfx.analyze(Uneven(16, 32, 48), x, base=Uneven(8, 16, 24))
    assert found.ratios is not None
    assert set(found.ratios.classes.values()) == {2}


@pytest.mark.parametrize(("word", "kind"), [("head_dim", "width"), ("heads", "finite")])
def test_overrides_are_the_users(word: str, kind: str) -> None:
    told = mupfx.analyze(Block(48, 80, 6), ids(), overrides={word: kind})
    classes = [c for c in told.axes.classes.values() if c.label == word]
    assert classes
    assert all((str(c.kind), c.evidence) == (kind, "stated by the user") for c in classes)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [({"heads": "large"}, "is no kind"), ({"haeds": "width"}, "no factor class")],
)
def test_overrides_that_say_nothing(overrides: dict[str, str], message: str) -> None:
    with pytest.raises(BaseError, match=message):
        mupfx.analyze(Block(48, 80, 6), ids(), overrides=overrides)

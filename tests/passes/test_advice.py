"""What ``suggest`` says of blocks of one matrix and of more."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import mupfx

WIDTH = 8


class Block(nn.Module):
    """``x + way(W, x)``."""

    def __init__(self, way: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.way = nn.Linear(WIDTH, WIDTH), way

    def forward(self, x: Tensor) -> Tensor:
        return x + self.way(self.layer, x)


class Deep(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Sequential(nn.Linear(WIDTH, 16), nn.ReLU(), nn.Linear(16, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.branch(x)
        return out


def centred(x: Tensor) -> Tensor:
    return x - x.mean(-1, keepdim=True)


def advice(*blocks: nn.Module) -> mupfx.Advice:
    model = nn.Sequential(nn.Linear(3, WIDTH), *blocks, nn.Linear(WIDTH, 2))
    (found,) = mupfx.suggest(mupfx.analyze(model, torch.randn(2, 3)))
    return found


MEAN, EVEN, BEFORE = "subtract its mean", "|.| in the place", "before the matrix"
WAYS: dict[str, tuple[Callable[[nn.Module, Tensor], Tensor], list[str]]] = {
    "relu": (lambda w, x: torch.relu(w(x)), [MEAN, EVEN]),
    "gelu": (lambda w, x: nn.functional.gelu(w(x)), [MEAN, EVEN]),
    "tanh": (lambda w, x: torch.tanh(w(x)), [EVEN]),
    "abs": (lambda w, x: w(x).abs(), [MEAN]),
    "relu less its mean": (lambda w, x: centred(torch.relu(w(x))), [EVEN]),
    "abs less its mean": (lambda w, x: centred(w(x).abs()), []),
    "none": (lambda w, x: w(x), []),
    "before": (lambda w, x: w(torch.relu(x)), [BEFORE]),
}


@pytest.mark.parametrize("name", WAYS)
def test_one_matrix(name: str) -> None:
    way, expected = WAYS[name]
    found = advice(*(Block(way) for _ in range(3)))
    assert (found.parametrization, str(found.alpha), found.block_depth) == ("depth_mup", "1/2", 1)
    assert found.depth == 3
    assert len(found.diversity) == len(expected)
    for words, choice in zip(expected, found.diversity, strict=True):
        assert words in choice


def test_deeper_blocks_ask_for_one() -> None:
    """One deep block among others decides."""
    for blocks in ([Deep(), Deep()], [Block(WAYS["relu"][0]), Deep()]):
        found = advice(*blocks)
        assert (found.parametrization, str(found.alpha)) == ("completep", "1")
        assert (found.block_depth, found.diversity) == (2, ())
        assert "2 weight layers" in str(found)


def test_the_table_that_is_named_exists() -> None:
    found = advice(Block(WAYS["relu"][0]), Block(WAYS["relu"][0]))
    model = nn.Sequential(nn.Linear(3, WIDTH), *(Block(WAYS["relu"][0]) for _ in range(4)))
    mupfx.convert(
        model,
        torch.randn(2, 3),
        base=WIDTH,
        base_depth=found.depth,
        parametrization=found.parametrization,
    )
    assert mupfx.plan(model).sites["branch:b0"].multiplier == pytest.approx(2**-0.5)


def test_no_stream_no_advice() -> None:
    assert mupfx.suggest(mupfx.analyze(nn.Linear(3, 2), torch.randn(2, 3))) == ()

"""Tables of which one model alone leaves open what they are: right, and ``assumed`` with a reason."""

import pytest
import torch
from torch import nn
from torch.nn import functional

import mupfx
from mupfx.core.analysis import Analysis

Tensor = torch.Tensor
IDS = torch.tensor([[1, 2, 3, 4]])


class Language(nn.Module):
    """Tokens and places, read out by the tokens' own table or by another."""

    def __init__(self, width: int, *, tied: bool, whole: bool) -> None:
        super().__init__()
        self.tied, self.whole = tied, whole
        self.tokens, self.places = nn.Embedding(11, width), nn.Embedding(4, width)
        self.first = nn.Parameter(torch.zeros(1, 1, width))
        self.up, self.down = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)
        self.head = nn.Linear(width, 11, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        places = self.places.weight if self.whole else self.places(torch.arange(4))
        x = self.tokens(ids) + places
        x = torch.cat([self.first.expand(len(ids), -1, -1), x], 1)
        x = x + self.down(torch.relu(self.up(x)))
        weight = self.tokens.weight if self.tied else self.head.weight
        return functional.linear(x, weight)


def alone(*, tied: bool, whole: bool) -> Analysis:
    return mupfx.analyze(Language(16, tied=tied, whole=whole), (IDS,), {})


def doubt(found: Analysis, name: str) -> str:
    parameter = found.parameters[name]
    return parameter.why if str(parameter.status) == "assumed" else ""


@pytest.mark.parametrize("tied", [True, False])
def test_a_table_that_is_looked_up_and_read_out(tied: bool) -> None:  # noqa: FBT001
    found = alone(tied=tied, whole=False)
    assert str(found.parameters["tokens.weight"].role) == "input"
    assert ("project it both ways" in doubt(found, "tokens.weight")) is tied


@pytest.mark.parametrize("whole", [True, False])
def test_a_table_that_is_added_whole(whole: bool) -> None:  # noqa: FBT001
    found = alone(tied=False, whole=whole)
    assert str(found.parameters["places.weight"].role) == ("vector" if whole else "input")
    assert ("a row for every place" in doubt(found, "places.weight")) is whole


def test_one_token_is_a_vector() -> None:
    assert "a row" not in doubt(alone(tied=False, whole=True), "first")


def test_a_base_settles_them() -> None:
    base = Language(8, tied=True, whole=True)
    found = mupfx.analyze(Language(16, tied=True, whole=True), (IDS,), {}, base=base)
    assert {str(p.status) for p in found.parameters.values()} == {"certain"}


class Contrast(nn.Module):
    """Queries that enter a stream, and that scores are made of as well."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(6, width))
        self.stem, self.layer = nn.Linear(3, width), nn.Linear(width, width)
        self.head, self.side = nn.Linear(width, 5), nn.Linear(width, width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.tanh(self.stem(x))
        scores = self.side(x) @ self.queries.T
        out: Tensor = self.head(self.layer(self.queries + x.mean(1, keepdim=True)))
        return scores, out


def test_what_enters_is_no_output_weight() -> None:
    """Its entries would vanish in the stream: the scores have a multiplier of their own."""
    example = (torch.zeros(2, 4, 3),)
    found = mupfx.analyze(Contrast(32), example, {}, base=Contrast(8))
    queries = found.parameters["queries"]
    assert str(queries.role) == "vector"
    assert queries.tied_readout
    model = Contrast(32)
    mupfx.convert(model, example, {}, base=Contrast(8), parametrization="mup")
    row = mupfx.plan(model).parameters["queries"]
    assert row.init.std == row.init.base_std

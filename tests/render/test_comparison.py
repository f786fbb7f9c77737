"""Parametrizations of one model beside each other."""

import pytest
import torch
from inline_snapshot import snapshot
from torch import nn

import mupfx
from tests.cli.models import Tied, mlp


def test_two_tables() -> None:
    model, args = mlp(16)
    tables = ["sp", "sym_default"]
    assert mupfx.compare(model, args, base=4, parametrizations=tables) == snapshot("""\
init std, Adam lr, SGD lr as factors on values at the base; own: as the model draws it
  parametrization  input      vector     hidden in branches  vector in branches  output         scalar
  sp               own, 1, 1  own, 1, 1  own, 1, 1           own, 1, 1           own, 1, 1      own, 1, 1
  sym_default      1, 1, 2    1, 1, 2    0.5, 0.25, 0.5      1, 1, 2             0.5, 0.5, 0.5  1, 2, 2

parameters
  input: first.weight
  vector: first.bias
  hidden in branches: blocks.*.up.weight, blocks.*.down.weight
  vector in branches: blocks.*.up.bias, blocks.*.down.bias
  output: last.weight
  scalar: last.bias\
""")


def test_sites_have_columns() -> None:
    tokens = torch.zeros(2, 5, dtype=torch.long)
    lines = mupfx.compare(Tied(16), tokens, base=4, parametrizations=["mup", "ntk"]).splitlines()
    assert lines[1].endswith("tied_readout")
    assert [line.split()[-1] for line in lines[2:4]] == ["0.25", "0.5"]


def test_what_a_model_cannot_be_put_into() -> None:
    """A stream that is normed after every block, twice as deep as its base."""
    layer = nn.TransformerEncoderLayer(32, 2, 64, batch_first=True)
    net = nn.Sequential(nn.Embedding(11, 32), nn.TransformerEncoder(layer, 2), nn.Linear(32, 11))
    tokens = torch.zeros(2, 5, dtype=torch.long)
    text = mupfx.compare(net, tokens, base=16, base_depth=2, parametrizations=["mup", "completep"])
    table, _, refused = text.split("\n\n")
    assert "completep" not in table
    assert refused.startswith("refused\n  completep: depth rules are not known")


def test_nothing_changes() -> None:
    model, args = mlp(16)
    before = [value.clone() for value in model.parameters()]
    mupfx.compare(model, args, base=4)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    mupfx.convert(model, args, base=4)


def test_an_unknown_name() -> None:
    model, args = mlp(16)
    with pytest.raises(mupfx.ParametrizationError, match="no parametrization `mupp`"):
        mupfx.compare(model, args, base=4, parametrizations=["mupp"])

"""Models whose Python asks for values: one plain run answers, and nothing of the model changes."""

import pytest
import torch
from torch import nn

import mupfx
from tests.zoo.models.common import floats, tokens


class Asking(nn.Module):
    """A branch, a loop and a factor that depend on what a tensor holds."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(5, width)
        self.norm = nn.BatchNorm1d(width)
        self.taken, self.other = nn.Linear(width, width), nn.Linear(width, width)
        self.readout = nn.Linear(width, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.dropout(self.norm(self.first(x)), 0.1, train=True)
        h = self.taken(h) if h.abs().max() > 0 else self.other(h)
        for _ in range(int((x > -100).sum()) // 10):
            h = torch.tanh(h)
        out: torch.Tensor = self.readout(h * x.shape[0] if x.sum().item() != 0 else h)
        return out


class Masked(nn.Module):
    """torch's own encoder, which looks whether its mask is the causal one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, width)
        layer = nn.TransformerEncoderLayer(width, width // 4, 2 * width, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.readout = nn.Linear(width, 11)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(ids.shape[1])
        out: torch.Tensor = self.readout(self.encoder(self.embed(ids), mask=mask))
        return out


def test_tracing_follows_the_values_of_a_run() -> None:
    found = mupfx.analyze(Asking(16), floats(4, 5), base=8)
    assert found.unreached == ("other.weight", "other.bias")
    assert str(found.parameters["taken.weight"].role) == "hidden"
    ops = [str(node.target) for node in found.program.graph.nodes]
    assert ops.count("aten.tanh.default") == 2
    assert found.program.frontend == "export after a run"


def test_the_run_changes_nothing() -> None:
    model = Asking(16)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    mupfx.analyze(model, floats(4, 5), base=8)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_a_model_that_asks_nothing_is_not_run() -> None:
    model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))
    assert mupfx.analyze(model, floats(4, 5)).program.frontend == "export"


def test_a_mask_that_torch_looks_into() -> None:
    model = Masked(16)
    mupfx.convert(model, tokens(11, 2, 5), base=Masked(8))
    assert str(mupfx.plan(model).parameters["encoder.layers.0.linear1.weight"].role) == "hidden"


def test_without_values_there_is_no_answer() -> None:
    with pytest.raises(mupfx.CaptureError, match="meta"):
        mupfx.analyze(Asking(16).to("meta"), floats(4, 5), base=8)

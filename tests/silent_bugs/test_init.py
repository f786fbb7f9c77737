"""Bugs 12 and 13 of microsoft/mup: laws of initialisation other than fan-in."""

import copy

import pytest
import torch
from torch import nn

import mupfx
from tests.silent_bugs.models import mlp, rates, seeded
from tests.zoo.models.common import floats


def test_12_constant_std_is_not_taken_for_fan_in() -> None:
    def constant(width: int) -> nn.Sequential:
        model = mlp(width)
        for name, parameter in model.named_parameters():
            nn.init.normal_(parameter, std=0.02 if name.endswith("weight") else 0)
        return model

    model = seeded(constant, 256)
    before = copy.deepcopy(model.state_dict())
    mupfx.convert(model, floats(3, 7), base=seeded(constant, 64))
    factors = {"0.weight": 1, "2.weight": 1 / 2, "4.weight": 1 / 4}
    for name, factor in factors.items():
        torch.testing.assert_close(model.get_parameter(name), before[name] * factor)


class Recurrent(nn.Module):
    """A recurrent net from seven features to thirteen classes."""

    def __init__(self, kind: type[nn.LSTM] | type[nn.GRU], hidden: int) -> None:
        super().__init__()
        self.rnn = kind(7, hidden, num_layers=2, batch_first=True)
        self.readout = nn.Linear(hidden, 13)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.readout(self.rnn(x)[0])
        return out


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_13_recurrent_nets(kind: type[nn.LSTM] | type[nn.GRU]) -> None:
    """All is drawn from U(+-1/sqrt(hidden)); inputs and biases must not shrink with it."""
    model = seeded(Recurrent, kind, 256)
    before = copy.deepcopy(model.state_dict())
    mupfx.convert(model, floats(2, 5, 7), base=seeded(Recurrent, kind, 64))
    factors = {
        "rnn.weight_ih_l0": 2.0,
        "rnn.weight_hh_l0": 1.0,
        "rnn.bias_ih_l0": 2.0,
        "rnn.bias_hh_l0": 2.0,
        "rnn.weight_ih_l1": 1.0,
        "rnn.weight_hh_l1": 1.0,
        "rnn.bias_ih_l1": 2.0,
        "rnn.bias_hh_l1": 2.0,
        "readout.weight": 0.5,
        "readout.bias": 2.0,
    }
    for name, factor in factors.items():
        torch.testing.assert_close(model.get_parameter(name), before[name] * factor)
    adam = rates(model)
    hidden = {"rnn.weight_hh_l0", "rnn.weight_ih_l1", "rnn.weight_hh_l1", "readout.weight"}
    assert adam == pytest.approx({name: 0.25 if name in hidden else 1.0 for name in adam})
    sgd = rates(model, torch.optim.SGD)
    assert sgd["rnn.weight_ih_l0"] == pytest.approx(4)
    assert sgd["rnn.bias_hh_l1"] == pytest.approx(4)
    assert sgd["rnn.weight_hh_l0"] == pytest.approx(1)

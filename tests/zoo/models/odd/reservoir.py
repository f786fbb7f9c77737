"""An echo state network: the recurrent weights are constants, only the readout is learned."""

import torch
from torch import nn

from tests.zoo.models.common import Built, floats, seeded


class Reservoir(nn.Module):
    w_in: torch.Tensor
    w: torch.Tensor

    def __init__(self, inputs: int, units: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("w_in", torch.rand(units, inputs) - 0.5)
        self.register_buffer("w", 0.9 * torch.randn(units, units) / units**0.5)
        self.readout = nn.Linear(units + inputs, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = x.new_zeros(x.shape[0], self.w.shape[0])
        states = []
        for t in range(x.shape[1]):
            h = 0.7 * h + 0.3 * torch.tanh(x[:, t] @ self.w_in.t() + h @ self.w.t())
            states.append(torch.cat([h, x[:, t]], dim=-1))
        out: torch.Tensor = self.readout(torch.stack(states, dim=1))
        return out


def build(scale: int = 1) -> Built:
    with seeded():
        model = Reservoir(3, 30 * scale, 2)
    return model, (floats(2, 5, 3),), {}

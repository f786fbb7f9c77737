"""A recurrent net from bare tensors: all gates of all units in one (4, hidden, hidden) weight."""

import torch
from torch import nn

from tests.zoo.models.common import Built, floats, seeded


class PeepholeLSTM(nn.Module):
    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.w_in = nn.Parameter(torch.randn(4, hidden, inputs) / inputs**0.5)
        self.w_rec = nn.Parameter(torch.randn(4, hidden, hidden) / hidden**0.5)
        self.bias = nn.Parameter(torch.zeros(4, hidden, 1))
        self.peep = nn.Parameter(torch.zeros(3, hidden, 1))
        self.w_out = nn.Parameter(torch.randn(hidden, outputs) / hidden**0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = c = torch.zeros(self.hidden, x.shape[0])
        outputs = []
        for step in x.unbind(1):
            pre = self.w_in @ step.t() + self.w_rec @ h + self.bias
            i, f, o, g = pre
            i = torch.sigmoid(i + self.peep[0] * c)
            f = torch.sigmoid(f + self.peep[1] * c)
            c = f * c + i * torch.tanh(g)
            o = torch.sigmoid(o + self.peep[2] * c)
            h = o * torch.tanh(c)
            outputs.append(h.t() @ self.w_out)
        return torch.stack(outputs, dim=1)


def build(scale: int = 1) -> Built:
    with seeded():
        model = PeepholeLSTM(5, 24 * scale, 3)
    return model, (floats(2, 6, 5),), {}

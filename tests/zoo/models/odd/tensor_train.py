"""A hidden layer kept as a train of three cores; the last mode is the one that grows."""

import torch
from torch import nn

from tests.zoo.models.common import Built, floats, seeded


class TensorTrain(nn.Module):
    def __init__(self, modes: tuple[int, int, int], rank: int) -> None:
        super().__init__()
        a, b, c = modes
        self.modes = modes
        self.core1 = nn.Parameter(torch.randn(a, a, rank) * 0.3)
        self.core2 = nn.Parameter(torch.randn(rank, b, b, rank) * 0.3)
        self.core3 = nn.Parameter(torch.randn(rank, c, c) * 0.3)
        self.bias = nn.Parameter(torch.zeros(a * b * c))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.view(-1, *self.modes)
        y = torch.einsum("nabc,aip,pbjq,qck->nijk", x, self.core1, self.core2, self.core3)
        return y.reshape(x.shape[0], -1) + self.bias


class TTNet(nn.Module):
    def __init__(self, inputs: int, modes: tuple[int, int, int], rank: int, classes: int) -> None:
        super().__init__()
        width = modes[0] * modes[1] * modes[2]
        self.first = nn.Linear(inputs, width)
        self.middle = TensorTrain(modes, rank)
        self.last = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.last(torch.relu(self.middle(torch.relu(self.first(x)))))
        return out


def build(scale: int = 1) -> Built:
    with seeded():
        model = TTNet(14, (4, 3, 5 * scale), 2, 6)
    return model, (floats(7, 14),), {}

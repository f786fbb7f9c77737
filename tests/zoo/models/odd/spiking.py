"""Leaky integrate-and-fire neurons over time, with a surrogate for the spike's derivative."""

from typing import Any

import torch
from torch import nn

from tests.zoo.models.common import Built, floats, seeded


class Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(u)
        return (u > 0).to(u.dtype)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        (u,) = ctx.saved_tensors
        slope: torch.Tensor = grad / (1 + 10 * u.abs()) ** 2
        return slope


class SpikingNet(nn.Module):
    def __init__(self, inputs: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(inputs, hidden)
        self.recurrent = nn.Linear(hidden, hidden, bias=False)
        self.leak = nn.Parameter(torch.full((hidden,), 2.0))
        self.threshold = nn.Parameter(torch.ones(hidden))
        self.fc2 = nn.Linear(hidden, classes)
        self.leak_out = nn.Parameter(torch.tensor(2.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        u = s = torch.zeros(x.shape[0], self.fc1.out_features)
        out = torch.zeros(x.shape[0], self.fc2.out_features)
        record = []
        for t in range(x.shape[1]):
            u = torch.sigmoid(self.leak) * u + self.fc1(x[:, t]) + self.recurrent(s)
            s = Spike.apply(u - self.threshold)  # type: ignore[no-untyped-call]
            u = u - s * self.threshold.detach()
            out = torch.sigmoid(self.leak_out) * out + self.fc2(s)
            record.append(out)
        return torch.stack(record).mean(0)


def build(scale: int = 1) -> Built:
    with seeded():
        model = SpikingNet(8, 28 * scale, 4)
    return model, (floats(3, 5, 8),), {}

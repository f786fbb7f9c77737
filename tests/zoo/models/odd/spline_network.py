"""Learned splines on every edge: B-spline bases by recursion, one coefficient a knot and edge."""

import torch
from torch import nn
from torch.nn import functional

from tests.zoo.models.common import Built, floats, seeded


class SplineLayer(nn.Module):
    knots: torch.Tensor

    def __init__(self, inside: int, outside: int, intervals: int = 4, order: int = 2) -> None:
        super().__init__()
        self.order = order
        step = 2 / intervals
        knots = torch.arange(-order, intervals + order + 1) * step - 1
        self.register_buffer("knots", knots.expand(inside, -1).contiguous())
        self.base = nn.Parameter(torch.randn(outside, inside) / inside**0.5)
        self.spline = nn.Parameter(torch.randn(outside, inside, intervals + order) * 0.1)
        self.gain = nn.Parameter(torch.ones(outside, inside))

    def bases(self, x: torch.Tensor) -> torch.Tensor:
        x, k = x.unsqueeze(-1), self.knots
        b = ((x >= k[:, :-1]) & (x < k[:, 1:])).to(x.dtype)
        for p in range(1, self.order + 1):
            left = (x - k[:, : -(p + 1)]) / (k[:, p:-1] - k[:, : -(p + 1)])
            right = (k[:, p + 1 :] - x) / (k[:, p + 1 :] - k[:, 1:-p])
            b = left * b[..., :-1] + right * b[..., 1:]
        return b

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        smooth = functional.linear(functional.silu(x), self.base)
        weight = (self.spline * self.gain.unsqueeze(-1)).flatten(1)
        return smooth + functional.linear(self.bases(x).flatten(1), weight)


def build(scale: int = 1) -> Built:
    with seeded():
        model = nn.Sequential(
            SplineLayer(3, 16 * scale),
            SplineLayer(16 * scale, 12 * scale),
            SplineLayer(12 * scale, 2),
        )
    return model, (floats(5, 3),), {}

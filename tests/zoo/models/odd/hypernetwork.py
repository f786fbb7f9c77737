"""One small network writes the kernels of every convolution from an embedding of the layer."""

import torch
from torch import nn
from torch.nn import functional

from tests.zoo.models.common import Built, floats, seeded


class HyperConvNet(nn.Module):
    def __init__(self, channels: int, layers: int, code: int, classes: int) -> None:
        super().__init__()
        self.channels = channels
        self.stem = nn.Conv2d(3, channels, 3, padding=1)
        self.codes = nn.Parameter(torch.randn(layers, code))
        self.generate = nn.Linear(code, channels * channels * 3 * 3)
        self.norms = nn.ModuleList(nn.GroupNorm(4, channels) for _ in range(layers))
        self.head = nn.Linear(channels, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        c = self.channels
        for code, norm in zip(self.codes, self.norms, strict=True):
            kernel = self.generate(code).view(c, c, 3, 3)
            x = x + functional.conv2d(functional.gelu(norm(x)), kernel, padding=1)
        out: torch.Tensor = self.head(x.mean((2, 3)))
        return out


def build(scale: int = 1) -> Built:
    with seeded():
        model = HyperConvNet(16 * scale, 3, 6, 10)
    return model, (floats(2, 3, 8, 8),), {}

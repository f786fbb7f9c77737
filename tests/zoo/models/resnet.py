"""ResNet-50 from convolutions: bottleneck blocks, projection shortcuts where the shape changes."""

import torch
from torch import nn
from torch.nn import functional

from tests.zoo.models.common import Built, floats, seeded


class Bottleneck(nn.Module):
    """1x1 down, 3x3, 1x1 up; the shortcut is a 1x1 projection when sizes differ."""

    def __init__(self, channels: int, inner: int, stride: int) -> None:
        super().__init__()
        outer = 4 * inner
        self.conv1 = nn.Conv2d(channels, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, outer, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outer)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != outer:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, outer, 1, stride, bias=False), nn.BatchNorm2d(outer)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return functional.relu(y + self.shortcut(x))


class ResNet(nn.Module):
    """A stem, stages of bottlenecks, average pooling, a classifier."""

    def __init__(self, width: int, blocks: tuple[int, ...]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.stages = nn.ModuleList()
        channels = width
        for stage, count in enumerate(blocks):
            inner = width * 2**stage
            layers = []
            for index in range(count):
                layers.append(Bottleneck(channels, inner, 2 if stage and not index else 1))
                channels = 4 * inner
            self.stages.append(nn.Sequential(*layers))
        self.fc = nn.Linear(channels, 13)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(functional.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for stage in self.stages:
            x = stage(x)
        out: torch.Tensor = self.fc(torch.flatten(functional.adaptive_avg_pool2d(x, 1), 1))
        return out


def resnet50(scale: int = 2) -> Built:
    """ResNet-50's 16 blocks with 5 channels in place of 64, on 40x40 images."""
    with seeded():
        model = ResNet(5 * scale, (3, 4, 6, 3))
    return model, (floats(2, 3, 40, 40),), {}

"""Convolutional nets: a ResNet with batch norm and SGD, and depthwise convolutions with Adam."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - as everybody calls it
from torch.optim import SGD, AdamW

from tests.mutants.models.common import BASE, CLASSES, Group, Made, classify, pictures


def conv(channels: int, out: int, size: int = 3, stride: int = 1) -> nn.Conv2d:
    """He's law, without bias."""
    made = nn.Conv2d(channels, out, size, stride, size // 2, bias=False)
    nn.init.kaiming_normal_(made.weight, mode="fan_in", nonlinearity="relu")
    return made


class Basic(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(channels, out, 3, stride), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = conv(out, out), nn.BatchNorm2d(out)
        same = stride == 1 and channels == out
        self.shortcut = (
            nn.Identity()
            if same
            else nn.Sequential(conv(channels, out, 1, stride), nn.BatchNorm2d(out))
        )

    def forward(self, x: Tensor) -> Any:
        """Add the branch."""
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


class ResNet(nn.Module):
    """A stem, two stages, the mean over places, a readout."""

    def __init__(self, width: int, logits: float) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(3, width), nn.BatchNorm2d(width)
        self.layer1, self.layer2 = Basic(width, width, 1), Basic(width, 2 * width, 2)
        self.fc = nn.Linear(2 * width, CLASSES)
        self.logits = (width / BASE) ** logits

    def forward(self, x: Tensor) -> Any:
        """Classes of pictures."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer2(self.layer1(x))
        return self.fc(x.mean((2, 3))) * self.logits


def resnet(width: int, seed: int = 0, *, logits: float = 0.0, stem: Any = "fan_in") -> Made:
    """Groups by the number of dimensions, the stem and the readout on their own."""
    torch.manual_seed(seed)
    model, growth = ResNet(width, logits), width / BASE
    with torch.no_grad():
        nn.init.kaiming_normal_(model.conv1.weight, mode=stem)
        nn.init.normal_(model.fc.weight, std=2.0 / width)
        nn.init.zeros_(model.fc.bias)
    four = [p for p in model.parameters() if p.ndim == 4 and p is not model.conv1.weight]
    ones = [p for n, p in model.named_parameters() if p.ndim == 1 and n != "fc.bias"]
    groups: list[Group] = [
        {"params": four, "weight_decay": 1e-4},
        {"params": [model.conv1.weight], "lr": 0.05 * growth, "weight_decay": 1e-4 / growth},
        {"params": ones, "lr": 0.05 * growth},
        {"params": [model.fc.weight], "lr": 0.05 / growth, "weight_decay": 1e-4 * growth},
        {"params": [model.fc.bias]},
    ]
    optimizer = SGD(groups, lr=0.05, momentum=0.9, nesterov=True)
    return model, optimizer, pictures(), classify


class Separable(nn.Module):
    """A depthwise convolution, a norm, two pointwise layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm = nn.GroupNorm(1, width)
        self.up, self.down = nn.Conv2d(width, 4 * width, 1), nn.Conv2d(4 * width, width, 1)
        self.gamma = nn.Parameter(torch.full((width, 1, 1), 0.5))

    def forward(self, x: Tensor) -> Any:
        """Add the branch, a number a channel."""
        y = self.down(F.gelu(self.up(self.norm(self.depthwise(x)))))
        return x + self.gamma * y


class ConvNeXt(nn.Module):
    """Patches, two blocks, a readout."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 2, 2)
        self.stages = nn.Sequential(Separable(width), Separable(width))
        self.head = nn.Linear(width, CLASSES, bias=False)

    def forward(self, x: Tensor) -> Any:
        """Classes of pictures."""
        return self.head(self.stages(self.stem(x)).mean((2, 3)))


def convnext(width: int, seed: int = 0, *, depthwise: float = 0.0) -> Made:
    """Whole and pointwise convolutions apart: those with ``groups`` see one channel each."""
    torch.manual_seed(seed)
    model, growth = ConvNeXt(width), width / BASE
    with torch.no_grad():
        nn.init.normal_(model.head.weight, std=4.0 / width)
    hidden, spread, others = [model.head.weight], [], [model.stem.weight, model.stem.bias]
    for stage in model.stages.children():
        assert isinstance(stage, Separable)
        hidden += [stage.up.weight, stage.down.weight]
        spread.append(stage.depthwise.weight)
        others += [stage.up.bias, stage.down.bias, stage.depthwise.bias, stage.gamma]
        others += list(stage.norm.parameters())
    optimizer = AdamW(
        [
            {"params": hidden, "lr": 3e-3 / growth, "weight_decay": 0.05 * growth},
            {"params": spread, "lr": 3e-3 * growth**depthwise, "weight_decay": 0.05},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=3e-3,
    )
    return model, optimizer, pictures(), classify

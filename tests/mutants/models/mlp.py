"""Perceptrons in the three forms of Tensor Programs V: Tables 3, 8 and 9.

All are the same function and train alike; they differ in where 1/width is written.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from tests.mutants.models.common import BASE, CLASSES, Group, Made, classify, vectors


@dataclass(frozen=True)
class Form:
    """Exponents of width / BASE, by kind of tensor: input (and biases), hidden, readout."""

    multiplier: tuple[float, float, float]
    std: tuple[float, float, float]
    sgd: tuple[float, float, float]
    adam: tuple[float, float, float]


TABLE3 = Form((0, 0, 0), (0, -0.5, -1), (1, 0, -1), (0, -1, -1))
TABLE8 = Form((0, 0, -1), (0, -0.5, 0), (1, 0, 1), (0, -1, 0))
TABLE9 = Form((0.5, 0, -0.5), (-0.5, -0.5, -0.5), (0, 0, 0), (-0.5, -1, -0.5))

OPTIMIZERS: Mapping[str, Callable[..., Optimizer]] = {
    "sgd": lambda groups: SGD(groups, momentum=0.9),
    "adam": Adam,
    "adamw": lambda groups: AdamW(groups, weight_decay=0.0),
}
RATES = {"sgd": 0.1, "adam": 0.01, "adamw": 0.01}


class MLP(nn.Module):
    """Three hidden layers; multipliers stand in ``forward``."""

    def __init__(self, width: int, form: Form) -> None:
        super().__init__()
        growth = width / BASE
        self.first = nn.Parameter(torch.randn(width, 16) / 4 * growth ** form.std[0])
        self.second = nn.Parameter(torch.randn(width, width) / BASE**0.5 * growth ** form.std[1])
        self.third = nn.Parameter(torch.randn(width, width) / BASE**0.5 * growth ** form.std[1])
        self.last = nn.Parameter(torch.randn(CLASSES, width) / BASE**0.5 * growth ** form.std[2])
        self.shift_1, self.shift_2, self.shift_3 = (
            nn.Parameter(torch.zeros(width)) for _ in range(3)
        )
        self.a_in, self.a_hidden, self.a_out = (growth**power for power in form.multiplier)

    def forward(self, x: Tensor) -> Any:
        """Classes of points."""
        x = torch.tanh(self.a_in * (x @ self.first.T + self.shift_1))
        x = torch.tanh(self.a_hidden * (x @ self.second.T) + self.a_in * self.shift_2)
        x = torch.tanh(self.a_hidden * (x @ self.third.T) + self.a_in * self.shift_3)
        return self.a_out * (x @ self.last.T)


def table(width: int, seed: int = 0, *, form: Form = TABLE3, optimizer: str = "sgd") -> Made:
    """A perceptron in one of the forms, with its optimizer."""
    torch.manual_seed(seed)
    model = MLP(width, form)
    growth, powers = width / BASE, form.sgd if optimizer == "sgd" else form.adam
    kinds = (
        [model.first, model.shift_1, model.shift_2, model.shift_3],
        [model.second, model.third],
        [model.last],
    )
    groups = [
        {"params": kind, "lr": RATES[optimizer] * growth**power}
        for kind, power in zip(kinds, powers, strict=True)
    ]
    return model, OPTIMIZERS[optimizer](groups), vectors(), classify


def anonymous(width: int, seed: int = 0, *, readout: float = -1.0, logits: float = 0.0) -> Made:
    """``nn.Sequential``: no names, torch's own draws put right afterwards, default biases."""
    torch.manual_seed(seed)
    growth = width / BASE
    net = nn.Sequential(
        nn.Linear(16, width), nn.GELU(), nn.Linear(width, 2 * width), nn.GELU(),
        nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, CLASSES), Scale(growth**logits),
    )  # fmt: skip
    with torch.no_grad():
        net[6].weight *= growth ** (readout + 0.5)
    large = [net[2].weight, net[4].weight, net[6].weight]
    small = [net[0].weight, *(net[i].bias for i in (0, 2, 4, 6))]
    optimizer = Adam(
        [{"params": large, "lr": 0.01 / growth}, {"params": small, "lr": 0.01}], eps=1e-12
    )
    return net, optimizer, vectors(), classify


class Scale(nn.Module):
    """Times a number."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Any:
        """As it says."""
        return x * self.factor


class WidthMult(nn.Module):
    """As most repositories write it: ``width_mult`` in the module, ``fan_in`` in a loop."""

    def __init__(self, width: int, *, twice: bool = False, before_norm: bool = False) -> None:
        super().__init__()
        self.width_mult = width / BASE
        self.twice, self.before_norm = twice, before_norm
        self.embed = nn.Linear(16, width, bias=False)
        self.layers = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(3))
        self.norm = nn.LayerNorm(width)
        self.readout = nn.Linear(width, CLASSES, bias=False)
        for layer in (self.embed, *self.layers):
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
        nn.init.normal_(self.readout.weight, std=0.1)

    def forward(self, x: Tensor) -> Any:
        """Classes of points."""
        x = self.embed(x)
        for layer in self.layers:
            x = x + torch.relu(layer(x))
        if self.before_norm:
            return self.readout(self.norm(x / self.width_mult))
        logits = self.readout(self.norm(x)) / self.width_mult
        return logits / self.width_mult if self.twice else logits


def width_mult(
    width: int, seed: int = 0, *, twice: bool = False, before_norm: bool = False
) -> Made:
    """Adam: hidden layers at ``lr / width_mult``."""
    torch.manual_seed(seed)
    model = WidthMult(width, twice=twice, before_norm=before_norm)
    others = [model.embed.weight, model.readout.weight, *model.norm.parameters()]
    groups: list[Group] = [
        {"params": model.layers.parameters(), "lr": 3e-3 / model.width_mult},
        {"params": others},
    ]
    return model, Adam(groups, lr=3e-3), vectors(), classify

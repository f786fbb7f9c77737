"""Small converted models that the tests of gauges share."""

import copy
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

import mupfx


class Tied(nn.Module):
    """An embedding that is the readout as well."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, width)
        self.body = nn.Linear(width, width)
        self.readout = nn.Linear(width, 11, bias=False)
        self.readout.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.readout(torch.tanh(self.body(self.embedding(tokens))))
        return out


class Attending(nn.Module):
    """torch's own attention, which reads another module's weight."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Linear(5, width)
        self.attention = nn.MultiheadAttention(width, width // 4, batch_first=True)
        self.readout = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        out: Tensor = self.readout(self.attention(x, x, x, need_weights=False)[0])
        return out


class Recurrent(nn.Module):
    """A module that keeps its weights in a list of its own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(5, width, batch_first=True)
        self.readout = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.readout(self.lstm(x)[0])
        return out


def inputs_of(model: nn.Module) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    if isinstance(model, Tied):
        return torch.randint(0, 11, (2, 4), generator=generator)
    return torch.randn(2, 4, 5, generator=generator)


@cache
def prototype(kind: Any, **options: Any) -> Any:
    torch.manual_seed(0)
    model = kind(16)
    return mupfx.convert(model, inputs_of(model), base=kind(8), **options)


def converted(kind: Any = Attending, **options: Any) -> Any:
    return copy.deepcopy(prototype(kind, **options))


def everywhere(model: nn.Module, value: float = 4.0) -> dict[str, float]:
    return {name: value for name, _ in model.named_parameters()}

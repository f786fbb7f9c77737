"""Targets that the command line tests name."""

import torch
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.down(torch.tanh(self.up(x)))
        return out


class Net(nn.Module):
    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.first = nn.Linear(3, width)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(depth)))
        self.last = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        out: Tensor = self.last(self.blocks(x))
        return out


class Tied(nn.Module):
    """A tied readout, which keeps a multiplier of its own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, width)
        self.body = Block(width)
        self.head = nn.Linear(width, 11, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(self.embed(tokens)))
        return out


class Unused(nn.Module):
    """A parameter that no input reaches."""

    def __init__(self) -> None:
        super().__init__()
        self.used = nn.Linear(3, 8)
        self.spare = nn.Linear(3, 8)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.used(x)
        return out


def mlp(width: int = 8, depth: int = 2) -> tuple[nn.Module, tuple[Tensor]]:
    torch.manual_seed(0)
    return Net(width, depth), (torch.ones(4, 3),)


def bare(width: int = 8) -> nn.Module:
    return mlp(width)[0]


def tied(width: int = 8) -> nn.Module:
    torch.manual_seed(0)
    return Tied(width)


def unused() -> nn.Module:
    return Unused()


def on_meta(width: int = 8) -> nn.Module:
    with torch.device("meta"):
        return bare(width)

"""Models that microsoft/mup goes wrong on, and the numbers of their groups."""

from typing import Any

import torch
from torch import nn

import mupfx
from tests.zoo.models.common import floats, tokens


def seeded(build: type[nn.Module] | Any, *args: Any, **options: Any) -> Any:
    """The same values every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build(*args, **options)


def mlp(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(7, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 13)
    )


def converted(scale: int = 4) -> nn.Sequential:
    """An MLP at ``scale`` times its base width."""
    model: nn.Sequential = seeded(mlp, 64 * scale)
    mupfx.convert(model, floats(3, 7), base=seeded(mlp, 64))
    return model


def groups_by_name(
    model: nn.Module, optimizer: type[torch.optim.Optimizer], **hyper: Any
) -> dict[str, dict[str, Any]]:
    names = {p: name for name, p in model.named_parameters()}
    groups = mupfx.param_groups(model, optimizer=optimizer, **hyper)
    return {names[p]: group for group in groups for p in group["params"]}


def rates(
    model: nn.Module, optimizer: type[torch.optim.Optimizer] = torch.optim.Adam
) -> dict[str, float]:
    return {name: g["lr"] for name, g in groups_by_name(model, optimizer, lr=1.0).items()}


class Tied(nn.Module):
    """Embedding and readout share a table; the readout has a bias of its own."""

    def __init__(self, width: int, *, bias: bool = True) -> None:
        super().__init__()
        self.embed = nn.Embedding(97, width)
        self.inner = nn.Linear(width, width)
        self.readout = nn.Linear(width, 97, bias=bias)
        self.readout.weight = self.embed.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.readout(torch.tanh(self.inner(self.embed(ids))))
        return out


def tied(scale: int, **options: Any) -> Tied:
    model: Tied = seeded(Tied, 32 * scale, **options)
    mupfx.convert(model, tokens(97, 2, 11), base=seeded(Tied, 32, **options))
    return model

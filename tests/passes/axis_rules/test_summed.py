"""Blocks of a weight that are added up are its fan-in; those that are not, are not."""

from typing import Any

import pytest
import torch
from torch import nn

import mupfx
from tests.zoo.models.common import floats


class Blocks(nn.Module):
    """One small matrix for each of ``count`` parts; then ``then`` says what becomes of them."""

    def __init__(self, count: int, then: str) -> None:
        super().__init__()
        self.then = then
        self.split = nn.Linear(3, count * 4)
        self.w = nn.Parameter(torch.randn(count, 5, 4))
        self.gate = nn.Linear(3, count)
        self.other = nn.Linear(3, count)
        self.mix = nn.Linear(count, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = self.split(x).unflatten(-1, (-1, 4))
        votes = torch.einsum("iok,bik->bio", self.w, parts)
        gate, other = torch.sigmoid(self.gate(x)), self.other(x)
        made: dict[str, Any] = {
            "sum": lambda: votes.sum(1),
            "gated": lambda: (gate.unsqueeze(-1) * votes).sum(1),
            "scaled": lambda: (0.5 * votes.transpose(1, 2)).sum(-1),
            "weighed": lambda: torch.einsum("bi,bio->bo", gate, votes),
            "product": lambda: (other.unsqueeze(-1) * votes).sum(1),
            "multiplied": lambda: torch.einsum("bi,bio->bo", other, votes),
            "bent": lambda: torch.relu(votes).sum(1),
            "mixed": lambda: self.mix(votes.transpose(1, 2)),
            "mean": lambda: votes.mean(1),
        }
        out: torch.Tensor = made[self.then]()
        return out


@pytest.mark.parametrize(
    ("then", "fan_in"),
    [
        *((then, (0, 2)) for then in ("sum", "gated", "scaled", "weighed")),
        *((then, (2,)) for then in ("product", "multiplied", "bent", "mixed", "mean")),
    ],
)
def test_blocks_that_are_added_up_are_contracted(then: str, fan_in: tuple[int, ...]) -> None:
    found = mupfx.analyze(Blocks(16, then), floats(2, 3), base=Blocks(8, then))
    role = found.parameters["w"]
    assert role.fan_in == fan_in
    assert str(role.role) == ("output" if 0 in fan_in else "input")
    assert role.status == "certain"

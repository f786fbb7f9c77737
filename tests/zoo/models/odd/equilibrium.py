"""A deep equilibrium net: Anderson's iteration until the residual is small enough."""

import torch
from torch import nn

from tests.zoo.models.common import Built, floats, seeded


class Cell(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.inner = nn.Linear(dim, 2 * dim)
        self.outer = nn.Linear(2 * dim, dim)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)

    def forward(self, z: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.norm2(z + self.norm1(x + self.outer(torch.relu(self.inner(z)))))
        return out


class Equilibrium(nn.Module):
    def __init__(self, inputs: int, dim: int, outputs: int) -> None:
        super().__init__()
        self.inject = nn.Linear(inputs, dim)
        self.cell = Cell(dim)
        self.read = nn.Linear(dim, outputs)

    def solve(self, x: torch.Tensor, memory: int = 3, tolerance: float = 1e-2) -> torch.Tensor:
        b, d = x.shape
        past, image = torch.zeros(b, memory, d), torch.zeros(b, memory, d)
        past[:, 0], image[:, 0] = torch.zeros_like(x), self.cell(torch.zeros_like(x), x)
        past[:, 1], image[:, 1] = image[:, 0], self.cell(image[:, 0], x)
        h = torch.zeros(b, memory + 1, memory + 1)
        h[:, 0, 1:] = h[:, 1:, 0] = 1
        y = torch.zeros(b, memory + 1, 1)
        y[:, 0] = 1
        for k in range(2, 6):
            n = min(k, memory)
            g = image[:, :n] - past[:, :n]
            h[:, 1 : n + 1, 1 : n + 1] = torch.bmm(g, g.transpose(1, 2)) + 1e-4 * torch.eye(n)
            alpha = torch.linalg.solve(h[:, : n + 1, : n + 1], y[:, : n + 1])[:, 1 : n + 1, 0]
            past[:, k % memory] = (alpha[:, None] @ image[:, :n])[:, 0]
            image[:, k % memory] = self.cell(past[:, k % memory], x)
            change = (image[:, k % memory] - past[:, k % memory]).norm()
            if change / (1e-5 + image[:, k % memory].norm()) < tolerance:
                break
        return past[:, k % memory]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.inject(x)
        with torch.no_grad():
            z = self.solve(x)
        out: torch.Tensor = self.read(self.cell(z, x))
        return out


def build(scale: int = 1) -> Built:
    with seeded():
        model = Equilibrium(6, 20 * scale, 4)
    return model, (floats(3, 6),), {}

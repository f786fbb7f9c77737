"""An energy whose gradient moves the sample: Langevin steps inside the forward pass."""

import torch
from torch import nn

from tests.zoo.models.common import Built, floats, seeded


class Energy(nn.Module):
    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.enc1 = nn.Linear(size, hidden)
        self.enc2 = nn.Linear(hidden, hidden)
        self.quadratic = nn.Parameter(torch.randn(size, hidden) / size**0.5)
        self.top = nn.Parameter(torch.randn(hidden) / hidden)
        self.step = nn.Parameter(torch.tensor(0.1))

    def energy(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.nn.functional.softplus(self.enc2(torch.tanh(self.enc1(x))))
        return (h + (x @ self.quadratic) ** 2) @ self.top

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            for _ in range(2):
                (slope,) = torch.autograd.grad(self.energy(x).sum(), x, create_graph=True)
                x = x - self.step * slope
        return x


def build(scale: int = 1) -> Built:
    with seeded():
        model = Energy(5, 24 * scale)
    return model, (floats(4, 5),), {}

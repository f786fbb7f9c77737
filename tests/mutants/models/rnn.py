"""Recurrent nets: torch's LSTM and GRU, and a cell by hand."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam

from tests.mutants.models.common import BASE, VOCABULARY, Group, Made, predict, sentences


class Torchs(nn.Module):
    """Two layers of ``nn.LSTM`` or ``nn.GRU`` between a table and a readout."""

    def __init__(self, width: int, kind: str) -> None:
        super().__init__()
        self.table = nn.Embedding(VOCABULARY, 16)
        cells: Any = {"lstm": nn.LSTM, "gru": nn.GRU}[kind]
        self.cells = cells(16, width, num_layers=2, batch_first=True)
        self.out = nn.Linear(width, VOCABULARY)

    def forward(self, tokens: Tensor) -> Any:
        """Logits after each token."""
        return self.out(self.cells(self.table(tokens))[0])


def recurrent(width: int, seed: int = 0, *, kind: str = "lstm") -> Made:
    """Torch draws all of a cell with 1/sqrt(width): what reads the table must not shrink."""
    torch.manual_seed(seed)
    model, growth = Torchs(width, kind), width / BASE
    large: list[Tensor] = []
    small: list[Tensor] = []
    with torch.no_grad():
        model.cells.weight_ih_l0.mul_(growth**0.5)
        nn.init.normal_(model.out.weight, std=4.0 / width)
        nn.init.zeros_(model.out.bias)
    for name, parameter in model.named_parameters():
        wide = parameter.ndim == 2 and parameter.shape[-1] == width
        (large if wide else small).append(parameter)
        assert name
    rates = [{"params": large, "lr": 5e-3 / growth}, {"params": small, "lr": 5e-3}]
    return model, Adam(rates), sentences(), predict


class Elman(nn.Module):
    """One step after another, by hand."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(VOCABULARY, width)
        self.i2h, self.h2h = nn.Linear(width, width, bias=False), nn.Linear(width, width)
        self.out = nn.Linear(width, VOCABULARY, bias=False)
        nn.init.normal_(self.i2h.weight, std=width**-0.5)
        nn.init.orthogonal_(self.h2h.weight)
        nn.init.zeros_(self.h2h.bias)
        nn.init.zeros_(self.out.weight)

    def forward(self, tokens: Tensor) -> Any:
        """Logits after each token."""
        x = self.table(tokens)
        h = torch.zeros_like(x[:, 0])
        seen = []
        for t in range(x.shape[1]):
            h = torch.tanh(self.i2h(x[:, t]) + self.h2h(h))
            seen.append(h)
        return self.out(torch.stack(seen, 1))


def elman(width: int, seed: int = 0) -> Made:
    """SGD, and a readout that starts at zero."""
    torch.manual_seed(seed)
    model, growth = Elman(width), width / BASE
    groups: list[Group] = [
        {"params": [model.i2h.weight, model.h2h.weight]},
        {"params": [model.table.weight, model.h2h.bias], "lr": 0.5 * growth},
        {"params": [model.out.weight], "lr": 0.5 / growth},
    ]
    return model, SGD(groups, lr=0.5, momentum=0.9), sentences(length=6), predict

"""A neural Turing machine: an LSTM cell that reads and writes a memory by content and by shift."""

import torch
from torch import nn
from torch.nn import functional

from tests.zoo.models.common import Built, floats, seeded


class TuringMachine(nn.Module):
    def __init__(self, inputs: int, outputs: int, hidden: int, slots: int, cell: int) -> None:
        super().__init__()
        self.cell = cell
        self.controller = nn.LSTMCell(inputs + cell, hidden)
        self.h0 = nn.Parameter(torch.zeros(1, hidden))
        self.c0 = nn.Parameter(torch.zeros(1, hidden))
        self.memory = nn.Parameter(torch.randn(slots, cell) * 0.05)
        self.read0 = nn.Parameter(torch.zeros(1, cell))
        self.reader = nn.Linear(hidden, cell + 6)
        self.writer = nn.Linear(hidden, 3 * cell + 6)
        self.out = nn.Linear(hidden + cell, outputs)

    def address(
        self, head: torch.Tensor, memory: torch.Tensor, before: torch.Tensor
    ) -> torch.Tensor:
        key, beta, gate, shift, gamma = torch.split(head, [self.cell, 1, 1, 3, 1], dim=-1)
        alike = functional.cosine_similarity(memory, torch.tanh(key).unsqueeze(1), dim=-1)
        w = torch.softmax(functional.softplus(beta) * alike, dim=-1)
        gate = torch.sigmoid(gate)
        w = gate * w + (1 - gate) * before
        shift = torch.softmax(shift, dim=-1)
        rolled = torch.stack([w.roll(1, dims=1), w, w.roll(-1, dims=1)], dim=-1)
        w = (rolled * shift.unsqueeze(1)).sum(-1)
        w = (w + 1e-8) ** (1 + functional.softplus(gamma))
        return w / w.sum(-1, keepdim=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, _ = x.shape
        h, c = self.h0.expand(batch, -1), self.c0.expand(batch, -1)
        memory = self.memory.unsqueeze(0).repeat(batch, 1, 1)
        read = self.read0.expand(batch, -1)
        w_read = w_write = torch.full((batch, memory.shape[1]), 1.0 / memory.shape[1])
        outputs = []
        for t in range(length):
            h, c = self.controller(torch.cat([x[:, t], read], dim=-1), (h, c))
            w_read = self.address(self.reader(h), memory, w_read)
            read = torch.bmm(w_read.unsqueeze(1), memory).squeeze(1)
            write = self.writer(h)
            w_write = self.address(write[:, : self.cell + 6], memory, w_write)
            erase, add = write[:, self.cell + 6 :].chunk(2, dim=-1)
            memory = memory * (1 - w_write.unsqueeze(-1) * torch.sigmoid(erase).unsqueeze(1))
            memory = memory + w_write.unsqueeze(-1) * torch.tanh(add).unsqueeze(1)
            outputs.append(self.out(torch.cat([h, read], dim=-1)))
        return torch.stack(outputs, dim=1)


def build(scale: int = 1, *, memory_scale: int = 1) -> Built:
    """The controller grows; the memory's cells grow only where asked."""
    with seeded():
        model = TuringMachine(6, 5, 32 * scale, 12, 10 * memory_scale)
    return model, (floats(2, 4, 6),), {}

"""A summariser that copies words: attention over the source is scattered into the vocabulary."""

import torch
from torch import nn

from tests.zoo.models.common import Built, seeded, tokens


class PointerGenerator(nn.Module):
    def __init__(self, vocabulary: int, emb: int, hidden: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.embed = nn.Embedding(vocabulary, emb)
        self.encoder = nn.GRU(emb, hidden, bidirectional=True)
        self.reduce = nn.Linear(2 * hidden, hidden)
        self.cell = nn.GRUCell(emb + 2 * hidden, hidden)
        self.w_h = nn.Linear(2 * hidden, hidden, bias=False)
        self.w_s = nn.Linear(hidden, hidden)
        self.v = nn.Parameter(torch.randn(hidden) / hidden**0.5)
        self.generate = nn.Linear(3 * hidden + emb, 1)
        self.out = nn.Sequential(nn.Linear(3 * hidden, hidden), nn.Linear(hidden, vocabulary))

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        states, last = self.encoder(self.embed(source.t()))
        states = states.transpose(0, 1)
        s = torch.tanh(self.reduce(torch.cat([last[0], last[1]], dim=-1)))
        keys, context = self.w_h(states), states.mean(1)
        steps = []
        for t in range(target.shape[1]):
            x = self.embed(target[:, t])
            s = self.cell(torch.cat([x, context], dim=-1), s)
            e = torch.tanh(keys + self.w_s(s).unsqueeze(1)) @ self.v
            a = torch.softmax(e, dim=-1)
            context = torch.einsum("bs,bsh->bh", a, states)
            p = torch.sigmoid(self.generate(torch.cat([context, s, x], dim=-1)))
            words = p * torch.softmax(self.out(torch.cat([s, context], dim=-1)), dim=-1)
            steps.append(words.scatter_add(1, source, (1 - p) * a))
        return torch.stack(steps, dim=1).clamp_min(1e-9).log()


def build(scale: int = 1) -> Built:
    with seeded():
        model = PointerGenerator(40, 12 * scale, 16 * scale)
    return model, (tokens(40, 2, 7), tokens(40, 2, 3, seed=2)), {}

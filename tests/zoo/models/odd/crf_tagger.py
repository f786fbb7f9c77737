"""A BiLSTM tagger whose loss is the likelihood of the whole tag sequence."""

import torch
from torch import nn

from tests.zoo.models.common import Built, seeded, tokens


class CRFTagger(nn.Module):
    def __init__(self, vocabulary: int, emb: int, hidden: int, tags: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, emb, padding_idx=0)
        self.lstm = nn.LSTM(emb, hidden, batch_first=True, bidirectional=True)
        self.emit = nn.Linear(2 * hidden, tags)
        self.transitions = nn.Parameter(torch.randn(tags, tags) * 0.1)
        self.start = nn.Parameter(torch.zeros(tags))
        self.end = nn.Parameter(torch.zeros(tags))

    def score(self, e: torch.Tensor, tags: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        emitted = e.gather(2, tags.unsqueeze(2)).squeeze(2)
        moved = self.transitions[tags[:, :-1], tags[:, 1:]]
        total = (emitted * mask).sum(1) + (moved * mask[:, 1:]).sum(1)
        last = tags.gather(1, mask.sum(1, keepdim=True).long() - 1).squeeze(1)
        return total + self.start[tags[:, 0]] + self.end[last]

    def partition(self, e: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        alpha = self.start + e[:, 0]
        for t in range(1, e.shape[1]):
            moved = alpha.unsqueeze(2) + self.transitions.unsqueeze(0) + e[:, t].unsqueeze(1)
            alpha = torch.where(mask[:, t : t + 1] > 0, torch.logsumexp(moved, dim=1), alpha)
        return torch.logsumexp(alpha + self.end, dim=1)

    def forward(self, ids: torch.Tensor, tags: torch.Tensor) -> torch.Tensor:
        mask = (ids != 0).float()
        h, _ = self.lstm(self.embed(ids))
        e = self.emit(h)
        return (self.partition(e, mask) - self.score(e, tags, mask)).mean()


def build(scale: int = 1) -> Built:
    with seeded():
        model = CRFTagger(30, 16 * scale, 20 * scale, 6)
    return model, (tokens(29, 2, 7) + 1, tokens(6, 2, 7, seed=2)), {}

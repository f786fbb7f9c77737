"""A GRU language model whose next word is a mixture of several softmaxes over one tied table."""

import torch
from torch import nn

from tests.zoo.models.common import Built, seeded, tokens


class MixtureLM(nn.Module):
    def __init__(self, vocabulary: int, emb: int, hidden: int, experts: int) -> None:
        super().__init__()
        self.experts = experts
        self.encoder = nn.Embedding(vocabulary, emb)
        self.rnn = nn.GRU(emb, hidden, batch_first=True)
        self.prior = nn.Linear(hidden, experts, bias=False)
        self.latent = nn.Sequential(nn.Linear(hidden, experts * emb), nn.Tanh())
        self.decoder = nn.Linear(emb, vocabulary)
        self.decoder.weight = self.encoder.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        out, _ = self.rnn(self.encoder(ids))
        latent = self.latent(out).view(*ids.shape, self.experts, -1)
        probability = torch.softmax(self.decoder(latent), dim=-1)
        prior = torch.softmax(self.prior(out), dim=-1)
        return (probability * prior.unsqueeze(-1)).sum(-2).clamp_min(1e-9).log()


def build(scale: int = 1) -> Built:
    with seeded():
        model = MixtureLM(60, 24 * scale, 40 * scale, 5)
    return model, (tokens(60, 2, 6),), {}

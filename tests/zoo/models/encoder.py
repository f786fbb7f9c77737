"""torch's own encoder layers between an embedding and a classifier."""

import torch
from torch import nn

from tests.zoo.models.common import Built, seeded, tokens


class Classifier(nn.Module):
    """Embeds, encodes, averages over the sequence, classifies."""

    def __init__(self, width: int, heads: int, feedforward: int, *, norm_first: bool) -> None:
        super().__init__()
        self.embed = nn.Embedding(97, width)
        self.position = nn.Parameter(torch.randn(1, 11, width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width, heads, feedforward, batch_first=True, norm_first=norm_first, dropout=0.0
        )
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, 13)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.encoder(self.embed(ids) + self.position)
        out: torch.Tensor = self.head(x.mean(1))
        return out


def encoder(scale: int = 2, *, head_scale: int = 1, norm_first: bool = False) -> Built:
    """5 heads of 7, 57 inside the MLP, 13 classes, length 11, batch 2."""
    heads = 5 * scale
    with seeded():
        model = Classifier(
            heads * 7 * head_scale, heads, 57 * scale * head_scale, norm_first=norm_first
        )
    return model, (tokens(97, 2, 11),), {}


def encoder_pre_norm(scale: int = 2) -> Built:
    """The same with the norms inside the branches."""
    return encoder(scale, norm_first=True)

"""A vision transformer: patches by a convolution, a class token, learned positions, a head.

Projections of queries, keys and values are apart; four heads grow wider. Rates go by a list of
what is not hidden, as people keep it.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - as everybody calls it
from torch.optim import Adam, Optimizer

from tests.mutants.models.common import BASE, CLASSES, Made, classify, pictures


class SelfAttention(nn.Module):
    """The queries are scaled before the product."""

    def __init__(self, width: int, power: float) -> None:
        super().__init__()
        self.query, self.key, self.value, self.dense = (nn.Linear(width, width) for _ in range(4))
        self.scaling = (width / BASE) ** power / 8**0.5

    def forward(self, x: Tensor) -> Any:
        """Mix patches."""
        q, k, v = (
            part(x).unflatten(-1, (4, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        weights = torch.einsum("bhid,bhjd->bhij", q * self.scaling, k).softmax(-1)
        mixed = torch.einsum("bhij,bhjd->bhid", weights, v)
        return self.dense(mixed.transpose(1, 2).flatten(2))


class Encoder(nn.Module):
    def __init__(self, width: int, power: float, *, post: bool) -> None:
        super().__init__()
        self.attention = SelfAttention(width, power)
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.post = post

    def forward(self, x: Tensor) -> Any:
        """Norms before the branches, or after the sums."""
        if self.post:
            x = self.before(x + self.attention(x))
            return self.after(x + self.down(F.gelu(self.up(x))))
        x = x + self.attention(self.before(x))
        return x + self.down(F.gelu(self.up(self.after(x))))


class ViT(nn.Module):
    """Pictures of 8x8 in, classes out."""

    def __init__(self, width: int, power: float, *, post: bool, pool: str) -> None:
        super().__init__()
        self.pool = pool
        self.patch_embed = nn.Conv2d(3, width, 4, stride=4)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.randn(1, 5, width) * 0.1)
        self.blocks = nn.ModuleList(Encoder(width, power, post=post) for _ in range(2))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Any:
        """Classes of pictures."""
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.cls_token.expand(len(x), -1, -1), x), 1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        return self.head(x[:, 0] if self.pool == "token" else x.mean(1))


def vit(  # noqa: PLR0913 - a fault each
    width: int,
    seed: int = 0,
    *,
    power: float = -1.0,
    post: bool = False,
    pool: str = "token",
    zero_head: bool = False,
    zero_query: bool = False,
) -> Made:
    """The readout is drawn with 1/fan_in; biases as torch draws them."""
    torch.manual_seed(seed)
    model, growth = ViT(width, power, post=post, pool=pool), width / BASE
    with torch.no_grad():
        nn.init.zeros_(model.head.bias)
        nn.init.normal_(model.head.weight, std=0.0 if zero_head else 4.0 / width)
        for name, parameter in model.named_parameters():
            if zero_query and ".query." in name:
                parameter.zero_()
    return model, _adam(model, growth), pictures(), classify


NOT_HIDDEN = ("patch_embed", "cls_token", "pos_embed")


def _adam(model: ViT, growth: float) -> Optimizer:
    groups = []
    for name, parameter in model.named_parameters():
        kept = name.startswith(NOT_HIDDEN) or parameter.ndim < 2
        groups.append({"params": [parameter], "lr": 2e-3 if kept else 2e-3 / growth})
    return Adam(groups, eps=1e-10)

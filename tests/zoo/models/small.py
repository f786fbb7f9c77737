"""Small models in the idioms that trip up name- and module-based tools."""

import torch
from torch import nn
from torch.nn import functional

from tests.zoo.models.common import Built, floats, seeded, tokens


class Autoencoder(nn.Module):
    """Strided convolutions down to a fixed code, transposed ones back up."""

    def __init__(self, width: int, code: int) -> None:
        super().__init__()
        self.down1 = nn.Conv2d(3, width, 4, 2, 1)
        self.down2 = nn.Conv2d(width, 2 * width, 4, 2, 1)
        self.to_code = nn.Conv2d(2 * width, code, 1)
        self.from_code = nn.ConvTranspose2d(code, 2 * width, 1)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 4, 2, 1)
        self.up2 = nn.ConvTranspose2d(width, 3, 4, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        code = torch.tanh(self.to_code(functional.gelu(self.down2(functional.gelu(self.down1(x))))))
        x = self.up1(functional.gelu(self.from_code(code)))
        out: torch.Tensor = self.up2(functional.gelu(x))
        return out


def autoencoder(scale: int = 2) -> Built:
    """7 channels, a code of 5 channels whatever the width."""
    with seeded():
        model = Autoencoder(7 * scale, 5)
    return model, (floats(2, 3, 16, 16),), {}


class Tower(nn.Module):
    """An MLP from its own inputs to the shared space."""

    def __init__(self, inputs: int, width: int, shared: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(inputs, width)
        self.fc2 = nn.Linear(width, width)
        self.project = nn.Linear(width, shared, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.project(torch.tanh(self.fc2(torch.tanh(self.fc1(x)))))
        return out


class TwoTowers(nn.Module):
    """Scores are inner products of two projected towers: no parameter reads out."""

    def __init__(self, left: int, right: int, shared: int) -> None:
        super().__init__()
        self.left = Tower(11, left, shared)
        self.right = Tower(19, right, shared)
        self.log_scale = nn.Parameter(torch.zeros(()))

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.left(left) @ self.right(right).T
        return self.log_scale.exp() * scores


def two_towers(scale: int = 2) -> Built:
    """Towers 17 and 29 wide that meet in 13 dimensions, all of them width."""
    with seeded():
        model = TwoTowers(17 * scale, 29 * scale, 13 * scale)
    return model, (floats(3, 11), floats(5, 19, seed=2)), {}


class EinsumTransformer(nn.Module):
    """One block over raw parameters that keep heads and head size as axes of their own."""

    def __init__(self, width: int, heads: int, head_dim: int, inner: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(97, width) * 0.02)
        self.wq = nn.Parameter(torch.randn(width, heads, head_dim) * width**-0.5)
        self.wk = nn.Parameter(torch.randn(width, heads, head_dim) * width**-0.5)
        self.wv = nn.Parameter(torch.randn(width, heads, head_dim) * width**-0.5)
        self.wo = nn.Parameter(torch.randn(heads, head_dim, width) * (heads * head_dim) ** -0.5)
        self.w1 = nn.Parameter(torch.randn(width, inner) * width**-0.5)
        self.w2 = nn.Parameter(torch.randn(inner, width) * inner**-0.5)
        self.readout = nn.Parameter(torch.randn(width, 13) * width**-0.5)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.table[ids]
        q = torch.einsum("btd,dhk->bhtk", x, self.wq)
        k = torch.einsum("btd,dhk->bhtk", x, self.wk)
        v = torch.einsum("btd,dhk->bhtk", x, self.wv)
        scores = torch.einsum("bhqk,bhsk->bhqs", q, k) / q.shape[-1] ** 0.5
        mixed = torch.einsum("bhqs,bhsk->bhqk", scores.softmax(-1), v)
        x = x + torch.einsum("bhtk,hkd->btd", mixed, self.wo)
        x = x + torch.relu(x @ self.w1) @ self.w2
        return torch.einsum("btd,dv->btv", x, self.readout)


def einsum_transformer(scale: int = 2, *, head_scale: int = 1) -> Built:
    """Width 23, 5 heads of 7, 41 inside the MLP."""
    width = 23 * scale * head_scale
    with seeded():
        model = EinsumTransformer(width, 5 * scale, 7 * head_scale, 41 * scale * head_scale)
    return model, (tokens(97, 2, 11),), {}


def einsum_coincident(scale: int = 2) -> Built:
    """Heads, head size, batch and length all 4, inner as wide as the stream, 16 at scale 2."""
    with seeded():
        model = EinsumTransformer(8 * scale, 2 * scale, 4, 8 * scale)
    return model, (tokens(97, 4, 4),), {}


class Functional(nn.Module):
    """Weights in a dictionary, one (out, in), one (in, out), no layer module in sight."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weights = nn.ParameterDict(
            {
                "first": torch.randn(width, 7) * 7**-0.5,
                "shift": torch.zeros(width),
                "middle": torch.randn(width, width) * width**-0.5,
                "last": torch.randn(13, width) * width**-0.5,
                "gain": torch.ones(width),
                "offset": torch.zeros(13),
            }
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        w = self.weights
        h = torch.tanh(functional.linear(x, w["first"], w["shift"]))
        h = torch.tanh(h @ w["middle"]) * w["gain"]
        return functional.linear(h, w["last"], w["offset"])


def functional_weights(scale: int = 2) -> Built:
    """23 wide, 7 inputs, 13 outputs."""
    with seeded():
        model = Functional(23 * scale)
    return model, (floats(3, 7),), {}


class LSTMModel(nn.Module):
    """Embedding, two recurrent layers of another width, readout."""

    def __init__(self, embedding: int, hidden: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(97, embedding)
        self.rnn = nn.LSTM(embedding, hidden, num_layers=2, batch_first=True)
        self.head = nn.Linear(hidden, 97)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        hidden, _ = self.rnn(self.embed(ids))
        out: torch.Tensor = self.head(hidden)
        return out


def lstm(scale: int = 2) -> Built:
    """Embedding 19, hidden 23."""
    with seeded():
        model = LSTMModel(19 * scale, 23 * scale)
    return model, (tokens(97, 2, 11),), {}


def mlp(width: int = 46) -> Built:
    """Three linears with torch's own init, 7 inputs, 13 outputs."""
    with seeded():
        model = nn.Sequential(
            nn.Linear(7, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 13)
        )
    return model, (floats(3, 7),), {}

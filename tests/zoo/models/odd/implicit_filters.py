"""Long convolutions by FFT whose filters a small sine network draws over time."""

import torch
from torch import nn

from tests.zoo.models.common import Built, seeded, tokens


class Sine(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.freq = nn.Parameter(10 * torch.ones(1, size))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sin(self.freq * x)


class LongFilter(nn.Module):
    t: torch.Tensor
    deltas: torch.Tensor

    def __init__(self, dim: int, length: int, order: int) -> None:
        super().__init__()
        t = torch.linspace(0, 1, length)[:, None]
        self.register_buffer("t", torch.cat([t, torch.cos(3 * t), torch.sin(3 * t)], dim=-1))
        self.register_buffer("deltas", torch.linspace(1, 5, dim))
        self.net = nn.Sequential(
            nn.Linear(3, order), Sine(order), nn.Linear(order, order), Sine(order)
        )
        self.last = nn.Linear(order, dim, bias=False)

    def forward(self) -> torch.Tensor:
        h = self.last(self.net(self.t))
        out: torch.Tensor = (h * torch.exp(-self.t[:, :1] * self.deltas)).t()
        return out


class LongConv(nn.Module):
    def __init__(self, dim: int, length: int, order: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.in_proj = nn.Linear(dim, 3 * dim)
        self.short = nn.Conv1d(3 * dim, 3 * dim, 3, padding=2, groups=3 * dim)
        self.filter = LongFilter(dim, length, order)
        self.skip = nn.Parameter(torch.randn(dim))
        self.out_proj = nn.Linear(dim, dim)

    def forward(self, u: torch.Tensor) -> torch.Tensor:
        length = u.shape[1]
        z = self.short(self.in_proj(self.norm(u)).transpose(1, 2))[..., :length]
        x1, x2, v = z.chunk(3, dim=1)
        v = v * x2
        k = torch.fft.rfft(self.filter(), n=2 * length)
        y = torch.fft.irfft(torch.fft.rfft(v, n=2 * length) * k, n=2 * length)[..., :length]
        y = (y + v * self.skip[:, None]) * x1
        out: torch.Tensor = u + self.out_proj(y.transpose(1, 2))
        return out


class LongConvLM(nn.Module):
    def __init__(self, vocabulary: int, dim: int, length: int, layers: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, dim)
        self.layers = nn.Sequential(*(LongConv(dim, length, 16) for _ in range(layers)))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, vocabulary, bias=False)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.head(self.norm(self.layers(self.embed(ids))))
        return out


def build(scale: int = 1) -> Built:
    with seeded():
        model = LongConvLM(40, 32 * scale, 16, 2)
    return model, (tokens(40, 2, 16),), {}

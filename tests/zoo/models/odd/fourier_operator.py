"""A Fourier neural operator: complex weights on a few low frequencies of every channel."""

import torch
from torch import nn
from torch.nn import functional

from tests.zoo.models.common import Built, floats, seeded


class SpectralConv(nn.Module):
    def __init__(self, channels: int, modes: int) -> None:
        super().__init__()
        self.modes = modes
        scale = 1 / channels
        shape = (channels, channels, modes, modes)
        self.low = nn.Parameter(scale * torch.rand(*shape, dtype=torch.cfloat))
        self.high = nn.Parameter(scale * torch.rand(*shape, dtype=torch.cfloat))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, c, h, w = x.shape
        m = self.modes
        f = torch.fft.rfft2(x)
        out = torch.zeros(b, c, h, w // 2 + 1, dtype=torch.cfloat)
        out[:, :, :m, :m] = torch.einsum("bixy,ioxy->boxy", f[:, :, :m, :m], self.low)
        out[:, :, -m:, :m] = torch.einsum("bixy,ioxy->boxy", f[:, :, -m:, :m], self.high)
        back: torch.Tensor = torch.fft.irfft2(out, s=(h, w))
        return back


class FourierOperator(nn.Module):
    def __init__(self, inputs: int, channels: int, modes: int, layers: int) -> None:
        super().__init__()
        self.lift = nn.Linear(inputs + 2, channels)
        self.spectral = nn.ModuleList(SpectralConv(channels, modes) for _ in range(layers))
        self.local = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(layers))
        self.project = nn.Sequential(
            nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, h, w, _ = x.shape
        ys = torch.linspace(0, 1, h).view(1, h, 1, 1).expand(b, h, w, 1)
        xs = torch.linspace(0, 1, w).view(1, 1, w, 1).expand(b, h, w, 1)
        x = self.lift(torch.cat([x, ys, xs], dim=-1)).movedim(-1, 1)
        for spectral, local in zip(self.spectral, self.local, strict=True):
            x = functional.gelu(spectral(x) + local(x))
        out: torch.Tensor = self.project(x.movedim(1, -1)).squeeze(-1)
        return out


def build(scale: int = 1) -> Built:
    with seeded():
        model = FourierOperator(2, 12 * scale, 3, 2)
    return model, (floats(2, 9, 10, 2),), {}

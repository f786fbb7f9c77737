"""A small denoiser: time enters as scale and shift, resolution changes by shuffling pixels."""

import math

import torch
from torch import nn
from torch.nn import functional

from tests.zoo.models.common import Built, floats, seeded


def sinusoid(t: torch.Tensor, dim: int) -> torch.Tensor:
    freq = torch.exp(-math.log(1000.0) * torch.arange(dim // 2) / (dim // 2))
    angle = t[:, None].float() * freq[None]
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


class ResBlock(nn.Module):
    def __init__(self, inside: int, outside: int, time: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(4, inside), nn.GroupNorm(4, outside)
        self.conv1 = nn.Conv2d(inside, outside, 3, padding=1)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1)
        self.time = nn.Linear(time, 2 * outside)
        self.skip = nn.Conv2d(inside, outside, 1) if inside != outside else nn.Identity()

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        h = self.conv1(functional.silu(self.norm1(x)))
        scale, shift = self.time(functional.silu(t))[:, :, None, None].chunk(2, dim=1)
        h = self.norm2(h) * (1 + scale) + shift
        out: torch.Tensor = self.skip(x) + self.conv2(functional.silu(h))
        return out


class PixelAttention(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(4, dim)
        self.qkv = nn.Conv1d(dim, 3 * dim, 1)
        self.out = nn.Conv1d(dim, dim, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, c, h, w = x.shape
        q, k, v = self.qkv(self.norm(x).reshape(b, c, h * w)).chunk(3, dim=1)
        a = torch.softmax(torch.bmm(q.transpose(1, 2), k) * c**-0.5, dim=-1)
        mixed: torch.Tensor = self.out(torch.bmm(v, a.transpose(1, 2)))
        return x + mixed.reshape(b, c, h, w)


class UNet(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        time = 4 * dim
        self.embed = nn.Sequential(nn.Linear(dim, time), nn.SiLU(), nn.Linear(time, time))
        self.stem = nn.Conv2d(3, dim, 3, padding=1)
        self.down1 = ResBlock(dim, dim, time)
        self.shrink = nn.Conv2d(4 * dim, 2 * dim, 1)
        self.down2 = ResBlock(2 * dim, 2 * dim, time)
        self.attention = PixelAttention(2 * dim)
        self.up2 = ResBlock(4 * dim, 2 * dim, time)
        self.grow = nn.Conv2d(2 * dim, 4 * dim, 1)
        self.up1 = ResBlock(2 * dim, dim, time)
        self.final = nn.Conv2d(dim, 3, 3, padding=1)

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        t = self.embed(sinusoid(t, self.dim))
        x1 = self.down1(self.stem(x), t)
        x2 = self.down2(self.shrink(functional.pixel_unshuffle(x1, 2)), t)
        x = self.up2(torch.cat([self.attention(x2), x2], dim=1), t)
        x = functional.pixel_shuffle(self.grow(x), 2)
        out: torch.Tensor = self.final(self.up1(torch.cat([x, x1], dim=1), t))
        return out


def build(scale: int = 1) -> Built:
    with seeded():
        model = UNet(16 * scale)
    return model, (floats(2, 3, 8, 8), torch.tensor([3, 700])), {}

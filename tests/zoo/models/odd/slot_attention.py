"""Slots that compete for pixels, refined by a GRU, each decoded on a broadcast grid."""

import torch
from torch import nn

from tests.zoo.models.common import Built, floats, seeded


def grid(size: int) -> torch.Tensor:
    ramp = torch.linspace(0, 1, size)
    y, x = torch.meshgrid(ramp, ramp, indexing="ij")
    return torch.stack([y, x, 1 - y, 1 - x], dim=-1)


class SlotAttention(nn.Module):
    def __init__(self, dim: int, slots: int, rounds: int) -> None:
        super().__init__()
        self.slots, self.rounds, self.scale = slots, rounds, dim**-0.5
        self.mu = nn.Parameter(torch.randn(1, 1, dim))
        self.log_sigma = nn.Parameter(torch.zeros(1, 1, dim))
        self.to_q = nn.Linear(dim, dim, bias=False)
        self.to_kv = nn.Linear(dim, dim * 2, bias=False)
        self.gru = nn.GRUCell(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.ReLU(), nn.Linear(2 * dim, dim))
        self.norm_in, self.norm_s, self.norm_m = (nn.LayerNorm(dim) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, _, d = x.shape
        k, v = self.to_kv(self.norm_in(x)).chunk(2, dim=-1)
        slots = self.mu + self.log_sigma.exp() * torch.randn(b, self.slots, d)
        for _ in range(self.rounds):
            q = self.to_q(self.norm_s(slots))
            dots = torch.einsum("bid,bjd->bij", q, k) * self.scale
            attention = dots.softmax(dim=1) + 1e-8
            attention = attention / attention.sum(dim=-1, keepdim=True)
            updates = torch.einsum("bjd,bij->bid", v, attention)
            slots = self.gru(updates.reshape(-1, d), slots.reshape(-1, d)).reshape(b, -1, d)
            slots = slots + self.mlp(self.norm_m(slots))
        return slots


class Scenes(nn.Module):
    grid: torch.Tensor

    def __init__(self, dim: int, slots: int) -> None:
        super().__init__()
        self.encode = nn.Sequential(
            nn.Conv2d(3, dim, 5, padding=2), nn.ReLU(), nn.Conv2d(dim, dim, 5, padding=2), nn.ReLU()
        )
        self.register_buffer("grid", grid(8))
        self.place_in = nn.Linear(4, dim)
        self.place_out = nn.Linear(4, dim)
        self.attend = SlotAttention(dim, slots, 2)
        self.decode = nn.Sequential(
            nn.ConvTranspose2d(dim, dim, 3, padding=1), nn.ReLU(), nn.Conv2d(dim, 4, 3, padding=1)
        )

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        b = images.shape[0]
        x = self.encode(images).permute(0, 2, 3, 1) + self.place_in(self.grid)
        slots = self.attend(x.flatten(1, 2))
        wide = slots.flatten(0, 1)[:, None, None, :].expand(-1, 8, 8, -1)
        wide = wide + self.place_out(self.grid)
        decoded = self.decode(wide.permute(0, 3, 1, 2)).unflatten(0, (b, -1))
        colours, masks = decoded.split([3, 1], dim=2)
        masks = masks.softmax(dim=1)
        return (colours * masks).sum(1), masks


def build(scale: int = 1) -> Built:
    with seeded():
        model = Scenes(16 * scale, 5)
    return model, (floats(2, 3, 8, 8),), {}

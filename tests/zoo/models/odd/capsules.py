"""Capsules with three rounds of routing by agreement."""

import torch
from torch import nn

from tests.zoo.models.common import Built, floats, seeded


def squash(s: torch.Tensor) -> torch.Tensor:
    squared = (s**2).sum(-1, keepdim=True)
    return squared / (1 + squared) * s / torch.sqrt(squared + 1e-8)


class CapsNet(nn.Module):
    def __init__(self, channels: int, types: int, primary: int, pose: int, classes: int) -> None:
        super().__init__()
        self.types, self.primary_dim = types, primary
        self.conv = nn.Conv2d(1, channels, 5)
        self.primary = nn.Conv2d(channels, types * primary, 5, stride=2)
        self.W = nn.Parameter(0.05 * torch.randn(types * 9, classes, pose, primary))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.primary(torch.relu(self.conv(images)))
        n = x.size(0)
        x = x.view(n, self.types, self.primary_dim, -1).permute(0, 1, 3, 2)
        u = squash(x.reshape(n, -1, self.primary_dim))
        u_hat = torch.einsum("iodk,bik->biod", self.W, u)
        logits = torch.zeros(n, u.size(1), self.W.size(1))
        v = torch.zeros_like(u_hat[:, 0])
        for i in range(3):
            c = torch.softmax(logits, dim=2)
            v = squash((c.unsqueeze(-1) * u_hat).sum(dim=1))
            if i < 2:
                logits = logits + (u_hat * v.unsqueeze(1)).sum(-1)
        lengths: torch.Tensor = torch.linalg.vector_norm(v, dim=-1)
        return lengths


def build(scale: int = 1, *, pose_scale: int = 1) -> Built:
    """More channels and capsule types, or poses of more numbers."""
    with seeded():
        model = CapsNet(24 * scale, 4 * scale, 6 * pose_scale, 12 * pose_scale, 10)
    return model, (floats(2, 1, 14, 14),), {}

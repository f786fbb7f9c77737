"""A convolutional LSTM: gates of all channels in one convolution over input and state."""

import torch
from torch import nn

from tests.zoo.models.common import Built, floats, seeded


class ConvLSTM(nn.Module):
    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.gates = nn.Conv2d(inputs + channels, 4 * channels, 3, padding=1)
        self.peep = nn.Parameter(torch.zeros(3, channels, 1, 1))
        self.norm = nn.GroupNorm(2, 4 * channels)
        self.read = nn.Conv2d(channels, inputs, 1)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        b, t, _, height, width = frames.shape
        h = c = frames.new_zeros(b, self.channels, height, width)
        wi, wf, wo = self.peep
        outputs = []
        for step in range(t):
            z = self.norm(self.gates(torch.cat((frames[:, step], h), 1)))
            i, f, g, o = torch.chunk(z, 4, 1)
            i, f = (i + wi * c).sigmoid(), (f + wf * c).sigmoid()
            c = f * c + i * g.tanh()
            h = (o + wo * c).sigmoid() * c.tanh()
            outputs.append(self.read(h))
        return torch.stack(outputs, 1)


def build(scale: int = 1) -> Built:
    with seeded():
        model = ConvLSTM(2, 12 * scale)
    return model, (floats(2, 3, 2, 6, 6),), {}

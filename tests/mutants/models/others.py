"""Smaller nets, each with something that ports and checks trip over."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - as everybody calls it
from torch.nn.utils.parametrizations import weight_norm
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

from tests.mutants.models.common import (
    BASE,
    CLASSES,
    VOCABULARY,
    Group,
    Made,
    classify,
    predict,
    regress,
    sentences,
    vectors,
)
from tests.mutants.models.mlp import table


class Encoder(nn.Module):
    """``nn.TransformerEncoderLayer`` with dropout; heads of eight."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(VOCABULARY, width)
        layer = nn.TransformerEncoderLayer(
            width, width // 8, 4 * width, dropout=0.1, batch_first=True
        )
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.out = nn.Linear(width, VOCABULARY)

    def forward(self, tokens: Tensor) -> Any:
        """Logits at each token."""
        return self.out(self.layers(self.table(tokens)))


def encoder(width: int, seed: int = 0) -> Made:
    """``in_proj_weight`` holds three matrices; all of rank two in the layers are hidden."""
    torch.manual_seed(seed)
    model, growth = Encoder(width), width / BASE
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2 and name.startswith("layers."):
                parameter.normal_(std=parameter.shape[1] ** -0.5)
        model.out.weight.normal_(std=4.0 / width)
        model.out.bias.zero_()
    hidden = [p for p in model.layers.parameters() if p.ndim == 2]
    others = [p for p in model.layers.parameters() if p.ndim == 1]
    groups: list[Group] = [
        {"params": [*hidden, model.out.weight], "lr": 2e-3 / growth},
        {"params": [*others, model.table.weight, model.out.bias]},
    ]
    return model, Adam(groups, lr=2e-3), sentences(), predict


class Autoencoder(nn.Module):
    """Through a code of four numbers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(16, width), nn.Tanh(), nn.Linear(width, 4), nn.Tanh(),
            nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 16),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Any:
        """What went in."""
        return self.net(x)


def rebuild(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.mse_loss(model(batch[0]), batch[0])


def autoencoder(width: int, seed: int = 0, *, code: float = -1.0) -> Made:
    """A bottleneck is a readout, and what comes after it an input."""
    torch.manual_seed(seed)
    model, growth = Autoencoder(width), width / BASE
    one, two = model.net[2], model.net[6]
    assert isinstance(one, nn.Linear)
    assert isinstance(two, nn.Linear)
    with torch.no_grad():
        for layer in (one, two):
            layer.weight.normal_(std=4.0 / width)
            layer.bias.zero_()
    kept = {id(one.weight), id(two.weight)}
    groups: list[Group] = [
        {"params": [one.weight], "lr": 3e-3 * growth**code},
        {"params": [two.weight], "lr": 3e-3 / growth},
        {"params": [p for p in model.parameters() if id(p) not in kept]},
    ]
    return model, RMSprop(groups, lr=3e-3, eps=1e-10), vectors(), rebuild


class Normed(nn.Module):
    """``weight_norm`` on hidden layers; no biases."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(16, width, bias=False)
        self.layers = nn.ModuleList(
            weight_norm(nn.Linear(width, width, bias=False)) for _ in range(2)
        )
        self.last = nn.Linear(width, CLASSES, bias=False)

    def forward(self, x: Tensor) -> Any:
        """Classes of points."""
        x = torch.tanh(self.first(x))
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return self.last(x)


def normed(width: int, seed: int = 0) -> Made:
    """Gains are vectors; directions are matrices."""
    torch.manual_seed(seed)
    model, growth = Normed(width), width / BASE
    nn.init.normal_(model.last.weight, std=4.0 / width)
    directions = [p for n, p in model.named_parameters() if n.endswith("original1")]
    gains = [p for n, p in model.named_parameters() if n.endswith("original0")]
    groups: list[Group] = [
        {"params": [*directions, model.last.weight], "lr": 3e-3 / growth},
        {"params": [*gains, model.first.weight]},
    ]
    return model, Adam(groups, lr=3e-3), vectors(), classify


class Shared(nn.Module):
    """One block used three times, with attention and perceptron side by side."""

    def __init__(self, width: int, branch: float) -> None:
        super().__init__()
        self.table = nn.Embedding(VOCABULARY, width)
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.one = nn.Linear(width, 3 * width + 4 * width, bias=False)
        self.two = nn.Linear(width + 4 * width, width, bias=False)
        self.out = nn.Linear(width, VOCABULARY, bias=False)
        self.width, self.branch = width, (width / BASE) ** branch

    def forward(self, tokens: Tensor) -> Any:
        """Logits after each token."""
        x = self.table(tokens)
        for _ in range(3):
            qkv, inner = self.one(self.norm(x)).split([3 * self.width, 4 * self.width], -1)
            q, k, v = (p.unflatten(-1, (-1, 8)).transpose(1, 2) for p in qkv.chunk(3, -1))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            y = torch.cat((y.transpose(1, 2).flatten(2), F.gelu(inner)), -1)
            x = x + self.branch * self.two(y)
        return self.out(self.norm(x))


def shared(width: int, seed: int = 0, *, branch: float = 0.0) -> Made:
    """Two matrices hold everything that is hidden."""
    torch.manual_seed(seed)
    model, growth = Shared(width, branch), width / BASE
    nn.init.normal_(model.one.weight, std=width**-0.5)
    nn.init.normal_(model.two.weight, std=(5 * width) ** -0.5)
    nn.init.zeros_(model.out.weight)
    groups: list[Group] = [
        {"params": [model.one.weight, model.two.weight, model.out.weight], "lr": 2e-3 / growth},
        {"params": [model.table.weight], "weight_decay": 0.0},
    ]
    return model, AdamW(groups, lr=2e-3), sentences(), predict


class Towers(nn.Module):
    """Two nets whose outputs are compared by their product."""

    def __init__(self, width: int, power: float, *, cosine: bool) -> None:
        super().__init__()
        self.left, self.right = (
            nn.Sequential(nn.Linear(16, width), nn.ReLU(), nn.Linear(width, width))
            for _ in range(2)
        )
        self.scale = 4.0 * BASE**-1.0 * (width / BASE) ** power
        self.cosine = cosine
        self.temperature = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: Tensor) -> Any:
        """How well each goes with each."""
        one, two = self.left(x), self.right(x.flip(1))
        if self.cosine:
            return self.temperature.exp() * F.normalize(one, dim=-1) @ F.normalize(two, dim=-1).T
        return (one @ two.T) * self.scale


def match(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    logits = model(batch[0])
    return F.cross_entropy(logits, torch.arange(len(logits)))


def towers(width: int, seed: int = 0, *, power: float = -1.0, cosine: bool = False) -> Made:
    """Products of two activations want 1/width; angles nothing."""
    torch.manual_seed(seed)
    model, growth = Towers(width, power, cosine=cosine), width / BASE
    hidden = [model.left[2].weight, model.right[2].weight]
    kept = {id(p) for p in hidden}
    groups: list[Group] = [
        {"params": hidden, "lr": 2e-3 / growth},
        {"params": [p for p in model.parameters() if id(p) not in kept]},
    ]
    return model, Adam(groups, lr=2e-3), vectors(), match


class ClippedSGD(SGD):
    """Clips what it is given, as many training loops' own optimizers do."""

    def step(self, closure: Any = None) -> Any:
        """One step, of gradients of norm 0.01 at most."""
        held = [p for group in self.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(held, 0.01)
        return super().step(closure)


def clipping(width: int, seed: int = 0) -> Made:
    """Table 3 with that optimizer."""
    model, optimizer, batch, loss = table(width, seed)
    groups = [{"params": g["params"], "lr": g["lr"]} for g in optimizer.param_groups]
    return model, ClippedSGD(groups, momentum=0.9), batch, loss


Choice = Callable[[list[Group]], Optimizer]
EVERY: dict[str, Choice] = {
    "adagrad": lambda groups: Adagrad(groups, lr=0.02),
    "adam, amsgrad": lambda groups: Adam(groups, lr=5e-3, amsgrad=True),
}


def small(width: int, seed: int = 0, *, optimizer: str = "adagrad", normal: bool = True) -> Made:
    """Squared error, layers without biases, weights from torch's ``xavier``."""
    torch.manual_seed(seed)
    growth = width / BASE
    net = nn.Sequential(
        nn.Linear(16, width, bias=False), nn.Tanh(), nn.Linear(width, width, bias=False),
        nn.Tanh(), nn.Linear(width, CLASSES, bias=False),
    )  # fmt: skip
    first, hidden, last = (p for p in net.parameters())
    (nn.init.xavier_normal_ if normal else nn.init.orthogonal_)(hidden)
    nn.init.normal_(last, std=4.0 / width)
    rate = 0.02 if optimizer == "adagrad" else 5e-3
    groups: list[Group] = [
        {"params": [p], "lr": rate * growth**power}
        for p, power in zip((first, hidden, last), (0, -1, -1), strict=True)
    ]
    return net, EVERY[optimizer](groups), vectors(), regress

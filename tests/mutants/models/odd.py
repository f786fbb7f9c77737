"""Where a factor can be written that is not ``x * factor``, and where a fault can hide from code."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - as everybody calls it
from torch.nn.utils import parametrize
from torch.optim import SGD, Adam

from tests.mutants.models.common import BASE, CLASSES, Group, Made, classify, vectors


class MeanField(nn.Module):
    """One hidden layer; the output is a mean over it, not a sum."""

    def __init__(self, width: int, *, mean: bool) -> None:
        super().__init__()
        self.mean = mean
        self.w = nn.Parameter(torch.randn(16, width) / 4)
        self.b = nn.Parameter(torch.zeros(width))
        self.a = nn.Parameter(torch.randn(CLASSES, width))

    def forward(self, x: Tensor) -> Any:
        """Classes of points."""
        products = torch.tanh(x @ self.w + self.b)[:, None] * self.a
        return products.mean(-1) if self.mean else products.sum(-1) / products.shape[-1] ** 0.5


def mean_field(width: int, seed: int = 0, *, mean: bool = True) -> Made:
    """SGD: every rate grows with the width."""
    torch.manual_seed(seed)
    model = MeanField(width, mean=mean)
    return model, SGD(model.parameters(), lr=0.1 * width / BASE), vectors(), classify


class Buffers(nn.Module):
    """Factors are buffers, hooks and sizes of what comes in."""

    def __init__(self, width: int, *, hooked: bool) -> None:
        super().__init__()
        self.one, self.two, self.three = (
            nn.Linear(16, width), nn.Linear(width, width), nn.Linear(width, CLASSES, bias=False)
        )  # fmt: skip
        self.register_buffer("temper", torch.tensor((width / BASE) ** -0.5))
        nn.init.normal_(self.two.weight, std=BASE**-0.5)
        nn.init.zeros_(self.two.bias)
        nn.init.normal_(self.three.weight)
        if hooked:
            self.three.register_forward_hook(self._divide)

    def _divide(self, _module: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> Tensor:
        return out * (4.0 / args[0].shape[-1])

    def forward(self, x: Tensor) -> Any:
        """Classes of points."""
        x = F.gelu(self.one(x))
        x = F.gelu(self.two(x) * self.temper)
        return self.three(x)


def buffers(width: int, seed: int = 0, *, hooked: bool = True) -> Made:
    """Adam: hidden weights carry n^-1/2, so their rate falls as n^-1/2."""
    torch.manual_seed(seed)
    model, growth = Buffers(width, hooked=hooked), width / BASE
    groups: list[Group] = [
        {"params": [model.two.weight], "lr": 5e-3 * growth**-0.5},
        {"params": [model.two.bias], "lr": 5e-3 * growth**0.5},
        {"params": [*model.one.parameters(), model.three.weight]},
    ]
    return model, Adam(groups, lr=5e-3), vectors(), classify


class Over(nn.Module):
    """A weight over a power of its fan-in."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, weight: Tensor) -> Tensor:
        """As it says."""
        return weight * self.factor


def parametrized(width: int, seed: int = 0, *, last: float = -1.0) -> Made:
    """Every layer's weight has variance one, by ``torch.nn.utils.parametrize``."""
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Linear(16, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(),
        nn.Linear(width, CLASSES),
    )  # fmt: skip
    growth = width / BASE
    powers = (-0.5, -0.5, last)
    groups: list[Group] = []
    for layer, power, scale in zip((net[0], net[2], net[4]), powers, (1, 1, 4), strict=True):
        assert isinstance(layer, nn.Linear)
        nn.init.normal_(layer.weight)
        nn.init.zeros_(layer.bias)
        factor = scale * layer.in_features**power
        parametrize.register_parametrization(layer, "weight", Over(factor), unsafe=True)
        original = next(layer.parametrizations.parameters())  # type: ignore[union-attr]
        rate = 0.05 * growth**-0.5 if layer is net[2] else 0.05
        groups += [{"params": [original], "lr": rate}, {"params": [layer.bias], "lr": 5e-3}]
    return net, Adam(groups), vectors(), classify


class FixedInner(nn.Module):
    """The stream grows; what is inside its branches does not."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.read, self.norm = nn.Linear(16, width), nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 48), nn.Linear(48, width)
        self.write = nn.Linear(width, CLASSES, bias=False)

    def forward(self, x: Tensor) -> Any:
        """Classes of points."""
        x = self.read(x)
        x = x + self.down(F.gelu(self.up(self.norm(x))))
        return self.write(x)


def fixed_inner(width: int, seed: int = 0, *, as_hidden: bool = False) -> Made:
    """Then ``up`` is a readout, and ``down`` an input; ``as_hidden`` takes both for hidden."""
    torch.manual_seed(seed)
    model, growth = FixedInner(width), width / BASE
    nn.init.normal_(model.up.weight, std=BASE**0.5 / width)
    nn.init.zeros_(model.up.bias)
    nn.init.normal_(model.write.weight, std=4.0 / width)
    slow = [model.up.weight, model.write.weight, *([model.down.weight] if as_hidden else [])]
    kept = {id(p) for p in slow}
    groups: list[Group] = [
        {"params": slow, "lr": 5e-3 / growth},
        {"params": [p for p in model.parameters() if id(p) not in kept]},
    ]
    return model, Adam(groups, lr=5e-3), vectors(), classify


def xavier(width: int, seed: int = 0, *, which: str = "first") -> Made:
    """Xavier's law, which looks at both sides, where one side is finite."""
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Linear(16, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(),
        nn.Linear(width, CLASSES),
    )  # fmt: skip
    growth = width / BASE
    first, second, third = (layer for layer in net if isinstance(layer, nn.Linear))
    nn.init.xavier_uniform_(second.weight)
    nn.init.normal_(third.weight, std=4.0 / width)
    nn.init.zeros_(third.bias)
    if which != "none":
        nn.init.xavier_uniform_((first if which == "first" else third).weight)
    slow = [second.weight, third.weight]
    others = [*first.parameters(), second.bias, third.bias]
    groups: list[Group] = [{"params": slow, "lr": 5e-3 / growth}, {"params": others, "lr": 5e-3}]
    return net, Adam(groups), vectors(), classify


def loss_over_width(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """A loss that somebody normalised by the largest tensor's size."""
    return classify(model, batch) * BASE / max(p.shape[0] for p in model.parameters())


def with_loss(
    factory: Callable[..., Made], loss: Callable[..., Tensor]
) -> Callable[[int, int], Made]:
    """The same target with another loss."""

    def target(width: int, seed: int = 0) -> Made:
        model, optimizer, batch, _ = factory(width, seed)
        return model, optimizer, batch, loss

    return target


class Cut(nn.Module):
    """Positions are detached, so that they never learn."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.read = nn.Linear(16, width)
        self.shift = nn.Parameter(0.1 * torch.randn(width))
        self.mid, self.write = nn.Linear(width, width), nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Any:
        """Classes of points."""
        x = torch.tanh(self.read(x) + self.shift.detach())
        return self.write(torch.tanh(self.mid(x)))


def cut(width: int, seed: int = 0) -> Made:
    torch.manual_seed(seed)
    model, growth = Cut(width), width / BASE
    nn.init.normal_(model.write.weight, std=4.0 / width)
    nn.init.zeros_(model.write.bias)
    slow = [model.mid.weight, model.write.weight]
    others = [*model.read.parameters(), model.shift, model.mid.bias, model.write.bias]
    groups: list[Group] = [{"params": slow, "lr": 5e-3 / growth}, {"params": others, "lr": 5e-3}]
    return model, Adam(groups), vectors(), classify


def with_gradient_hook(factory: Callable[..., Made], name: str, power: float) -> Any:
    """Gradients of one tensor times growth to a power, by a hook on it."""

    def target(width: int, seed: int = 0) -> Made:
        made = factory(width, seed)
        factor = (width / BASE) ** power
        dict(made[0].named_parameters())[name].register_hook(lambda g: g * factor)
        return made

    return target


class ScalingAdam(Adam):
    """An Adam of one's own that divides by fan-in inside its step."""

    def step(self, closure: Any = None) -> Any:
        """One step, at rates that the groups do not show."""
        rates = [group["lr"] for group in self.param_groups]
        for group in self.param_groups:
            group["lr"] *= BASE / group.get("fan_in", BASE)
        done = super().step(closure)
        for group, rate in zip(self.param_groups, rates, strict=True):
            group["lr"] = rate
        return done


def own_step(width: int, seed: int = 0) -> Made:
    """The rates that hold in steps are right; those of groups are all one."""
    model, optimizer, batch, loss = xavier(width, seed, which="none")
    slow, others = (group["params"] for group in optimizer.param_groups)
    groups: list[Group] = [{"params": slow, "fan_in": width}, {"params": others}]
    return model, ScalingAdam(groups, lr=5e-3), batch, loss

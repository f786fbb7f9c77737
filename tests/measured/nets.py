"""Networks drawn from a plan: its stds, its learning rates, and nothing else of mupfx.

A net is converted once for each width; runs of other seeds draw every weight afresh at the plan's
std, so that a run costs no capture.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor, nn

import mupfx
from mupfx.core.plan import ParameterPlan

BASE = 64
FEATURES, SAMPLES = 8, 6


def data() -> tuple[Tensor, Tensor]:
    """Inputs of length sqrt(8) and random signs, always the same."""
    generator = torch.Generator().manual_seed(123)
    x = torch.randn(SAMPLES, FEATURES, generator=generator, dtype=torch.float64)
    x = x / x.norm(dim=1, keepdim=True) * math.sqrt(FEATURES)
    return x, torch.sign(torch.randn(SAMPLES, 1, generator=generator, dtype=torch.float64))


def mlp(
    width: int, hidden: int = 2, activation: Callable[[], nn.Module] = nn.Tanh
) -> nn.Sequential:
    """Layers of one width without biases, at std ``fan_in^-1/2``."""
    layers: list[nn.Module] = []
    for fan_in in [FEATURES] + [width] * (hidden - 1):
        layers += [nn.Linear(fan_in, width, bias=False), activation()]
    net = nn.Sequential(*layers, nn.Linear(width, 1, bias=False)).double()
    with torch.no_grad():
        for weight in net.parameters():
            weight.normal_(0, weight.shape[1] ** -0.5)
    return net


Build = Callable[[int], nn.Sequential]


@cache
def rows(build: Build, width: int, parametrization: str) -> Mapping[str, ParameterPlan]:
    """The plan of a net beside its base of width 64."""
    torch.manual_seed(0)
    laws = {"*": "lecun_normal"}
    net = mupfx.convert(
        build(width), data()[0], base=BASE, parametrization=parametrization, init=laws
    )
    return mupfx.plan(net).parameters


def with_rate_of(
    plan: Mapping[str, ParameterPlan], other: Mapping[str, ParameterPlan], name: str
) -> Mapping[str, ParameterPlan]:
    """A plan with one parameter's optimizers taken from another: a control that must fail."""
    return {**plan, name: replace(plan[name], optimizers=other[name].optimizers)}


@dataclass
class Run:
    """A drawn net with a learning rate for each parameter."""

    net: nn.Sequential
    rates: list[float]

    @classmethod
    def of(
        cls,
        net: nn.Sequential,
        plan: Mapping[str, ParameterPlan],
        seed: int,
        lr: float,
        family: str = "sgd",
    ) -> "Run":
        """Draw a net's weights at the plan's std; ``lr`` is the rate at the base."""
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, weight in net.named_parameters():
                weight.normal_(0, plan[name].init.std or 0.0, generator=generator)
        rates = [lr * plan[name].optimizers[family].lr for name, _ in net.named_parameters()]
        return cls(net, rates)

    def step(self, loss: Callable[[Tensor], Tensor], x: Tensor) -> None:
        """One step of gradient descent."""
        weights = list(self.net.parameters())
        slopes = torch.autograd.grad(loss(self.net(x)), weights)
        with torch.no_grad():
            for weight, gradient, rate in zip(weights, slopes, self.rates, strict=True):
                weight.sub_(rate * gradient)

    def signed_step(self, loss: Callable[[Tensor], Tensor], x: Tensor) -> None:
        """The first step of Adam: the gradient's sign."""
        weights = list(self.net.parameters())
        slopes = torch.autograd.grad(loss(self.net(x)), weights)
        with torch.no_grad():
            for weight, gradient, rate in zip(weights, slopes, self.rates, strict=True):
                weight.sub_(rate * gradient.sign())

    def kernel(self, x: Tensor) -> Tensor:
        """The tangent kernel, each parameter's part times its learning rate."""
        weights = list(self.net.parameters())
        out = self.net(x)
        total = torch.zeros(len(x), len(x), dtype=x.dtype)
        gradients = [torch.autograd.grad(f, weights, retain_graph=True) for f in out[:, 0]]
        for place, rate in enumerate(self.rates):
            flat = torch.stack([found[place].flatten() for found in gradients])
            total += rate * flat @ flat.T
        return total


def rms(value: Tensor) -> float:
    """Root of the mean square."""
    return value.detach().pow(2).mean().sqrt().item()

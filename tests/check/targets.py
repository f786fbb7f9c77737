"""Targets of checks: small nets, right and wrong."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

import mupfx

WIDTHS = (16, 32, 64)
BASE = 16


def net(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(8, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 16)
    )


def batch() -> tuple[Tensor, Tensor]:
    return torch.randn(16, 8), torch.randint(16, (16,))


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return functional.cross_entropy(model(batch[0]), batch[1])


Made = tuple[nn.Module, Optimizer, Any, Any]


def good(width: int, seed: int = 0) -> Made:
    """Converted by mupfx, trained by it."""
    torch.manual_seed(seed)
    model = mupfx.convert(net(width), torch.zeros(1, 8), base=net(BASE))
    return model, mupfx.optimizer(torch.optim.AdamW, model, lr=2**-8), batch(), loss


def standard(width: int, seed: int = 0) -> Made:
    """As torch makes it, at one learning rate."""
    torch.manual_seed(seed)
    model = net(width)
    return model, torch.optim.AdamW(model.parameters(), lr=2**-8), batch(), loss


def forgotten(width: int) -> Made:
    """A hidden weight is in no group."""
    made = good(width)
    for group in made[1].param_groups:
        group["params"] = [p for p in group["params"] if p is not made[0].get_parameter("2.weight")]
    return made


def twice(width: int) -> dict[str, Any]:
    """A hidden weight is in two optimizers."""
    model, optimizer, data, taught = good(width)
    other = torch.optim.SGD([model.get_parameter("2.weight")], lr=0.1)
    return {"model": model, "optimizer": [optimizer, other], "batch": data, "loss": taught}


class Unknown(torch.optim.Optimizer):
    """Nobody knows how it scales."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, {"lr": 0.1})


def unknown(width: int) -> Made:
    model, _, data, taught = good(width)
    return model, Unknown(model.parameters()), data, taught


def constant(width: int) -> nn.Module:
    """Does not do as it is told."""
    return net(BASE)


def inner_error(width: int) -> nn.Module:
    if width > 16:
        raise RuntimeError("no memory\nfor that")
    return net(width)


def bare(width: int) -> nn.Module:
    return net(width)


class Attentive(nn.Module):
    """The bias of its keys has no effect: it moves all logits of a row alike."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.into, self.out = nn.Linear(8, width), nn.Linear(width, 16)
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.into(x))
        parts = [
            part(x).unflatten(-1, (-1, 8)).transpose(0, 1) for part in (self.q, self.k, self.v)
        ]
        made = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2])
        out: Tensor = self.out(x + made.transpose(0, 1).flatten(1))
        return out


class Signs(Unknown):
    """Steps of one size."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(p.grad.sign(), alpha=group["lr"])


def attentive(width: int, seed: int = 0) -> Made:
    """Right, by an optimizer of which nothing is known."""
    torch.manual_seed(seed)
    model = Attentive(width)
    with torch.no_grad():
        model.out.weight.mul_((BASE / width) ** 0.5)
    groups = [
        {"params": [p], "lr": 2**-8 * (BASE / width if p.shape[-1] == width and p.ndim > 1 else 1)}
        for p in model.parameters()
    ]
    return model, Signs(groups), batch(), loss

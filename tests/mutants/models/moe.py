"""A mixture of experts between dense layers; experts are three-dimensional tensors."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - as everybody calls it
from torch.optim import SGD, Adam

from tests.mutants.models.common import BASE, CLASSES, Made, classify, vectors

EXPERTS = 4


def inner(width: int, growth: str) -> int:
    """How wide an expert is: in proportion, or as the root of the width."""
    return 2 * width if growth == "linear" else round(2 * (BASE * width) ** 0.5)


class Mixture(nn.Module):
    """The best two experts of a token, weighted."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, EXPERTS, bias=False)
        self.w1 = nn.Parameter(torch.empty(EXPERTS, width, hidden))
        self.w2 = nn.Parameter(torch.empty(EXPERTS, hidden, width))
        self.b1 = nn.Parameter(torch.zeros(EXPERTS, 1, hidden))

    def forward(self, x: Tensor) -> Any:
        """All experts see all tokens; weights of most are zero."""
        scores = self.gate(x).softmax(-1)
        top = scores.topk(2, dim=-1)
        weights = torch.zeros_like(scores).scatter(-1, top.indices, top.values)
        y = torch.bmm(F.silu(torch.bmm(x.expand(EXPERTS, -1, -1), self.w1) + self.b1), self.w2)
        return torch.einsum("etd,te->td", y, weights)


class MoE(nn.Module):
    """In, mix, out."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.proj_in = nn.Linear(16, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.mixtures = nn.ModuleList(Mixture(width, hidden) for _ in range(2))
        self.proj_out = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Any:
        """Classes of points."""
        x = self.proj_in(x)
        for norm, mixture in zip(self.norms, self.mixtures, strict=True):
            x = x + mixture(norm(x))
        return self.proj_out(x)


def moe(  # noqa: PLR0913 - a fault each
    width: int,
    seed: int = 0,
    *,
    growth: str = "linear",
    optimizer: str = "sgd",
    experts: float = 0.0,
    gate: float = 0.0,
) -> Made:
    """``experts`` and ``gate`` are further exponents of their rates."""
    torch.manual_seed(seed)
    hidden = inner(width, growth)
    model = MoE(width, hidden)
    wide, narrow = width / BASE, hidden / inner(BASE, growth)
    with torch.no_grad():
        nn.init.normal_(model.proj_in.weight, std=0.25)
        nn.init.normal_(model.proj_out.weight, std=4.0 / width)
        nn.init.zeros_(model.proj_out.bias)
        for mixture in model.modules():
            if not isinstance(mixture, Mixture):
                continue
            up = (1 / width) ** 0.5 * min(1.0, narrow / wide) ** 0.5
            nn.init.normal_(mixture.w1, std=up)
            nn.init.normal_(mixture.w2, std=hidden**-0.5)
            nn.init.normal_(mixture.gate.weight, std=8.0 / width)
    rates = _rates(wide, narrow, optimizer)
    groups = [
        {"params": [p], "lr": rates[_kind(name)] * wide ** {"up": experts, "down": experts, "gate": gate}.get(_kind(name), 0.0)}
        for name, p in model.named_parameters()
    ]  # fmt: skip
    return model, (SGD if optimizer == "sgd" else Adam)(groups), vectors(), classify


def _kind(name: str) -> str:
    last = name.rsplit(".", maxsplit=1)[-1]
    if name == "proj_out.bias":
        return "scalar"
    known = {"w1": "up", "w2": "down", "b1": "inner bias"}
    if "gate" in name or name == "proj_out.weight":
        return "gate" if "gate" in name else "readout"
    return known.get(last, "vector")


def _rates(wide: float, narrow: float, optimizer: str) -> dict[str, float]:
    if optimizer == "sgd":
        return {
            "vector": 0.1 * wide, "up": 0.1 * narrow / wide, "down": 0.1 * wide / narrow,
            "inner bias": 0.1 * narrow, "gate": 0.1 / wide, "readout": 0.1 / wide, "scalar": 0.1,
        }  # fmt: skip
    return {
        "vector": 5e-3, "up": 5e-3 / wide, "down": 5e-3 / narrow,
        "inner bias": 5e-3, "gate": 5e-3 / wide, "readout": 5e-3 / wide, "scalar": 5e-3,
    }  # fmt: skip

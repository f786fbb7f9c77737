"""Ports of muP by hand whose every exponent is an argument: right as they are, else with a fault."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mupfx.core.report import Size
from mupfx.core.setup import Setup

BASE = 32
SIZES = (32, 128)
Made = tuple[nn.Module, torch.optim.Optimizer, Any]


def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    inputs, classes = batch
    return functional.cross_entropy(model(inputs).flatten(0, -2), classes.flatten())


def setups(
    make: Callable[..., Made], sizes: Sequence[int] = SIZES, *, axis: str = "width", seeds: int = 2
) -> Mapping[Size, list[Setup]]:
    found: dict[Size, list[Setup]] = {}
    for number in sizes:
        size = Size(width=number) if axis == "width" else Size(BASE, number)
        for seed in range(seeds):
            torch.manual_seed(seed)
            model, optimizer, batch = make(number)
            made = Setup(size, seed, model, (optimizer,), batch, loss, (batch[0],), {})
            found.setdefault(size, []).append(made)
    return found


class Net(nn.Module):
    """A perceptron; what its names say is nothing."""

    def __init__(self, width: int, factor: float, *, relu: bool, bias: bool) -> None:
        super().__init__()
        self.a = nn.Linear(16, width, bias=bias)
        self.b = nn.Linear(width, width, bias=bias)
        self.c = nn.Linear(width, 10, bias=bias)
        self.factor, self.relu = factor, relu

    def forward(self, x: Tensor) -> Tensor:
        act = functional.relu if self.relu else functional.gelu
        out: Tensor = self.c(act(self.b(act(self.a(x)))) * self.factor)
        return out


def net(  # noqa: PLR0913 - exponents
    width: int,
    *,
    first: float = 0,
    second: float = -1,
    last: float = -1,
    biases: float = 0,
    init: Mapping[str, float] | None = None,
    factor: float = 0,
    optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.Adam,
    relu: bool = False,
    bias: bool = True,
    **settings: Any,
) -> Made:
    """Table 3 with Adam, as it is."""
    grown = width / BASE
    model = Net(width, grown**factor, relu=relu, bias=bias)
    with torch.no_grad():
        for name, power in {"c": -0.5, **(init or {})}.items():
            model.get_parameter(f"{name}.weight").mul_(grown**power)
    powers = {"a": first, "b": second, "c": last}
    groups = [
        {"params": [model.get_parameter(f"{name}.weight")], "lr": 1e-2 * grown**power}
        for name, power in powers.items()
    ]
    if bias:
        groups.append({"params": [model.a.bias, model.b.bias], "lr": 1e-2 * grown**biases})
        groups.append({"params": [model.c.bias], "lr": 1e-2})
    batch = torch.randn(8, 16), torch.randint(0, 10, (8,))
    return model, optimizer(groups, lr=1e-2, **settings), batch


class Attention(nn.Module):
    """Heads of a size, or a number of them."""

    def __init__(self, width: int, heads: int, power: float) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.heads, self.power = heads, power

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.q, self.k, self.v)
        )
        scale = q.shape[-1] ** self.power
        y = functional.scaled_dot_product_attention(q, k, v, scale=scale)
        out: Tensor = self.o(y.transpose(1, 2).flatten(-2))
        return out


class Block(nn.Module):
    """Two branches."""

    def __init__(self, width: int, heads: int, power: float, branch: float) -> None:
        super().__init__()
        self.one, self.two = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend = Attention(width, heads, power)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.branch * self.attend(self.one(x))
        out: Tensor = x + self.branch * self.down(functional.gelu(self.up(self.two(x))))
        return out


class Reader(nn.Module):
    """A transformer over tokens."""

    def __init__(self, width: int, depth: int, options: Mapping[str, Any]) -> None:
        super().__init__()
        heads = options["heads"] or width // 8
        self.table = nn.Embedding(32, width)
        self.blocks = nn.ModuleList(
            Block(width, heads, options["power"], options["branch"]) for _ in range(depth)
        )
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, 32, bias=options["bias"])
        if options["tied"]:
            self.out.weight = self.table.weight
        self.into, self.logits = options["into"], options["logits"]

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.table(tokens) * self.into
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.out(self.norm(x) * self.logits)
        return out


def reader(  # noqa: PLR0913 - exponents
    width: int,
    *,
    depth: int = 2,
    heads: int = 0,
    power: float = -0.5,
    into: float = 0,
    logits: float = 0,
    branch: float = 0,
    tied: bool = False,
    bias: bool = False,
    queries: float = 0,
    rates: Mapping[str, float] | None = None,
    **settings: Any,
) -> Made:
    """Table 3 with AdamW, heads of one size."""
    grown, deeper = width / BASE, depth / 2
    options = {
        "heads": heads, "power": power, "tied": tied, "bias": bias,
        "into": grown**into, "logits": grown**logits, "branch": deeper**branch,
    }  # fmt: skip
    model = Reader(width, depth, options)
    hidden = {n for n, p in model.named_parameters() if p.ndim == 2 and n.startswith("blocks")}
    groups = []
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            own = -1.0 if name in hidden or name == "out.weight" else 0.0
            if name.endswith("q.weight"):
                own += queries
                parameter.mul_(grown**queries)
            if name == "out.weight":
                parameter.mul_(grown**-0.5)
            own += (rates or {}).get(name, 0.0)
            groups.append({"params": [parameter], "lr": 1e-2 * grown**own})
    tokens = torch.randint(0, 32, (2, 12))
    made = torch.optim.AdamW(groups, **{"lr": 1e-2, "weight_decay": 0.0, **settings})
    return model, made, (tokens, torch.randint(0, 32, (2, 12)))


class Joined(nn.Module):
    """What a layer makes, beside the input once more."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.a, self.c = nn.Linear(12, width), nn.Linear(width, 10)
        self.b = nn.Linear(width + 12, width)

    def forward(self, x: Tensor) -> Tensor:
        seen = torch.cat([functional.relu(self.a(x)), x], -1)
        out: Tensor = self.c(functional.relu(self.b(seen)))
        return out


def joined(
    width: int, *, counted: int = 12, second: float = -1, init: float = 0, decay: float = 0.1
) -> Made:
    """Table 3 with AdamW, where of the finite part of a fan-in so much is counted."""
    grown, fan_in = width / BASE, (width + counted) / (BASE + counted)
    model = Joined(width)
    with torch.no_grad():
        model.c.weight.mul_(grown**-0.5)
        model.b.weight.mul_(grown**init)
    powers = {"b.weight": fan_in**-1 * grown ** (second + 1), "c.weight": 1 / grown}
    groups = [
        {"params": [p], "lr": 1e-2 * powers.get(n, 1), "weight_decay": decay / powers.get(n, 1)}
        for n, p in model.named_parameters()
    ]
    return model, torch.optim.AdamW(groups), (torch.randn(8, 12), torch.randint(0, 10, (8,)))

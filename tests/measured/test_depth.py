"""Residual nets against depth: how much a step moves the stream and the output.

``pytest -m slow tests/measured/test_depth.py``. Width 96, 8 to 128 blocks on a base of one, blocks
``x + phi(W x) - mean`` (one matrix) of which the matrices alone are trained, one small step on eight
inputs, medians of eleven seeds. Moved by all parameters, or by several steps, the exponents of a wrong
rule do not show: embedding and readout mask them. Predicted and as measured here:

| rule                       | predicted | stream SGD, Adam | output SGD, Adam |
|----------------------------|-----------|------------------|------------------|
| depth_mup                  |  0        | +0.02  -0.02     | +0.04  +0.01     |
| completep                  |  0        | -0.07  -0.02     | -0.01   0.00     |
| depth_mup, lr * depth^1/2  | +1/2      | +0.49  +0.48     | +0.51  +0.51     |
| depth_mup, lr * depth^-1/2 | -1/2      | -0.48  -0.52     | -0.46  -0.49     |
| completep, lr * depth^1/2  | +1/2      | +0.40  +0.47     | +0.46  +0.50     |
| completep, lr * depth^-1/2 | -1/2      | -0.57  -0.52     | -0.51  -0.50     |

Gradients of the matrices, before the multiplier is folded: depth^-1/2 and depth^-1; of embedding and
readout: 0. In blocks of two matrices, the part of an update in which both move, over the part in
which one does: depth^-0.84 at alpha 1/2 (Tensor Programs VI has -1/2; the faster fall is not
explained), and depth^0.02 at alpha 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import mupfx
from mupfx.core.plan import ParameterPlan
from tests.measured.slopes import medians, slope

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::mupfx.MupfxWarning")]

WIDTH, FEATURES, SAMPLES = 96, 8, 8
BASE = 1
DEPTHS = (8, 16, 32, 64, 128)
SEEDS = range(11)
TOLERANCE = 0.1
OFF = (0.0, 0.5, -0.5)
"""The learning rate is wrong by depth to this."""
TABLES = ("depth_mup", "completep")
RATES = {"SGD": 0.2, "Adam": 2e-4}


class Block(nn.Module):
    """One matrix, or two, and no common mean."""

    def __init__(self, matrices: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(matrices))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.layers[0](x))
        for layer in self.layers[1:]:
            y = layer(y)
        out: Tensor = x + (y - y.mean(-1, keepdim=True))
        return out


class Net(nn.Module):
    """Its stream before the readout is kept."""

    def __init__(self, depth: int, matrices: int) -> None:
        super().__init__()
        self.stem = nn.Linear(FEATURES, WIDTH, bias=False)
        self.blocks = nn.ModuleList(Block(matrices) for _ in range(depth))
        self.head = nn.Linear(WIDTH, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.stream(x)[-1])
        return out

    def stream(self, x: Tensor) -> list[Tensor]:
        """What every block reads, and what the readout does."""
        found = [self.stem(x)]
        for block in self.blocks:
            found.append(block(found[-1]))
        return found


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(SAMPLES, FEATURES, generator=generator, dtype=torch.float64)
    return x, torch.randn(SAMPLES, 1, generator=generator, dtype=torch.float64)


def rms(x: Tensor) -> float:
    return float(x.detach().pow(2).mean().sqrt())


@cache
def converted(table: str, depth: int, matrices: int = 1) -> Net:
    """The net at a depth, on a base of one block."""
    net = Net(depth, matrices).double()
    with torch.no_grad():
        for name, weight in net.named_parameters():
            weight.normal_(0, base_std(name, weight))
    return mupfx.convert(
        net,
        batch()[0],
        base=WIDTH,
        base_depth=BASE,
        parametrization=table,
        init={"head.weight": "constant", "*": "lecun_normal"},
    )


def base_std(name: str, weight: Tensor) -> float:
    """At the base: a readout as small as muP's."""
    fan_in: int = weight.shape[1]
    return 1 / fan_in if name == "head.weight" else fan_in**-0.5


def drawn(net: Net, seed: int) -> Mapping[str, ParameterPlan]:
    """The plan, after every weight is drawn afresh at its std."""
    rows = mupfx.plan(net).parameters
    generator = torch.Generator().manual_seed(seed)
    ratio = len(net.blocks) / BASE
    with torch.no_grad():
        for name, weight in net.named_parameters():
            growth = rows[name].init.power.value({"depth": ratio})
            weight.normal_(0, base_std(name, weight) * growth, generator=generator)
    return rows


def optimizer(net: Net, kind: str, rate: float, factor: float = 1.0) -> torch.optim.Optimizer:
    """The plan's groups of the matrices in branches, and the rate possibly wrong by a factor."""
    given: list[dict[str, Any]] = [
        {"params": list(net.blocks.parameters())},
        {"params": [net.stem.weight, net.head.weight], "lr": 0.0},
    ]
    more: dict[str, Any] = {"eps": 1e-30} if kind == "Adam" else {}
    cls: type[torch.optim.Optimizer] = getattr(torch.optim, kind)
    made = mupfx.optimizer(cls, net, groups=given, lr=rate, **more)
    for group in made.param_groups:
        group["lr"] = group["lr"] * factor
    return made


def backward(net: Net) -> None:
    x, y = batch()
    net.zero_grad()
    (0.5 * (net(x) - y).pow(2).mean()).backward()


@dataclass(frozen=True)
class Moved:
    stream: float
    output: float


def one_step(net: Net, kind: str, seed: int) -> dict[float, Moved]:
    """From one start, with every wrong rate."""
    drawn(net, seed)
    x, _ = batch()
    start = [w.detach().clone() for w in net.blocks.parameters()]
    before = net.stream(x)[-1].detach()
    output = net(x).detach()
    backward(net)
    found = {}
    for off in OFF:
        optimizer(net, kind, RATES[kind], (len(net.blocks) / BASE) ** off).step()
        after = net.stream(x)[-1].detach()
        found[off] = Moved(rms(after - before), rms(net.head(after) - output))
        with torch.no_grad():
            for weight, value in zip(net.blocks.parameters(), start, strict=True):
                weight.copy_(value)
    return found


@cache
def exponents(table: str, kind: str) -> dict[float, tuple[float, float]]:
    """Of the movement of the stream and of the output with depth, by what is wrong."""
    runs = [[one_step(converted(table, d), kind, s) for d in DEPTHS] for s in SEEDS]
    return {
        off: (
            slope(DEPTHS, medians([[m[off].stream for m in run] for run in runs])),
            slope(DEPTHS, medians([[m[off].output for m in run] for run in runs])),
        )
        for off in OFF
    }


KINDS = pytest.mark.parametrize("kind", RATES)


@KINDS
@pytest.mark.parametrize("table", TABLES)
def test_a_step_moves_alike_at_every_depth(table: str, kind: str) -> None:
    assert exponents(table, kind)[0.0] == pytest.approx((0, 0), abs=TOLERANCE)


@KINDS
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("off", [0.5, -0.5])
def test_off_the_line_it_does_not(table: str, kind: str, off: float) -> None:
    """The rate wrong by depth^(1/2) or depth^(-1/2): the measurement sees it."""
    assert exponents(table, kind)[off] == pytest.approx((off, off), abs=TOLERANCE)


@pytest.mark.parametrize(("table", "alpha"), [("depth_mup", 0.5), ("completep", 1.0)])
def test_gradients(table: str, alpha: float) -> None:
    """Of the matrices with the multiplier outside: what eps follows; elsewhere no depth."""
    sizes: dict[str, list[list[float]]] = {"blocks": [], "stem": [], "head": []}
    for seed in SEEDS:
        runs: dict[str, list[float]] = {name: [] for name in sizes}
        for depth in DEPTHS:
            net = converted(table, depth)
            rows = drawn(net, seed)
            backward(net)
            for name, found in runs.items():
                gradients = [
                    weight.grad / rows[full].multiplier
                    for full, weight in net.named_parameters()
                    if full.startswith(name) and weight.grad is not None
                ]
                found.append(rms(torch.cat([g.flatten() for g in gradients])))
        for name, values in runs.items():
            sizes[name].append(values)
    fits = {name: slope(DEPTHS, medians(values)) for name, values in sizes.items()}
    assert fits == pytest.approx({"blocks": -alpha, "stem": 0, "head": 0}, abs=TOLERANCE)


def both_over_one(net: Net, seed: int) -> float:
    """After four steps: what both updates of a block do together, over what each does alone."""
    drawn(net, seed)
    start = [w.detach().clone() for w in net.blocks.parameters()]
    made = optimizer(net, "Adam", 2e-3)
    for _ in range(4):
        backward(net)
        made.step()
    alone, both = torch.zeros(1), torch.zeros(1)
    end = list(net.blocks.parameters())
    stream = net.stream(batch()[0])
    for i, x in enumerate(stream[:-1]):
        before, after = (torch.relu(x @ w[2 * i].T) for w in (start, end))
        last, moved = start[2 * i + 1], end[2 * i + 1] - start[2 * i + 1]
        alone = alone + (after - before) @ last.T + before @ moved.T
        both = both + (after - before) @ moved.T
    return rms(both) / rms(alone)


def coupling(table: str) -> float:
    depths = DEPTHS[:4]
    runs = [[both_over_one(converted(table, d, 2), s) for d in depths] for s in SEEDS[:4]]
    return slope(depths, medians(runs))


def test_blocks_of_two_matrices_stay_nonlinear_in_their_updates_at_one() -> None:
    assert coupling("completep") == pytest.approx(0, abs=TOLERANCE)


def test_and_become_linear_at_one_half() -> None:
    """Tensor Programs VI's limitation: at least as fast as depth^-1/2."""
    assert coupling("depth_mup") < -0.4

"""The tangent kernel and its differential against derivatives taken another way."""

import pytest
import torch
from torch import Tensor, nn

import mupfx

RATE = 0.25


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1)).double()


def rows(model: nn.Module, x: Tensor) -> Tensor:
    """Gradients of every output, flat."""
    found = []
    for out in model(x).reshape(-1):
        grads = torch.autograd.grad(out, list(model.parameters()), retain_graph=True)
        found.append(torch.cat([g.flatten() for g in grads]))
    return torch.stack(found)


def kernel(model: nn.Module, x: Tensor) -> Tensor:
    matrix = rows(model, x)
    return RATE * matrix @ matrix.T


def size(value: Tensor) -> float:
    return float(value.pow(2).mean().sqrt())


def moved(model: nn.Module, way: Tensor, by: float) -> nn.Module:
    other = net()
    flat = nn.utils.parameters_to_vector(model.parameters()) + by * way
    nn.utils.vector_to_parameters(flat.detach(), other.parameters())
    return other


def test_kernel_change_and_differential() -> None:
    model, x = net(), torch.randn(3, 2, dtype=torch.float64)
    seen = mupfx.observe(
        model,
        x,
        lambda m, b: (m(b) - 1).pow(2).mean(),
        what="ntk",
        steps=[0, 5],
        optimizer=lambda m: torch.optim.SGD(m.parameters(), lr=RATE),
    )
    found = {(r.quantity, r.step): r.value for r in seen.rows}
    assert found["ntk", 0] == pytest.approx(size(kernel(model, x)), rel=1e-12)
    start, step = rows(model, x), 1e-5
    parts = []
    for way in start:
        ahead, behind = (rows(moved(model, RATE * way, s * step), x) for s in (1, -1))
        parts.append(RATE * (ahead - behind) / (2 * step) @ start.T)
    wanted = size(torch.stack(parts)) / size(kernel(model, x))
    assert found["dntk", 0] == pytest.approx(wanted, rel=1e-6)
    trained = net()
    optimizer = torch.optim.SGD(trained.parameters(), lr=RATE)
    for _ in range(5):
        optimizer.zero_grad()
        torch.autograd.backward((trained(x) - 1).pow(2).mean())
        optimizer.step()
    now, before = kernel(trained, x), kernel(model, x)
    assert found["ntk_change", 5] == pytest.approx(float((now - before).norm() / before.norm()))


def at_the_start(model: nn.Module, x: Tensor, but: int = 0) -> mupfx.Observations:
    """The kernel before any step, of all parameters but the first few."""
    return mupfx.observe(
        model,
        x,
        lambda m, b: (m(b) - 1).pow(2).mean(),
        what="ntk",
        steps=[0],
        optimizer=lambda m: torch.optim.SGD(list(m.parameters())[but:], lr=RATE),
    )


def test_what_is_not_trained_is_no_part_of_it() -> None:
    model = net()
    model[0].requires_grad_(requires_grad=False)
    x = torch.randn(3, 2, dtype=torch.float64)
    seen = at_the_start(model, x, but=2)
    features = torch.cat([model[:2](x), torch.ones(3, 1, dtype=torch.float64)], 1).detach()
    (found,) = seen.where(quantity="ntk").rows
    assert found.value == pytest.approx(size(RATE * features @ features.T), rel=1e-12)


def test_the_differential_is_relative_to_the_kernel_of_its_own_outputs() -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    x = torch.randn(7, 2, dtype=torch.float64)
    (found,) = at_the_start(model, x).where(quantity="dntk").rows
    places = torch.linspace(0, 20, 8, dtype=torch.float64).round().long()[:4]
    start, step = rows(model, x)[places], 1e-5
    flat = nn.utils.parameters_to_vector(model.parameters()).detach()
    parts = []
    for way in start:
        sides = []
        for by in (step, -step):
            nn.utils.vector_to_parameters(flat + by * RATE * way, model.parameters())
            sides.append(rows(model, x)[places])
        parts.append(RATE * (sides[0] - sides[1]) / (2 * step) @ start.T)
    wanted = size(torch.stack(parts)) / size(RATE * start @ start.T)
    assert found.value == pytest.approx(wanted, rel=1e-6)


def test_what_a_loss_trains_of_its_own_is_no_part_of_it() -> None:
    x, scale = (
        torch.randn(3, 2, dtype=torch.float64),
        nn.Parameter(torch.ones((), dtype=torch.double)),
    )
    seen = mupfx.observe(
        net(),
        x,
        lambda m, b: (m(b) * scale - 1).pow(2).mean(),
        what="ntk",
        steps=[0],
        optimizer=lambda m: torch.optim.SGD([*m.parameters(), scale], lr=RATE),
    )
    (found,) = seen.where(quantity="ntk").rows
    assert found.value == pytest.approx(size(kernel(net(), x)), rel=1e-12)

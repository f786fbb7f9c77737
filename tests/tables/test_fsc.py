"""FSC and gamma: the closed form as numbers, what is counted as depth, and what is refused."""

from collections.abc import Callable, Mapping
from fractions import Fraction

import pytest
import torch
from torch import Tensor, nn

import mupfx
from mupfx.core.vocabulary import Role
from mupfx.errors import BaseError, InitError, ParametrizationError
from mupfx.tables.fsc import FSC, gamma
from mupfx.tables.parametrizations import parametrization

FEATURES, CLASSES = 6, 3
N, L = 4, 3


def net(
    width: int,
    layers: int,
    *,
    act: Callable[[], nn.Module] = nn.ReLU,
    gain: float = 2**0.5,
    bias: bool = True,
) -> nn.Sequential:
    torch.manual_seed(0)
    made: list[nn.Module] = [nn.Flatten(), nn.Linear(FEATURES, width, bias=bias), act()]
    for _ in range(layers - 2):
        made += [nn.Linear(width, width, bias=bias), act(), nn.Dropout(0.1)]
    made.append(nn.Linear(width, CLASSES, bias=bias))
    for module in made:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=gain * module.in_features**-0.5)
            if bias:
                nn.init.zeros_(module.bias)
    return nn.Sequential(*made)


def example() -> Tensor:
    return torch.randn(2, FEATURES)


def converted(table: str = "fsc", **given: object) -> mupfx.Plan:
    """Four times the width and three times the layers of the base."""
    model = net(32 * N, 4 * L)
    return mupfx.plan(
        mupfx.convert(model, example(), base=net(32, 4), parametrization=table, **given)  # type: ignore[arg-type]
    )


def rows(plan: mupfx.Plan) -> dict[str, tuple[float, ...]]:
    """Init, SGD's and Adam's learning rate, Adam's eps of each kind of parameter."""
    names = {"input": "1.weight", "bias": "1.bias", "hidden": "3.weight"}
    *_, weight, bias = plan.parameters
    found: dict[str, tuple[float, ...]] = {}
    for kind, name in {**names, "output": weight, "scalar": bias}.items():
        row = plan.parameters[name]
        sgd, adam = row.optimizers["sgd"], row.optimizers["adam"]
        std = row.init.power.value(
            {"fan_in": row.fan_in_ratio, "fan_out": row.fan_out_ratio, "depth": row.depth_ratio}
        )
        assert adam.eps is not None
        found[kind] = (std, sgd.lr, adam.lr, adam.eps)
    return found


def test_the_closed_form() -> None:
    """As the paper's table reads, in ratios."""
    eps = L**0.5 / N
    expected = {
        "input": (1, N / L**2, L**-1.5, eps),
        "bias": (1, N / L**2, L**-1.5, eps),
        "hidden": (N**-0.5, 1 / L**2, L**-1.5 / N, eps),
        "output": (L**0.5 / N, 1 / (N * L), 1 / (N * L), 1),
        "scalar": (1, 1 / L, 1 / L, 1),
    }
    plan = converted()
    assert plan.base["depth"] == {"layers": str(L)}
    for kind, found in rows(plan).items():
        assert found == pytest.approx(expected[kind]), kind


@pytest.mark.parametrize("s", [Fraction(0), Fraction(1, 2), Fraction(1)])
def test_yaidas_family_is_gamma_depth_over_width(s: Fraction) -> None:
    """In width as meta(s); in depth every learning rate of SGD over the number of layers."""
    table, other = gamma(Fraction(1), 1 - s), parametrization(f"meta({s})")
    sizes = {"fan_in": Fraction(N), "fan_out": Fraction(N)}
    deep = {**sizes, "depth": Fraction(L)}
    for role in (Role.INPUT, Role.HIDDEN, Role.OUTPUT, Role.VECTOR):
        mine, theirs = table.rules[role], other.rules[role]
        assert mine.init_std.value(deep) == pytest.approx(theirs.init_std.value(sizes))
        assert mine.gradient.value(deep) == pytest.approx(theirs.gradient.value(sizes))
        assert mine.lr_sgd.value(deep) == pytest.approx(theirs.lr_sgd.value(sizes) / L)


def test_fsc_is_gamma_at_one() -> None:
    assert FSC.rules == {
        role: type(rule)(
            rule.init_std, rule.lr_adam, rule.gradient, FSC.rules[role].source, rule.contraction
        )
        for role, rule in gamma(Fraction(0), Fraction(0)).rules.items()
    }


def test_depth_told_by_a_number() -> None:
    model = net(32, 12)
    mupfx.convert(model, example(), base=32, base_depth=4, parametrization="fsc")
    assert {row.depth_ratio for row in mupfx.plan(model).parameters.values()} == {3}
    with pytest.raises(BaseError, match="not the depth of the base"):
        converted(base_depth=5)


def test_at_the_base_nothing_changes() -> None:
    model, plain = net(32, 4), net(32, 4)
    mupfx.convert(model, example(), base=net(32, 4), parametrization="fsc")
    for mine, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        assert torch.equal(mine, theirs)


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.relu(self.layer(x))


def residual(width: int, blocks: int) -> nn.Sequential:
    torch.manual_seed(0)
    middle = (Block(width) for _ in range(blocks))
    return nn.Sequential(nn.Linear(FEATURES, width), *middle, nn.Linear(width, CLASSES))


def test_a_residual_net_has_the_other_form() -> None:
    """Branches as Depth-muP; what is outside shares the loss's decrease: learning rates over L."""
    model = residual(32 * N, 4 * L)
    mupfx.convert(model, example(), base=residual(32, 4), parametrization="fsc")
    plan = mupfx.plan(model)
    assert {round(s.multiplier, 12) for s in plan.sites.values()} == {round(L**-0.5, 12)}
    branch = plan.parameters["1.layer.weight"]
    outer = branch.multiplier  # folded: learning rates below are of the stored weight
    assert branch.optimizers["sgd"].lr * outer**2 == pytest.approx(1)
    assert branch.optimizers["adam"].lr * outer == pytest.approx(L**-0.5 / N)
    for name, lr in (("0.weight", N / L), (f"{4 * L + 1}.weight", 1 / (N * L))):
        assert plan.parameters[name].optimizers["sgd"].lr == pytest.approx(lr)
    assert plan.parameters["0.weight"].optimizers["adam"].lr == pytest.approx(1 / L)


class Twice(nn.Module):
    """Two rows of layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(FEATURES, width), nn.Linear(FEATURES, width)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(torch.relu(self.one(x)) * self.other(x))
        return out


def convolved() -> nn.Module:
    layers = nn.Unflatten(1, (1, FEATURES)), nn.Conv1d(1, 32, 3), nn.ReLU(), nn.Flatten()
    return nn.Sequential(*layers, nn.Linear(32 * (FEATURES - 2), CLASSES))


def normed() -> nn.Module:
    return nn.Sequential(
        nn.Linear(FEATURES, 32), nn.LayerNorm(32), nn.ReLU(), nn.Linear(32, CLASSES)
    )


REFUSED: Mapping[str, tuple[Callable[[], nn.Module], str, type[Exception], str]] = {
    "tanh": (lambda: net(32, 4, act=nn.Tanh), "fsc", ParametrizationError, "gamma"),
    "no residual gamma": (lambda: residual(32, 4), "gamma(1, 0)", ParametrizationError, "stream"),
    "two rows": (lambda: Twice(32), "fsc", ParametrizationError, "reads 2 values"),
    "a convolution": (convolved, "fsc", ParametrizationError, "no linear layer"),
    "a norm": (normed, "gamma(0, 0)", ParametrizationError, "layer_norm"),
    "not critical": (lambda: net(32, 4, gain=1.0), "fsc", InitError, "kaiming"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_others_are_refused(name: str) -> None:
    build, table, error, words = REFUSED[name]
    with pytest.raises(error) as caught:
        mupfx.convert(build(), example(), base=16, base_depth=2, parametrization=table)
    assert words in str(caught.value)


def test_biases_must_be_zero() -> None:
    model = net(32, 4)
    nn.init.ones_(model.get_parameter("3.bias"))
    with pytest.raises(InitError, match="biases of zero"):
        mupfx.convert(model, example(), base=net(16, 4), parametrization="fsc")


def test_gamma_takes_another_nonlinearity() -> None:
    model = net(64, 8, act=nn.Tanh, gain=1.0)
    base = net(32, 4, act=nn.Tanh, gain=1.0)
    mupfx.convert(model, example(), base=base, parametrization="gamma(1, 1/2)")
    assert mupfx.plan(model).parameters["3.weight"].optimizers["sgd"].lr == pytest.approx(2**-1.5)

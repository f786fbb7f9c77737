"""Depth rules on a model: which branches are multiplied, which parameters follow, what is refused.

The forward pass of a converted model is compared with its own graph as it was, run op by op with
``depth^-alpha`` on what every branch adds.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from inline_snapshot import snapshot
from torch import Tensor, fx, nn
from torch.nn import functional

import mupfx
from mupfx.core.analysis import Analysis
from mupfx.core.vocabulary import SiteKind
from mupfx.errors import BaseError, LoweringError, ModelError, MupfxWarning, ParametrizationError

WIDTH, CLASSES = 12, 5


class Residual(nn.Module):
    """``x + branch(x)``, in one way or another."""

    def __init__(self, branch: nn.Module, way: str = "plain") -> None:
        super().__init__()
        self.branch, self.way = branch, way

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = self.branch(x)
        if self.way == "alpha":
            return torch.add(x, added, alpha=0.5)
        if self.way == "in place":
            added += x
            return added
        return added + x if self.way == "other side" else x + added


class Centred(nn.Module):
    """A nonlinearity less its mean."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.abs()
        return x - x.mean(-1, keepdim=True)


class Gated(nn.Module):
    """A branch whose end is no weight: a product of two."""

    def __init__(self) -> None:
        super().__init__()
        self.value, self.gate = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = torch.sigmoid(self.gate(x)) * self.value(x)
        return out


class Parallel(nn.Module):
    """Two branches that read one value: one block."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.one, self.other = mlp(), mlp()

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        out: Tensor = x + self.one(y) + self.other(y)
        return out


class Projected(nn.Module):
    """A shortcut that is a weight: the stream goes on at another width."""

    def __init__(self, sizes: tuple[int, int]) -> None:
        super().__init__()
        self.shortcut = nn.Linear(*sizes)
        self.branch = nn.Sequential(nn.Linear(*sizes), nn.ReLU(), nn.Linear(sizes[1], sizes[1]))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.shortcut(x) + self.branch(x)
        return out


def mlp(*norm: nn.Module, width: int = WIDTH) -> nn.Module:
    return nn.Sequential(*norm, nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))


def net(block: Callable[[], nn.Module], depth: int) -> nn.Module:
    blocks = (block() for _ in range(depth))
    ends = nn.Linear(3, WIDTH), nn.Linear(WIDTH, CLASSES)
    return nn.Sequential(ends[0], *blocks, nn.LayerNorm(WIDTH), ends[1]).double()


def pre_norm(depth: int) -> nn.Module:
    layer = nn.TransformerEncoderLayer(WIDTH, 2, 24, 0.0, batch_first=True, norm_first=True)
    encoder = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
    return nn.Sequential(nn.Linear(3, WIDTH), encoder, nn.Linear(WIDTH, CLASSES)).double()


def staged(depth: int) -> nn.Module:
    """Two stages of other widths, as in a ResNet."""
    wide = 2 * WIDTH
    return nn.Sequential(
        nn.Linear(3, WIDTH),
        *(Residual(mlp()) for _ in range(depth)),
        Projected((WIDTH, wide)),
        *(Residual(mlp(width=wide)) for _ in range(depth - 1)),
        nn.Linear(wide, CLASSES),
    ).double()


class Shaped(nn.Module):
    """Down and up again, with what was on the way put beside: a U."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        wide = 2 * WIDTH
        self.stem, self.head = nn.Linear(3, WIDTH), nn.Linear(WIDTH, CLASSES)
        self.first = nn.Sequential(*(Residual(mlp()) for _ in range(depth)))
        self.down, self.up = nn.Linear(WIDTH, wide), nn.Linear(wide, WIDTH)
        self.middle = nn.Sequential(*(Residual(mlp(width=wide)) for _ in range(depth)))
        self.join = nn.Linear(2 * WIDTH, WIDTH)
        self.last = nn.Sequential(*(Residual(mlp()) for _ in range(depth)))
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        first = self.first(self.stem(x))
        up = self.up(self.middle(self.down(first)))
        out: Tensor = self.head(self.last(self.join(torch.cat([up, first], -1))))
        return out


Build = Callable[[int], nn.Module]
HANDLED: Mapping[str, tuple[Build, int]] = {
    "one matrix": (lambda d: net(lambda: Residual(nn.Linear(WIDTH, WIDTH)), d), 1),
    "relu": (lambda d: net(lambda: Residual(one(nn.ReLU())), d), 1),
    "less its mean": (lambda d: net(lambda: Residual(one(Centred())), d), 1),
    "norm": (lambda d: net(lambda: Residual(mlp(nn.LayerNorm(WIDTH))), d), 1),
    "norm at the end": (lambda d: net(lambda: Residual(ended(nn.LayerNorm(WIDTH))), d), 1),
    "other side": (lambda d: net(lambda: Residual(mlp(), "other side"), d), 1),
    "in place": (lambda d: net(lambda: Residual(mlp(), "in place"), d), 1),
    "alpha": (lambda d: net(lambda: Residual(mlp(), "alpha"), d), 1),
    "a gate": (lambda d: net(lambda: Residual(Gated()), d), 1),
    "parallel": (lambda d: net(Parallel, d), 1),
    "transformer": (pre_norm, 2),
}  # fmt: skip
"""A model by its number of blocks, and how many residual adds a block has."""
HOOKED: Mapping[str, Build] = {
    "tanh": lambda d: net(lambda: Residual(one(nn.Tanh())), d),
    "a norm without gain": lambda d: net(
        lambda: Residual(ended(nn.LayerNorm(WIDTH, elementwise_affine=False))), d
    ),
}


def one(last: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(WIDTH, WIDTH), last)


def ended(norm: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU(), norm)


class WithBranches(fx.Interpreter):
    """Runs a graph with factors on what residual adds read."""

    def __init__(self, module: fx.GraphModule, factors: Mapping[str, tuple[str, float]]) -> None:
        super().__init__(module)
        self.factors = factors

    def run_node(self, n: fx.Node) -> Any:
        operand, factor = self.factors.get(n.name, ("", 1.0))
        for source in n.all_input_nodes:
            if source.name == operand:
                self.env[source] = self.env[source] * factor
        return super().run_node(n)


def example() -> Tensor:
    return torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(1)).double()


def with_branches(model: nn.Module, analysis: Analysis, factor: Mapping[str, float]) -> Tensor:
    """The output of a model as it was, with every branch of a stream multiplied."""
    program = analysis.program
    factors = {b.end: (b.result, factor[b.stream]) for b in analysis.streams.branches}
    module = fx.GraphModule(nn.Module(), program.graph)
    values = dict(model.named_parameters())
    inputs = [
        values[program.parameters[node.name]] if node.name in program.parameters else example()
        for node in program.graph.nodes
        if node.op == "placeholder"
    ]
    (out,) = WithBranches(module, factors).run(*inputs)
    assert isinstance(out, Tensor)
    return out


def drawn(build: Build, depth: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build(depth)


def branch_sites(model: nn.Module) -> list[Any]:
    return [s for s in mupfx.plan(model).sites.values() if s.kind is SiteKind.BRANCH]


def require_multiplied(build: Build, table: str, factor: float) -> nn.Module:
    """Four blocks on a base of two: a depth ratio of 2, everything else as at the base."""
    model = drawn(build, 4)
    analysis = mupfx.analyze(model, example())
    expected = with_branches(
        model, analysis, dict.fromkeys((s.name for s in analysis.streams.streams), factor)
    )
    plain = model(example())
    mupfx.convert(
        model, example(), base=drawn(build, 2), parametrization=table, init={"*": "constant"}
    )
    assert {round(s.multiplier, 12) for s in branch_sites(model)} == {round(factor, 12)}
    torch.testing.assert_close(model(example()), expected, rtol=1e-12, atol=1e-12)
    assert not torch.allclose(plain, expected, rtol=1e-3)
    return model


@pytest.mark.filterwarnings("ignore::mupfx.MupfxWarning")
@pytest.mark.parametrize(("table", "factor"), [("completep", 0.5), ("depth_mup", 2**-0.5)])
@pytest.mark.parametrize("name", HANDLED)
def test_every_branch_is_multiplied(name: str, table: str, factor: float) -> None:
    build, adds = HANDLED[name]
    model = require_multiplied(build, table, factor)
    assert {s.lowering for s in branch_sites(model)} == {"fold"}
    depths = mupfx.analyze(drawn(build, 4), example(), base=drawn(build, 2)).streams.streams
    assert [s.depth for s in depths] == [4 * adds]


@pytest.mark.filterwarnings("ignore::mupfx.MupfxWarning")
@pytest.mark.parametrize("name", HOOKED)
def test_what_no_weight_can_carry_becomes_a_hook(name: str) -> None:
    model = require_multiplied(HOOKED[name], "completep", 0.5)
    assert {s.lowering for s in branch_sites(model)} == {"hook"}
    with pytest.raises(LoweringError, match="can go nowhere"):
        mupfx.convert(
            drawn(HOOKED[name], 4),
            example(),
            base=drawn(HOOKED[name], 2),
            parametrization="completep",
            hooks=False,
        )


class Routed(nn.Module):
    """Experts that are chosen: no weight can carry a factor, and the router's scores come beside."""

    def __init__(self, beside: int) -> None:
        super().__init__()
        self.mixture = Mixture(beside)

    def forward(self, x: Tensor) -> Tensor:
        added, _ = self.mixture(x)
        out: Tensor = x + added
        return out


class Mixture(nn.Module):
    def __init__(self, beside: int) -> None:
        super().__init__()
        self.value, self.gate = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.beside = beside

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        scores = torch.sigmoid(self.gate(x))
        return scores * functional.softplus(self.value(x)), scores[..., : self.beside]


def routed(depth: int, beside: int) -> nn.Module:
    return net(lambda: Routed(beside), depth)


def test_a_hook_finds_its_result_among_several() -> None:
    require_multiplied(lambda d: routed(d, 3), "completep", 0.5)


def test_a_hook_that_cannot_tell_its_result_says_so() -> None:
    model = drawn(lambda d: routed(d, WIDTH), 4)
    mupfx.convert(model, example(), base=WIDTH, base_depth=2, parametrization="completep")
    with pytest.raises(ModelError, match="cannot be told"):
        model(example())


def test_a_branch_that_nothing_can_carry_says_why() -> None:
    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(WIDTH, WIDTH)

        def forward(self, x: Tensor) -> Tensor:
            return x + functional.softplus(self.layer(x))

    model = drawn(lambda d: net(Bare, d), 4)
    with pytest.raises(LoweringError) as caught:
        mupfx.convert(model, example(), base=WIDTH, base_depth=2, parametrization="completep")
    error = caught.value
    assert (error.what, error.found, error.hint) == snapshot(
        (
            "the multiplier 0.5 of branch:b0 can go nowhere",
            "softplus: aten.softplus.default is not linear in one tensor",
            "end the branch in a linear layer, or in a module of its own, which a hook can scale",
        )
    )


@pytest.mark.parametrize("way", ["model", "int"])
def test_a_projection_is_on_the_stream_and_has_no_factor(way: str) -> None:
    """Four adds on a base of two: one of them is beside a projection, whose weight has no part."""
    base: Any = {"model": drawn(staged, 2), "int": {"width": WIDTH}}[way]
    told = None if way == "model" else 4
    model = drawn(staged, 4)
    mupfx.convert(model, example(), base=base, base_depth=told, parametrization="completep")
    rows = mupfx.plan(model).parameters
    (shortcut,) = (row for name, row in rows.items() if name.endswith("shortcut.weight"))
    assert shortcut.depth_ratio == 1
    assert {s.multiplier for s in branch_sites(model)} == {0.5}
    assert len(branch_sites(model)) == 8


def test_the_streams_of_a_u_are_three() -> None:
    model = drawn(Shaped, 6)
    mupfx.convert(model, example(), base=drawn(Shaped, 2), parametrization="completep")
    assert mupfx.plan(model).base["depth"] == {"s0": "3", "s1": "3", "s2": "3"}
    assert {round(s.multiplier, 12) for s in branch_sites(model)} == {round(1 / 3, 12)}
    outside = ("stem", "head", "down", "up", "join")
    for name, row in mupfx.plan(model).parameters.items():
        assert row.depth_ratio == (1 if name.startswith(outside) else 3)


def test_one_number_for_several_streams_is_refused() -> None:
    with pytest.raises(BaseError, match="fits a model with one residual stream"):
        mupfx.convert(
            drawn(Shaped, 4),
            example(),
            base={"width": WIDTH},
            base_depth=2,
            parametrization="completep",
        )


class Inner(nn.Module):
    """A branch that is a residual net itself, at another width."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        wide = 2 * WIDTH
        self.enter, self.leave = nn.Linear(WIDTH, wide), nn.Linear(wide, WIDTH)
        self.blocks = nn.Sequential(*(Residual(mlp(width=wide)) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.leave(self.blocks(self.enter(x)))
        return out


def test_branches_inside_branches_have_the_ratios_of_both() -> None:
    model = drawn(lambda d: net(lambda: Residual(Inner(3)), d), 4)
    streams = mupfx.analyze(model, example()).streams.streams
    told = {s.name: {4: 2, 3: 1}[s.depth] for s in streams}
    mupfx.convert(
        model, example(), base={"width": WIDTH}, base_depth=told, parametrization="completep"
    )
    rows = mupfx.plan(model).parameters
    ratios = {name: row.depth_ratio for name, row in rows.items()}
    assert ratios["1.branch.enter.weight"] == 2
    assert ratios["1.branch.blocks.0.branch.0.weight"] == 6
    assert ratios["0.weight"] == 1


def post_norm(depth: int) -> nn.Module:
    layer = nn.TransformerEncoderLayer(WIDTH, 2, 24, 0.0, batch_first=True)
    encoder = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
    return nn.Sequential(nn.Linear(3, WIDTH), encoder, nn.Linear(WIDTH, CLASSES)).double()


class Halved(nn.Module):
    """The sum of stream and branch, divided to keep its size."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = mlp()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = (x + self.branch(x)) * 0.7
        return out


def normed_once(depth: int) -> nn.Module:
    """A norm on the stream, but only where a stage begins."""
    blocks = [Residual(mlp()) for _ in range(depth)]
    half = depth // 2
    layers = *blocks[:half], nn.LayerNorm(WIDTH), *blocks[half:]
    return nn.Sequential(nn.Linear(3, WIDTH), *layers, nn.Linear(WIDTH, CLASSES)).double()


def test_one_norm_between_stages_is_no_post_norm() -> None:
    model = drawn(normed_once, 8)
    mupfx.convert(model, example(), base=WIDTH, base_depth=4, parametrization="completep")
    assert {s.multiplier for s in branch_sites(model)} == {0.5}


class Shared(nn.Module):
    """One block, again and again."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, WIDTH), nn.Linear(WIDTH, CLASSES)
        self.block, self.depth = mlp(), depth
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for _ in range(self.depth):
            x = x + self.block(x)
        out: Tensor = self.head(x)
        return out


class Nest(nn.Module):
    """A residual block around residual blocks of the same stream."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = nn.Sequential(Residual(mlp()), Residual(mlp()))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + 0.2 * self.inside(x)
        return out


REFUSED: Mapping[str, tuple[Build, str]] = {
    "post-norm": (post_norm, "post-norm"),
    "a stream that is scaled": (lambda d: net(Halved, d), "multiplied by 0.7"),
    "shared weights": (Shared, "weights of their own"),
    "nested": (lambda d: net(Nest, d), "inside another"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_rules_were_not_derived_for_is_refused(name: str) -> None:
    """With the reason, the model as it was; at the base's own depth it is no matter."""
    build, words = REFUSED[name]
    model = drawn(build, 4)
    before = copy.deepcopy(model.state_dict())
    told = {s.name: 1 for s in mupfx.analyze(model, example()).streams.streams}
    base: Any = {"base": WIDTH, "base_depth": told}
    with pytest.raises(ParametrizationError, match=words):
        mupfx.convert(model, example(), parametrization="completep", **base)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    mupfx.convert(model, example(), base=drawn(build, 4), parametrization="completep")


def test_deep_blocks_at_one_half_are_warned_of_and_not_refused() -> None:
    build = HANDLED["transformer"][0]
    model = drawn(build, 4)
    with pytest.warns(MupfxWarning, match="Tensor Programs VI") as caught:
        mupfx.convert(model, example(), base=drawn(build, 2), parametrization="depth_mup")
    assert [str(w.message) for w in caught] == snapshot(
        [
            "blocks of 2 weight layers with alpha 1/2: within a block, updates act on each other by a part that falls with depth, so that the best learning rate moves with it (Tensor Programs VI, arXiv:2310.02244, block depth 1 only); alpha 1 ('completep') keeps that part"
        ]
    )
    assert str(caught[0].message) in mupfx.plan(model).notes


def test_one_matrix_at_one_half_has_nothing_to_warn_of(
    recwarn: pytest.WarningsRecorder,
) -> None:
    build = HANDLED["one matrix"][0]
    mupfx.convert(drawn(build, 4), example(), base=drawn(build, 2), parametrization="depth_mup")
    assert not [w for w in recwarn if issubclass(w.category, MupfxWarning)]


class Scaled(nn.Module):
    """A branch that the model itself divides by depth."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.branch, self.factor = mlp(), factor

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.branch(x) * self.factor
        return out


def scaled(depth: int) -> nn.Module:
    return net(lambda: Scaled(depth**-0.5), depth)


def test_what_the_model_divides_itself_is_counted() -> None:
    """It has depth^-1/2; the table asks for depth^-1, so half of the way is left."""
    model = drawn(scaled, 8)
    mupfx.convert(model, example(), base=drawn(scaled, 2), parametrization="completep")
    assert {round(s.multiplier, 12) for s in branch_sites(model)} == {0.5}


def test_a_constant_that_may_fall_with_depth_needs_the_base() -> None:
    with pytest.raises(BaseError, match="may fall with depth"):
        mupfx.convert(
            drawn(scaled, 8), example(), base=WIDTH, base_depth=2, parametrization="completep"
        )
    other = net(lambda: Scaled(0.3), 8)
    mupfx.convert(other, example(), base=WIDTH, base_depth=2, parametrization="completep")
    assert {s.multiplier for s in branch_sites(other)} == {0.25}


def residual_init(depth: int) -> nn.Module:
    """Last layers of branches drawn smaller in deeper models, as in GPT-2."""
    model = net(lambda: Residual(mlp(width=WIDTH)), depth)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:
            last = name.endswith("branch.2.weight")
            nn.init.normal_(parameter, std=0.02 / (depth**0.5 if last else 1))
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)
    return model


@pytest.mark.filterwarnings("ignore::mupfx.MupfxWarning")
@pytest.mark.parametrize(("table", "kept"), [("completep", 1 / 4), ("depth_mup", 1 / 2)])
def test_a_law_over_depth_gives_way_to_the_rule(table: str, kept: float) -> None:
    """The std at the base, times the branch's multiplier: not divided by depth a second time."""
    model = drawn(residual_init, 8)
    mupfx.convert(model, example(), base=drawn(residual_init, 2), parametrization=table)
    last = mupfx.plan(model).parameters["1.branch.2.weight"].init
    assert last.base_std == pytest.approx(0.02 / 2**0.5)
    assert last.std == pytest.approx(0.02 / 2**0.5 * kept)


FACTORS = {
    "completep": (8.0, 1.0, 1 / 8),
    "depth_mup": (1.0, 8**-0.5, 8**-0.5),
    "depth(3/4)": (8**0.5, 8**-0.25, 8**-0.75),
}
"""SGD's and Adam's learning rates of what is inside a branch and carries no multiplier, and the
multiplier (also Adam's eps), at eight times the depth: the table of the rules, by hand."""


@pytest.mark.filterwarnings("ignore::mupfx.MupfxWarning")
@pytest.mark.parametrize("table", FACTORS)
def test_the_table(table: str) -> None:
    build = HANDLED["norm"][0]
    model = drawn(build, 16)
    mupfx.convert(model, example(), base=drawn(build, 2), parametrization=table)
    rows = mupfx.plan(model).parameters
    sgd, adam, branch = FACTORS[table]
    for name in ("1.branch.0.weight", "1.branch.0.bias", "1.branch.1.weight", "1.branch.1.bias"):
        plain, decoupled = rows[name].optimizers["sgd"], rows[name].optimizers["adamw"]
        assert (plain.lr, plain.weight_decay) == pytest.approx((sgd, 1 / sgd))
        assert (decoupled.lr, decoupled.weight_decay) == pytest.approx((adam, 1 / adam))
        assert decoupled.eps == pytest.approx(branch)
        assert rows[name].init.factor == 1
    for name in ("0.weight", "0.bias", "17.weight", "18.weight", "18.bias"):
        assert rows[name].optimizers["adamw"].lr == rows[name].optimizers["sgd"].lr == 1
        assert rows[name].optimizers["adamw"].eps == 1
    folded = rows["1.branch.3.weight"]
    assert folded.multiplier == pytest.approx(1 / branch)
    assert folded.optimizers["adamw"].lr == pytest.approx(1 / 8)
    assert folded.optimizers["adamw"].eps == pytest.approx(1)


@pytest.mark.parametrize("alpha", ["0.4", "5/4", "0"])
def test_alpha_outside_is_refused_with_the_reason(alpha: str) -> None:
    with pytest.raises(ParametrizationError, match=r"no limit of infinite depth.*2310\.02244"):
        mupfx.convert(
            drawn(HANDLED["norm"][0], 2), example(), base=WIDTH, parametrization=f"depth({alpha})"
        )

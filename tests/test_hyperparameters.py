"""A user's multipliers and zero inits: trained, they are what they would be in the forward pass."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from inline_snapshot import snapshot
from torch import Tensor, nn

import mupfx
from tests.cli.terminal import MLP, data, printed, refused

VOCABULARY, LENGTH, STEPS = 11, 5, 12
OPTIMIZERS: dict[str, tuple[type[torch.optim.Optimizer], dict[str, Any]]] = {
    "sgd": (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}),
    "adamw": (torch.optim.AdamW, {"lr": 1e-2, "eps": 1e-4, "weight_decay": 0.1}),
}


@dataclass(frozen=True)
class Shape:
    """What a net is built with, and the multipliers written into its forward pass."""

    width: int = 32
    heads: int = 2
    tied: bool = False
    output: float = 1.0
    embedding: float = 1.0
    attention: float = 1.0


class Net(nn.Module):
    """A block of attention between an embedding and a readout."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width = shape.width
        self.embed = nn.Embedding(VOCABULARY, width)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.project = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, VOCABULARY)
        if shape.tied:
            self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        shape = self.shape
        x = self.embed(tokens) * shape.embedding
        query, key, value = (
            layer(x).unflatten(-1, (shape.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        logits = query @ key.transpose(-1, -2) / math.sqrt(shape.width / shape.heads)
        mixed = (logits * shape.attention).softmax(-1) @ value
        x = x + self.project(mixed.transpose(1, 2).flatten(-2))
        out: Tensor = self.head(self.norm(x)) * shape.output
        return out


def tokens() -> Tensor:
    return torch.arange(4 * LENGTH).reshape(4, LENGTH) % VOCABULARY


def converted(shape: Shape, chosen: mupfx.Hyperparameters | None = None, **options: Any) -> Net:
    torch.manual_seed(0)
    net = Net(shape).double()
    options = {"base": 8, "strict": False, **options}
    return mupfx.convert(net, tokens(), hyperparameters=chosen, **options)


def losses(net: Net, optimizer: str) -> list[float]:
    cls, arguments = OPTIMIZERS[optimizer]
    groups = mupfx.optimizer(cls, net, **arguments)
    found = []
    for _ in range(STEPS):
        groups.zero_grad()
        loss = nn.functional.cross_entropy(net(tokens()).flatten(0, 1), tokens().roll(1).flatten())
        loss.backward()  # type: ignore[no-untyped-call]
        groups.step()
        found.append(loss.item())
    return found


WRITTEN: dict[str, tuple[Shape, mupfx.Hyperparameters]] = {
    "output": (Shape(output=3.0), mupfx.Hyperparameters(output_multiplier=3.0)),
    "embedding": (Shape(embedding=0.3), mupfx.Hyperparameters(embedding_multiplier=0.3)),
    "attention": (Shape(attention=2.5), mupfx.Hyperparameters(attention_multiplier=2.5)),
    "tied output": (Shape(tied=True, output=3.0), mupfx.Hyperparameters(output_multiplier=3.0)),
    "tied embedding": (
        Shape(tied=True, embedding=0.3),
        mupfx.Hyperparameters(embedding_multiplier=0.3),
    ),
    "all": (
        Shape(tied=True, output=3.0, embedding=0.3, attention=2.5),
        mupfx.Hyperparameters(
            output_multiplier=3.0, embedding_multiplier=0.3, attention_multiplier=2.5
        ),
    ),
}


@pytest.mark.parametrize("parametrization", ["mup", "ntk", "sp"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", WRITTEN)
def test_as_if_written_in_the_forward_pass(name: str, optimizer: str, parametrization: str) -> None:
    """The same losses to the last digits, and others without it."""
    shape, chosen = WRITTEN[name]
    plain = Shape(tied=shape.tied)
    written = losses(converted(shape, parametrization=parametrization), optimizer)
    ours = losses(converted(plain, chosen, parametrization=parametrization), optimizer)
    without = losses(converted(plain, parametrization=parametrization), optimizer)
    assert ours == pytest.approx(written, rel=1e-9)
    assert ours != pytest.approx(without, rel=1e-4)


def test_at_the_base_the_defaults_change_nothing() -> None:
    torch.manual_seed(0)
    untouched = Net(Shape(width=8)).double()
    net = converted(Shape(width=8), mupfx.Hyperparameters())
    for name, value in untouched.state_dict().items():
        assert torch.equal(net.state_dict()[name], value)


def test_the_plan_shows_them() -> None:
    chosen = mupfx.Hyperparameters(output_multiplier=2.0, embedding_multiplier=0.5)
    plan = mupfx.plan(converted(Shape(), chosen))
    sites = {n: s for n, s in plan.sites.items() if s.kind in {"readout", "embedding"}}
    assert {n: (s.multiplier, s.choice, s.target) for n, s in sites.items()} == {
        "readout:head.weight": (2.0, 2.0, ("head.weight",)),
        "readout:head.bias": (2.0, 2.0, ("head.bias",)),
        "embedding:embed.weight": (0.5, 0.5, ("embed.weight",)),
    }
    head = plan.parameters["head.weight"]
    assert (head.multiplier, head.optimizers["adamw"].lr) == (0.5, 0.25 * 2)
    assert plan.notes[-1] == ("hyperparameters: output_multiplier=2.0 embedding_multiplier=0.5")
    assert mupfx.Plan.from_dict(plan.to_dict()) == plan


def zeros(net: Net) -> set[str]:
    """What is zero, but for biases of norms, which start so anyway."""
    names = {name for name, value in net.named_parameters() if not value.any()}
    return names - {"norm.bias"}


def test_zero_readout() -> None:
    net = converted(Shape(), mupfx.Hyperparameters(zero_readout=True, output_multiplier=2.0))
    assert zeros(net) == {"head.weight"}
    assert mupfx.plan(net).parameters["head.weight"].init.law == "zeros"
    assert len(set(losses(net, "adamw"))) == STEPS


def test_zero_query() -> None:
    net = converted(Shape(heads=1), mupfx.Hyperparameters(zero_query=True), grow="head_dim")
    assert zeros(net) == {"query.weight", "query.bias"}
    assert "zero at the start" in mupfx.plan(net).parameters["query.weight"].evidence[-1]
    losses(net, "adamw")
    assert zeros(net) == set()


def test_zeros_after_meta() -> None:
    with torch.device("meta"):
        net = Net(Shape())
    chosen = mupfx.Hyperparameters(zero_readout=True)
    mupfx.convert(net, tokens().to("meta"), base=8, strict=False, hyperparameters=chosen)
    net.to_empty(device="cpu")
    for module in net.modules():
        if isinstance(module, nn.Linear | nn.Embedding | nn.LayerNorm):
            module.reset_parameters()
    mupfx.rescale_(net)
    assert zeros(net) == {"head.weight"}


@pytest.mark.parametrize(
    ("exponent", "multiplier"), [(None, 0.5), (1, 0.5), ("1/2", 1.0), (0.5, 1.0), ("3/4", 2**-0.5)]
)
def test_attention_exponent(exponent: Any, multiplier: float) -> None:
    """The head size grew fourfold under 1/sqrt(head_dim)."""
    chosen = mupfx.Hyperparameters(attention_exponent=exponent)
    plan = mupfx.plan(converted(Shape(heads=1), chosen, base=Net(Shape(width=8, heads=1)).double()))
    (site,) = (site for site in plan.sites.values() if site.kind == "attention")
    assert site.multiplier == pytest.approx(multiplier)


def test_attention_exponent_also_where_the_table_has_none() -> None:
    chosen = mupfx.Hyperparameters(attention_exponent=1)
    base = Net(Shape(width=8, heads=1)).double()
    plan = mupfx.plan(converted(Shape(heads=1), chosen, base=base, parametrization="sp"))
    assert [s.multiplier for s in plan.sites.values() if s.kind == "attention"] == [0.5]


def message(error: type[mupfx.MupfxError], run: Any) -> str:
    with pytest.raises(error) as caught:
        run()
    return str(caught.value)


def test_a_tied_readout_cannot_start_at_zero() -> None:
    chosen = mupfx.Hyperparameters(zero_readout=True)
    assert message(mupfx.LoweringError, lambda: converted(Shape(tied=True), chosen)) == snapshot("""\
the readout cannot start at zero: it is tied to an embedding
  where: embed.weight
  hint: untie them, or leave zero_readout out\
""")


class Fused(nn.Module):
    """Queries, keys and values out of one layer, taken apart by head or by kind."""

    def __init__(self, *, by_head: bool) -> None:
        super().__init__()
        self.by_head = by_head
        self.embed = nn.Embedding(VOCABULARY, 32)
        self.qkv = nn.Linear(32, 96)
        self.head = nn.Linear(32, 3)

    def split(self, tokens: Tensor) -> tuple[Tensor, ...]:
        parts = (2, 3, 16) if self.by_head else (3, 2, 16)
        fused = self.qkv(self.embed(tokens)).unflatten(-1, parts)
        kinds = fused.unbind(3 if self.by_head else 2)
        return tuple(kind.transpose(1, 2) for kind in kinds)

    def forward(self, tokens: Tensor) -> Tensor:
        query, key, value = self.split(tokens)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.head(mixed.transpose(1, 2).flatten(2))
        return out


@pytest.mark.parametrize("by_head", [False, True])
def test_zero_query_in_a_fused_layer(*, by_head: bool) -> None:
    """Only the queries' rows: keys and values are as they were."""
    torch.manual_seed(0)
    net = Fused(by_head=by_head)
    _, key, value = (part.detach() for part in net.split(tokens()))
    chosen = mupfx.Hyperparameters(zero_query=True)
    base = Fused(by_head=by_head)
    mupfx.convert(net, tokens(), base=base, hyperparameters=chosen, strict=False)
    now = net.split(tokens())
    assert not now[0].any()
    assert torch.equal(now[1], key)
    assert torch.equal(now[2], value)
    plan = mupfx.plan(net)
    rows = plan.parameters["qkv.weight"].init.zeros
    assert rows == (((0, 0, 16, 48),) if by_head else ((0, 0, 32, 96),))
    assert mupfx.Plan.from_dict(plan.to_dict()) == plan
    assert "zero at the start in entries" in plan.parameters["qkv.bias"].evidence[-1]


def test_zero_query_in_a_fused_layer_after_meta() -> None:
    with torch.device("meta"):
        net = Fused(by_head=False)
    chosen = mupfx.Hyperparameters(zero_query=True)
    on_meta = tokens().to("meta")
    base = Fused(by_head=False)
    mupfx.convert(net, on_meta, base=base, hyperparameters=chosen, strict=False)
    net.to_empty(device="cpu")
    for layer in (net.embed, net.qkv, net.head):
        layer.reset_parameters()
    mupfx.rescale_(net)
    query, key, _ = net.split(tokens())
    assert not query.any()
    assert key.all()


def test_queries_that_no_module_makes_cannot_start_at_zero() -> None:
    layer = nn.TransformerEncoderLayer(32, 2, 64, batch_first=True)
    net = nn.Sequential(nn.Embedding(VOCABULARY, 32), layer, nn.Linear(32, 3))
    chosen = mupfx.Hyperparameters(zero_query=True)
    text = message(
        mupfx.LoweringError,
        lambda: mupfx.convert(net, tokens(), base=8, strict=False, hyperparameters=chosen),
    )
    assert text.startswith("zero_query: what is to start at zero has no weight of its own")


NOTHING = {
    "output": mupfx.Hyperparameters(output_multiplier=2.0),
    "embedding": mupfx.Hyperparameters(embedding_multiplier=2.0),
    "attention": mupfx.Hyperparameters(attention_multiplier=2.0),
}


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_to_multiply(name: str) -> None:
    """Layers between widths alone: neither a readout nor anything else of the kind."""
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8))
    base = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4))
    text = message(
        mupfx.LoweringError,
        lambda: mupfx.convert(
            net, torch.ones(1, 8), base=base, strict=False, hyperparameters=NOTHING[name]
        ),
    )
    assert text.startswith(f"{name}_multiplier = 2 has nothing to multiply")


WRONG: Iterable[tuple[dict[str, Any], str]] = (
    ({"output_multiplier": 0}, "output_multiplier is no positive number"),
    ({"embedding_multiplier": -1.0}, "embedding_multiplier is no positive number"),
    ({"attention_multiplier": math.inf}, "attention_multiplier is no positive number"),
    ({"output_multiplier": True}, "output_multiplier is no positive number"),
    ({"output_multiplier": "2"}, "output_multiplier is no positive number"),
    ({"attention_exponent": "half"}, "attention_exponent is no fraction"),
    ({"zero_query": "yes"}, "zero_query is neither true nor false"),
)


@pytest.mark.parametrize(("given", "said"), WRONG)
def test_what_is_no_value(given: dict[str, Any], said: str) -> None:
    text = message(mupfx.ParametrizationError, lambda: mupfx.Hyperparameters(**given))
    assert text.splitlines()[0] == said


def test_command_line() -> None:
    words = ("--target", MLP, "--arg", "width=16", "--base", "4", "--hyper", "output_multiplier=2")
    found = data("explain", "last.weight", *words)
    assert found["multiplier"] == 0.5
    assert "x 2 = 2 * 1, fold: last.weight" in printed("explain", "last.weight", *words)
    zero = data("explain", "last.weight", *words, "--hyper", "zero_readout=True")
    assert zero["init"]["factor"] == 0.0
    assert refused("explain", "x", *words[:-1], "output=2", code=3) == snapshot("""\
TargetError: `output` is no hyperparameter
  expected: output_multiplier, embedding_multiplier, attention_multiplier, attention_exponent, zero_readout, zero_query
""")

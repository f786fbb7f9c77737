"""Models that are built in their parametrization: as converted ones, and nowhere whole."""

import copy
import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.testing._internal.distributed.fake_pg import FakeStore

import mupfx
from mupfx.errors import InitError

IDS = torch.tensor([[3, 1, 4, 1, 5]])
RANKS, RANK = 5, 3


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)
        nn.init.trunc_normal_(self.out.weight, std=0.02, a=-0.03, b=0.03)
        self.up = nn.Linear(width, 4 * width)
        nn.init.orthogonal_(self.up.weight)
        self.down = nn.Linear(4 * width, width)
        nn.init.sparse_(self.down.weight, 0.25, 0.02)
        self.decay = nn.Parameter(torch.arange(1.0, width + 1).log().neg())
        self.heads = width // 8

    def forward(self, x: Tensor) -> Tensor:
        size = (*x.shape[:-1], self.heads, 8)
        q, k, v = (t.view(size).transpose(1, 2) for t in self.qkv(self.norm(x)).chunk(3, -1))
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        branch: Tensor = self.down(torch.relu(self.up(x)))
        return x + branch * self.decay.exp()


class Model(nn.Module):
    """Tied, padded, with a table and statistics, and weights of every kind of law."""

    table: Tensor

    def __init__(self, width: int = 32, vocabulary: int = 37) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width, padding_idx=0)
        nn.init.normal_(self.embed.weight[1:], std=0.02)
        self.register_buffer("table", torch.outer(torch.arange(8.0), 1.5 ** -torch.arange(8.0)))
        self.place = nn.Linear(8, width, bias=False)
        self.blocks = nn.ModuleList(Block(width) for _ in range(1))
        self.statistics = nn.BatchNorm1d(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids: Tensor) -> Tensor:
        x: Tensor = self.embed(ids) + self.place(self.table[: ids.shape[1]])
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(self.statistics(x.transpose(1, 2)).transpose(1, 2))
        return logits


def model(width: int) -> nn.Module:
    return Model(width).eval()


@cache
def _built(width: int, **options: object) -> nn.Module:
    made: nn.Module = mupfx.build(model, IDS, base={"width": 16}, width=width, **options)  # type: ignore[arg-type]
    return made


def built(width: int = 64, **options: object) -> Any:
    """A copy of its own."""
    return copy.deepcopy(_built(width, **options))


def test_is_planned_as_a_converted_one() -> None:
    one = mupfx.plan(built())
    torch.manual_seed(0)
    other = mupfx.plan(mupfx.convert(lambda: model(64), IDS, base=lambda: model(16)))
    for name, row in one.parameters.items():
        assert row.init == other.parameters[name].init, name
    assert one.sites == other.sites


def test_starts_with_the_stds_of_rescaled_values() -> None:
    """Root mean squares over seeds, here against the same factory's own draws times factors."""
    drawn = [dict(built(seed=seed).named_parameters()) for seed in range(4)]
    scaled = []
    for seed in range(4):
        torch.manual_seed(seed)
        made = mupfx.convert(lambda: model(64), IDS, base=lambda: model(16))
        scaled.append(dict(made.named_parameters()))
    for name in drawn[0]:
        mine, theirs = (torch.stack([p[name].detach() for p in ps]) for ps in (drawn, scaled))
        error = 6 / math.sqrt(2 * mine.numel()) + 1e-6
        size = float(theirs.square().mean().sqrt())
        assert float(mine.square().mean().sqrt()) == pytest.approx(size, rel=error), name


def test_base_is_what_the_user_wrote() -> None:
    same = built(16)
    assert {p.init.factor for p in mupfx.plan(same).parameters.values()} == {1.0}
    assert all(site.multiplier == 1 for site in mupfx.plan(same).sites.values())
    other = mupfx.build(lambda: model(16), IDS, base=lambda: model(16))
    assert all(
        torch.equal(p, q) for p, q in zip(same.parameters(), other.parameters(), strict=True)
    )


def test_everything_but_draws_is_as_the_factory_has_it() -> None:
    made, plain = built(), model(64)
    assert type(made) is Model
    assert made.head.weight is made.embed.weight
    assert not made.training
    assert not made.embed.weight[0].any()
    assert made.embed.weight[1:].all()
    buffers = dict(made.named_buffers())
    for name, buffer in plain.named_buffers():
        assert torch.equal(buffers[name], buffer), name
    first = made.blocks[0]
    assert isinstance(first, Block)
    row = mupfx.plan(made).parameters["blocks.0.decay"].init
    expected = torch.arange(1.0, 65).log().neg() * row.factor
    assert torch.allclose(first.decay, expected)
    up = first.up.weight / mupfx.plan(made).parameters["blocks.0.up.weight"].init.factor
    assert torch.allclose(up.T @ up, torch.eye(64), atol=1e-5)
    assert (first.down.weight == 0).sum(0).tolist() == [16] * 256


def test_values_depend_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = built(seed=5).state_dict()
    assert torch.equal(before, torch.get_rng_state())
    torch.rand(3)
    again = mupfx.build(model, IDS, base={"width": 16}, width=64, seed=5).state_dict()
    other = built(seed=6).state_dict()
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["place.weight"], other["place.weight"])


def test_is_what_init_draws() -> None:
    """A converted model that is initialised anew from a seed is the one that is built from it."""
    torch.manual_seed(0)
    converted = mupfx.convert(lambda: model(64), IDS, base=lambda: model(16))
    mupfx.init_(converted, seed=5, keep=["blocks.*.decay"])
    other = built(seed=5).state_dict()
    for name, value in converted.state_dict().items():
        assert torch.equal(value, other[name]), name


def test_trains() -> None:
    made = built().train()
    optimizer = mupfx.optimizer(torch.optim.AdamW, made, lr=1e-2)
    losses = []
    for _ in range(5):
        loss = nn.functional.cross_entropy(made(IDS).flatten(0, 1), IDS.flatten())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("gauge", ["mup", "unit"])
def test_in_another_gauge(gauge: str) -> None:
    """The function is the same; laws are known, so that unit variance needs no values."""
    with torch.no_grad():
        folded, other = built()(IDS), built(gauge=gauge)(IDS)
    assert torch.allclose(folded, other, atol=1e-5)


def test_nested_in_wider_ones() -> None:
    narrow, wide = built(32, nested=True), built(64, nested=True)
    mine, theirs = (m.get_parameter("place.weight") for m in (narrow, wide))
    ratio = (
        mupfx.plan(narrow).parameters["place.weight"].init.factor
        / mupfx.plan(wide).parameters["place.weight"].init.factor
    )
    assert torch.allclose(mine, theirs[:32] * ratio, rtol=1e-6)


def test_shapes_alone() -> None:
    made = built(device="meta")
    assert all(p.is_meta for p in made.parameters())
    made.to_empty(device="cpu")
    made.head.weight = made.embed.weight
    for parameter in made.parameters():
        nn.init.ones_(parameter)
    mupfx.rescale_(made)
    row = mupfx.plan(made).parameters["blocks.0.qkv.weight"].init
    assert made.get_parameter("blocks.0.qkv.weight")[0, 0].item() == pytest.approx(row.factor)


@pytest.fixture
def processes() -> Iterator[None]:
    """One of several: torch remembers, per process, which of them it is."""
    dist.init_process_group("fake", rank=RANK, world_size=RANKS, store=FakeStore())
    yield
    dist.destroy_process_group()


def spread(module: Model) -> None:
    mesh = init_device_mesh("cpu", (RANKS,))
    for block in module.blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(module, mesh=mesh)


@pytest.mark.usefixtures("processes")
def test_each_process_has_its_slice() -> None:
    """Bit for bit, of sizes that five processes do not divide."""
    whole: Any = built()
    mine: Any = _built(64, shard=spread)
    for name, parameter in mine.named_parameters():
        local = parameter.to_local()
        full = whole.get_parameter(name).detach().chunk(RANKS)
        expected = full[RANK] if len(full) > RANK else full[0][:0]
        assert torch.equal(local, expected), name
    assert mine.head.weight is mine.embed.weight
    assert mupfx.plan(mine) == mupfx.plan(whole)


def fresh(fill: Callable[[Tensor], object]) -> Callable[[int], nn.Module]:
    def factory(width: int) -> nn.Module:
        net = nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 2))
        with torch.no_grad():
            fill(net.get_parameter("0.weight"))
        return net

    return factory


def test_refuses_what_cannot_be_drawn_again() -> None:
    factory = fresh(lambda w: w.normal_().exp_())
    with pytest.raises(InitError) as caught:
        mupfx.build(factory, torch.ones(1, 3), base={"width": 8}, width=10_000)
    assert "how '0.weight' starts is no law that can be drawn again" in str(caught.value)
    assert "found: unknown: exp of normal" in str(caught.value)
    assert __file__ in str(caught.value)


def test_refuses_another_law_at_the_base() -> None:
    def fill(w: Tensor) -> None:
        if len(w) < 10:
            w.uniform_()
        else:
            w.normal_()

    with pytest.raises(
        InitError, match=r"no known law .* '0.weight'[^$]*but uniform\(0, 1\) at the b"
    ):
        mupfx.build(fresh(fill), torch.ones(1, 3), base={"width": 8}, width=10_000)


def test_base_in_other_forms() -> None:
    """A number, where a law's numbers leave one known law; class sizes, where no argument is."""
    named = {"blocks.*.out.weight": "constant"}
    by_number = mupfx.build(lambda: model(64), IDS, base=16, init=named)
    by_class = mupfx.build(lambda: model(64), IDS, base={"width": 16}, init=named)
    for name, row in mupfx.plan(built()).parameters.items():
        for other in (by_number, by_class):
            found = mupfx.plan(other).parameters[name].init
            assert found.factor == pytest.approx(row.init.factor), name
            zeros = "down.weight" in name  # counted by the one, and not by the other
            assert zeros or found.std == pytest.approx(row.init.std), name


def test_numbers_in_buffers_count() -> None:
    """A factor of sqrt(width), kept as a buffer, is seen without values as it is with them."""

    class Scaled(nn.Module):
        scale: Tensor

        def __init__(self, width: int) -> None:
            super().__init__()
            self.embed = nn.Embedding(11, width)
            self.register_buffer("scale", torch.tensor(width**0.5), persistent=False)
            self.hidden = nn.Linear(width, width)
            self.last = nn.Linear(width, 3)

        def forward(self, ids: Tensor) -> Tensor:
            x = self.embed(ids) * self.scale
            result: Tensor = self.last(torch.relu(self.hidden(x)))
            return result

    made = mupfx.build(Scaled, IDS, base={"width": 16}, width=64)
    other = mupfx.convert(Scaled(64), IDS, base=lambda: Scaled(16))
    mine, theirs = (mupfx.plan(m).parameters["embed.weight"].init for m in (made, other))
    assert mine.factor == pytest.approx(theirs.factor)
    assert mine.factor == pytest.approx(0.5)
    assert made.get_buffer("scale").item() == 8.0


def test_plain_attributes_stay() -> None:
    class Held(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.first = nn.Linear(3, width)
            self.last = nn.Linear(width, 2)
            self.shift = torch.linspace(0, 1, 3)

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.last(torch.relu(self.first(x + self.shift)))
            return result

    made = mupfx.build(Held, torch.ones(1, 3), base={"width": 4}, width=8)
    assert isinstance(made, Held)
    assert made.shift.tolist() == [0.0, 0.5, 1.0]
    assert copy.deepcopy(made)(torch.ones(1, 3)).shape == (1, 2)

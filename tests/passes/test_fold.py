"""Folding: what carries a factor multiplies the product by it, exactly; or there is a reason."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from mupfx.core.program import Program
from mupfx.passes.capture import capture
from mupfx.passes.fold import Folded, fold
from mupfx.passes.normalize import normalize

Tensor = torch.Tensor
SIZE, WIDTH, LENGTH = 4, 8, 3


class Model(nn.Module):
    """Parameters of every kind; ``way`` makes the two operands of a product from them."""

    table: Tensor

    def __init__(self, way: "Way") -> None:
        super().__init__()
        self.way = way
        self.first, self.second = nn.Linear(5, WIDTH), nn.Linear(5, WIDTH, bias=False)
        self.both = nn.Linear(5, 2 * WIDTH)
        self.norm, self.rms = nn.LayerNorm(WIDTH), nn.RMSNorm(WIDTH)
        self.plain = nn.LayerNorm(WIDTH, elementwise_affine=False)
        self.gain = nn.Parameter(torch.randn(WIDTH))
        self.queries = nn.Parameter(torch.randn(LENGTH, 5))
        self.register_buffer("table", torch.randn(LENGTH, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.way(self, x)
        return left @ right.transpose(-1, -2)


Way = Callable[[Model, Tensor], tuple[Tensor, Tensor]]


def rotate(x: Tensor, by: Tensor) -> Tensor:
    """Rotary positions."""
    half = x.shape[-1] // 2
    return x * by.cos() + torch.cat((-x[..., half:], x[..., :half]), -1) * by.sin()


def grouped(m: Model, x: Tensor) -> tuple[Tensor, Tensor]:
    """Keys of two heads, each read by two groups of queries."""
    q = m.both(x).view(2, LENGTH, 4, SIZE).transpose(1, 2)
    k = m.first(x).view(2, LENGTH, 2, SIZE).transpose(1, 2).repeat_interleave(2, 1)
    return q, k


CARRIED: dict[str, tuple[set[str], Way]] = {
    "a layer": ({"first.weight", "first.bias"}, lambda m, x: (m.first(x), m.second(x))),
    "no bias": ({"second.weight"}, lambda m, x: (m.second(x), m.first(x))),
    "heads": (
        {"first.weight", "first.bias"},
        lambda m, x: (
            m.first(x).view(2, LENGTH, 2, SIZE).transpose(1, 2),
            m.second(x).view(2, LENGTH, 2, SIZE).transpose(1, 2),
        ),
    ),
    "grouped": ({"both.weight", "both.bias"}, grouped),
    "rotary": (
        {"first.weight", "first.bias"},
        lambda m, x: (rotate(m.first(x), m.table), rotate(m.second(x), m.table)),
    ),
    "rotary from the input": (
        {"first.weight", "first.bias"},
        lambda m, x: (rotate(m.first(x), x.mean(-1, keepdim=True)), m.second(x)),
    ),
    "the gain of a norm": (
        {"norm.weight", "norm.bias"},
        lambda m, x: (m.norm(m.first(x)), m.second(x)),
    ),
    "rms": ({"rms.weight"}, lambda m, x: (m.rms(m.first(x)), m.second(x))),
    "a gain by hand": ({"gain"}, lambda m, x: (m.plain(m.first(x)) * m.gain, m.second(x))),
    "a constant": ({"second.weight"}, lambda m, x: (m.second(x) * 0.3 / 2, m.first(x))),
    "two layers": (
        {"first.weight", "first.bias", "second.weight"},
        lambda m, x: (m.first(x) + m.second(x), m.both(x)[..., :WIDTH]),
    ),
    "put together": (
        {"first.weight", "first.bias", "second.weight"},
        lambda m, x: (torch.cat([m.first(x), m.second(x)], -1), m.both(x)),
    ),
    "a nonlinearity that a positive factor passes": (
        {"first.weight", "first.bias"},
        lambda m, x: (functional.leaky_relu(m.first(x)).abs().relu(), m.second(x)),
    ),
    "a mean taken off": (
        {"second.weight"},
        lambda m, x: ((y := m.second(x)) - y.mean(-1, keepdim=True), m.first(x)),
    ),
    "functional": (
        {"second.weight"},
        lambda m, x: (x @ m.second.weight.t(), m.first(x)),
    ),
    "einsum": (
        {"second.weight"},
        lambda m, x: (torch.einsum("bti,oi->bto", x, m.second.weight), m.first(x)),
    ),
    "addmm": (
        {"first.weight", "first.bias"},
        lambda m, x: (torch.addmm(m.first.bias, x[0], m.first.weight.t()), m.second(x[1])),
    ),
    "a product of two": (
        {"first.weight", "first.bias"},
        lambda m, x: (m.first(x) * m.second(x), m.both(x)[..., :WIDTH]),
    ),
    "a product whose first factor is read elsewhere": (
        {"second.weight"},
        lambda m, x: (m.first(x) * m.second(x), m.both(x)[..., :WIDTH] + m.first(x)),
    ),
    "a learned input": (
        {"first.weight", "first.bias"},
        lambda m, x: (m.first(m.queries), m.second(x)),
    ),
    "a weight that is read elsewhere": (
        {"second.weight"},
        lambda m, x: (
            functional.linear(m.second(x), m.first.weight[:, :1] + m.gain), m.first(x) * m.gain,
        ),
    ),
    "values of attention": (
        {"second.weight"},
        lambda m, x: (
            functional.scaled_dot_product_attention(m.first(x), m.first(x), m.second(x)),
            m.both(x)[..., :WIDTH],
        ),
    ),
    "rows picked, added up and put back": (
        {"first.weight", "first.bias"},
        lambda m, x: (
            x.new_zeros(2, LENGTH, WIDTH).index_add(
                1, torch.arange(2), m.first(x)[:, torch.tensor([2, 0])].cumsum(-1)
            ),
            m.second(x),
        ),
    ),
    "masked": (
        {"first.weight", "first.bias", "second.weight"},
        lambda m, x: (
            torch.where(m.table > 0, m.first(x).masked_fill(m.table < -1, 0.0), m.second(x)),
            m.both(x)[..., :WIDTH],
        ),
    ),
    "added to nothing": (
        {"second.weight"},
        lambda m, x: (x.new_zeros(()) + m.second(x) + torch.zeros(WIDTH), m.first(x)),
    ),
    "converted and dropped": (
        {"second.weight"},
        lambda m, x: (functional.dropout(m.second(x), 0.0).double().contiguous(), m.first(x).double()),
    ),
}  # fmt: skip

REFUSED: dict[str, tuple[str, Way]] = {
    "half of a fused layer": (
        "reads it too",
        lambda m, x: (m.both(x)[..., :WIDTH], m.both(x)[..., WIDTH:]),
    ),
    "split": ("reads it too", lambda m, x: m.both(x).split(WIDTH, -1)),
    "both sides": ("reads it too", lambda m, x: (m.first(x),) * 2),
    "a tie": ("reads it too", lambda m, x: (m.first(x), functional.linear(x, m.first.weight))),
    "a nonlinearity": ("gelu", lambda m, x: (functional.gelu(m.first(x)), m.second(x))),
    "a norm without gain": ("layer_norm", lambda m, x: (m.plain(m.first(x)), m.second(x))),
    "a square": ("reads it too", lambda m, x: (m.first(x) * m.first(x), m.second(x))),
    "a square of one": ("mul", lambda m, x: ((y := m.first(x)) * y, m.second(x))),
    "a sum with a table": ("add", lambda m, x: (m.first(x) + m.table, m.second(x))),
    "a difference with a number": ("sub", lambda m, x: (m.first(x) - 1, m.second(x))),
    "a difference with the input": ("sub", lambda m, x: (m.first(x) - x.mean(), m.second(x))),
    "a sum with a number": ("add", lambda m, x: (m.first(x) + 1, m.second(x))),
    "a sum with one constant": ("add", lambda m, x: (m.second(x) + torch.tensor(2.0), m.first(x))),
    "a bias that is data": (
        "addmm",
        lambda m, x: (torch.addmm(x[0, :, :1], x[0], m.second.weight.t()), m.first(x[1])),
    ),
    "masked by a number": (
        "masked_fill", lambda m, x: (m.first(x).masked_fill(m.table > 0, -9.0), m.second(x)),
    ),
    "padded by a number": (
        "pad", lambda m, x: (functional.pad(m.first(x), (1, 1), value=1.0), m.both(x)[..., :WIDTH + 2]),
    ),
    "read by what the site multiplies it with": (
        "reads it too", lambda m, x: (x[0, :, :1] * m.gain, m.gain.expand(4, WIDTH)),
    ),
    "a layer after itself": (
        "reads it too",
        lambda m, x: (m.second(m.second(x)[..., :5]), m.first(x)),
    ),
    "unit length": ("reads it too", lambda m, x: (functional.normalize(m.first(x), dim=-1), m.second(x))),
}  # fmt: skip


def build(way: Way) -> Model:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Model(way)


def inputs() -> Tensor:
    return torch.randn(2, LENGTH, 5, generator=torch.Generator().manual_seed(1))


def folded(model: Model) -> tuple[Program, Folded]:
    program = normalize(capture(model, (inputs(),), {}))
    (output,) = (n for n in program.graph.nodes if n.op == "output")
    (product,) = output.all_input_nodes
    return program, fold(program, product.name, product.args[0].name)


@pytest.mark.parametrize("name", CARRIED)
def test_carried(name: str) -> None:
    expected, way = CARRIED[name]
    model = build(way)
    found = folded(model)[1]
    assert found.refusal is None, found
    assert set(found.parameters) == expected
    scaled = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in found.parameters:
            scaled.get_parameter(parameter).mul_(0.25)
    torch.testing.assert_close(scaled(inputs()), model(inputs()) * 0.25)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    reason, way = REFUSED[name]
    found = folded(build(way))[1]
    assert found.refusal is not None, found.parameters
    assert found.parameters == ()
    assert any(word in f"{found.refusal} {found.at}" for word in reason.split("|")), found


def test_keys_and_values_in_one_argument_twice() -> None:
    """Attention that reads one tensor as key and value: a factor on it would reach both."""

    class Shared(Model):
        def forward(self, x: Tensor) -> Tensor:
            both = self.second(x)
            mixed: Tensor = functional.scaled_dot_product_attention(self.first(x), both, both)
            return mixed

    program = normalize(capture(Shared(lambda m, x: (x, x)), (inputs(),), {}))
    node = next(n for n in program.graph.nodes if "attention" in n.name)
    query, key, _ = (a.name for a in node.args[:3])
    assert fold(program, node.name, key).refusal is not None
    assert fold(program, node.name, query).refusal is None


def test_another_name_for_a_parameter_is_another_use() -> None:
    def way(m: Model, x: Tensor) -> tuple[Tensor, Tensor]:
        return m.second(x), m.first(x)

    class Tied(Model):
        def __init__(self) -> None:
            super().__init__(way)
            self.again = nn.Linear(5, WIDTH, bias=False)
            self.again.weight = self.second.weight

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = super().forward(x) + self.again(x).sum()
            return out

    program = normalize(capture(Tied(), (inputs(),), {}))
    product = next(n for n in program.graph.nodes if n.name.startswith("matmul"))
    found = fold(program, product.name, product.args[0].name)
    assert found.refusal is not None

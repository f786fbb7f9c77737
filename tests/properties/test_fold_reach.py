"""Folding reaches as far as there is anything to reach, and no further.

On small random programs every set of parameters is tried: if doubling some set does what doubling
the site's operand does, a set is found, and what is found does just that.
"""

from collections.abc import Callable, Iterator
from itertools import combinations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, fx, nn
from torch.func import functional_call
from torch.nn import functional

from mupfx.passes.capture import capture
from mupfx.passes.fold import fold, prepare
from mupfx.passes.normalize import normalize

WIDTH, LENGTH, EPS = 6, 3, 0.1
"""``eps`` of norms is large: what they divide by their size is not free of its scale."""
Step = tuple[str, int, int]
"""Op, the value that it reads beside the last, counted from that, and the layer it uses."""


class Random(nn.Module):
    """A few layers, and a list of steps that says what becomes of them."""

    table: Tensor

    def __init__(self, steps: tuple[Step, ...], other: int) -> None:
        super().__init__()
        self.steps, self.other = steps, other
        self.linear = nn.ModuleList(nn.Linear(WIDTH, WIDTH, bias=i > 0) for i in range(2))
        self.norm = nn.RMSNorm(WIDTH, eps=EPS)
        self.gain = nn.Parameter(torch.randn(WIDTH))
        self.register_buffer("table", torch.randn(LENGTH, WIDTH))

    def forward(self, x: Tensor, factor: float = 1.0) -> Tensor:
        values = [x, self.linear[0](x)]
        for name, second, layer in self.steps:
            beside = values[-1 - second % len(values)]
            values.append(OPS[name](self, values[-1], beside, layer))
        left = values[-1]
        right = values[-1 - self.other % len(values)]
        out: Tensor = (left * factor) @ right.mT if factor != 1.0 else left @ right.mT
        return out


def rotate(x: Tensor, by: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return x * by.cos() + torch.cat((-x[..., half:], x[..., :half]), -1) * by.sin()


def heads(x: Tensor) -> Tensor:
    return x.view(2, LENGTH, 2, -1).transpose(1, 2)


def attend(a: Tensor, b: Tensor) -> Tensor:
    mixed = functional.scaled_dot_product_attention(heads(a), heads(a), heads(b))
    return mixed.transpose(1, 2).reshape(2, LENGTH, WIDTH)


OPS: dict[str, Callable[[Random, Tensor, Tensor, int], Tensor]] = {
    "linear": lambda m, a, b, i: m.linear[i](a),
    "add": lambda m, a, b, i: a + b,
    "times": lambda m, a, b, i: a * b,
    "gain": lambda m, a, b, i: a * m.gain,
    "norm": lambda m, a, b, i: m.norm(a),
    "plain norm": lambda m, a, b, i: functional.layer_norm(a, [WIDTH], eps=EPS),
    "relu": lambda m, a, b, i: a.relu(),
    "tanh": lambda m, a, b, i: a.tanh(),
    "rotary": lambda m, a, b, i: rotate(a, m.table),
    "table": lambda m, a, b, i: a + m.table,
    "centred": lambda m, a, b, i: a - a.mean(-1, keepdim=True),
    "halves": lambda m, a, b, i: torch.cat((a[..., : WIDTH // 2], b[..., WIDTH // 2 :]), -1),
    "attention": lambda m, a, b, i: attend(a, b),
    "masked": lambda m, a, b, i: a.masked_fill(m.table > 1, 0.0),
    "scaled": lambda m, a, b, i: a * 0.3,
}

step = st.tuples(st.sampled_from(sorted(OPS)), st.integers(0, 3), st.integers(0, 1))


def sets(model: nn.Module) -> Iterator[tuple[str, ...]]:
    names = [name for name, _ in model.named_parameters()]
    for size in range(1, len(names) + 1):
        yield from combinations(names, size)


def doubled(model: nn.Module, names: tuple[str, ...], x: Tensor) -> Tensor:
    values = {n: p * 2 if n in names else p for n, p in model.named_parameters()}
    found: Tensor = functional_call(model, values, (x,))
    return found


@settings(max_examples=min(40, settings.default.max_examples if settings.default else 40))
@given(st.lists(step, max_size=5).map(tuple), st.integers(0, 3))
def test_what_can_be_folded_is(steps: tuple[Step, ...], other: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, x = Random(steps, other).double(), torch.randn(2, LENGTH, WIDTH).double()
    expected = model(x, 2.0).detach()

    def works(names: tuple[str, ...]) -> bool:
        return torch.allclose(doubled(model, names, x), expected, rtol=1e-9, atol=1e-12)

    graph = prepare(normalize(capture(model, (x,), {})))
    (output,) = (n for n in graph.program.graph.nodes if n.op == "output")
    (product,) = output.all_input_nodes
    operands = dict.fromkeys(product.args[:2])
    tries = [fold(graph, product.name, n.name) for n in operands if isinstance(n, fx.Node)]
    for found in tries:
        assert found.refusal is not None or works(found.parameters), (steps, other, found)
    if all(found.refusal is not None for found in tries):
        reachable = next((names for names in sets(model) if works(names)), None)
        assert reachable is None, (steps, other, tries, reachable)

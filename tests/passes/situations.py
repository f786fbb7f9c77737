"""What models do in a forward that a tracer may not follow: one small model a situation.

Every model has an input layer ``a``, a hidden layer ``b`` and a readout ``c``, whatever happens
between them.
"""

from collections import UserDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from torch import nn
from torch._higher_order_ops.associative_scan import associative_scan
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop
from torch.nn import functional
from torch.nn.attention.flex_attention import flex_attention
from torch.nn.utils import rnn
from torch.utils.checkpoint import checkpoint

Tensor = torch.Tensor
WIDTH = 8


class Net(nn.Module):
    """Three layers; ``way`` says what becomes of them."""

    def __init__(self, way: "Way", width: int = WIDTH, *, inner: nn.Module | None = None) -> None:
        super().__init__()
        self.way = way
        self.a, self.b, self.c = nn.Linear(3, width), nn.Linear(width, width), nn.Linear(width, 5)
        if inner is not None:
            self.inner = inner
        self.seen: list[Tensor] = []
        self.register_buffer("calls", torch.zeros(()))
        self.calls: Tensor

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.way(self, *args, **kwargs)


Way = Callable[..., Any]


class Outcome(NamedTuple):
    logits: Tensor
    steps: int


@dataclass
class Result:
    logits: Tensor
    hidden: Tensor | None = None


@dataclass
class Batch:
    x: Tensor
    name: str = "batch"


class Cache:
    """Keys that a decoder keeps; nothing that torch knows how to flatten."""

    def __init__(self) -> None:
        self.keys: list[Tensor] = []


def plain(m: Net, x: Tensor) -> Tensor:
    out: Tensor = m.c(torch.tanh(m.b(m.a(x))))
    return out


def ends(m: Net, h: Tensor) -> Tensor:
    """The rest of a model, from its hidden values."""
    out: Tensor = m.c(torch.tanh(m.b(h)))
    return out


def branch(m: Net, x: Tensor) -> Tensor:
    h = m.a(x)
    return ends(m, h) if h.abs().sum() > 0 else m.c(h)


def loop_over_rows(m: Net, x: Tensor) -> Tensor:
    return torch.stack([plain(m, row) for row in x])


def loop_by_value(m: Net, x: Tensor) -> Tensor:
    h = m.a(x)
    for _ in range(int((x > -100).sum()) // 6):
        h = torch.tanh(m.b(h))
    out: Tensor = m.c(h)
    return out


def early_stop(m: Net, x: Tensor) -> Tensor:
    h, halted = m.a(x), torch.zeros(len(x))
    while bool((halted < 1).any()):
        h = torch.tanh(m.b(h))
        halted = halted + 0.5
    out: Tensor = m.c(h)
    return out


def recursion(m: Net, x: Tensor) -> Tensor:
    def halves(h: Tensor) -> Tensor:
        if len(h) == 1:
            return torch.tanh(m.b(h))
        return torch.cat([halves(half) for half in h.chunk(2)])

    out: Tensor = m.c(halves(m.a(x)))
    return out


def experts(m: Net, x: Tensor) -> Tensor:
    h = m.a(x)
    out = torch.zeros_like(h)
    for expert in range(2):
        (rows,) = torch.where(x.sum(-1) * (-1) ** expert >= 0)
        if rows.numel():
            out[rows] += torch.tanh(m.b(h[rows]))
    logits: Tensor = m.c(out)
    return logits


def reentrant(m: Net, x: Tensor) -> Tensor:
    out: Tensor = m.c(checkpoint(lambda h: torch.tanh(m.b(h)), m.a(x), use_reentrant=True))
    return out


def not_reentrant(m: Net, x: Tensor) -> Tensor:
    out: Tensor = m.c(checkpoint(lambda h: torch.tanh(m.b(h)), m.a(x), use_reentrant=False))
    return out


def regions(m: Net, x: Tensor) -> Tensor:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        h = m.a(x)
    return ends(m, h.float())


def nested_inputs(m: Net, batch: Mapping[str, Any], *, scale: list[Tensor]) -> Tensor:
    return plain(m, batch["x"][0]) * scale[0]


def unknown_input(m: Net, batch: Any) -> Tensor:
    return plain(m, batch.x)


def mapping_input(m: Net, batch: Mapping[str, Tensor]) -> Tensor:
    return plain(m, batch["x"])


def loss(m: Net, x: Tensor) -> Tensor:
    return functional.cross_entropy(plain(m, x), torch.zeros(len(x), dtype=torch.long))


def with_cache(m: Net, x: Tensor) -> dict[str, Any]:
    cache = Cache()
    cache.keys.append(m.a(x))
    return {"logits": ends(m, cache.keys[0]), "cache": cache}


def packed_output(m: Net, x: Tensor) -> Any:
    y = plain(m, x)
    return rnn.pack_padded_sequence(y[None], torch.tensor([len(x)]), batch_first=True)


def numpy_value(m: Net, x: Tensor) -> Tensor:
    h = m.a(x)
    return ends(m, h / float(h.detach().numpy().std() + 1))


def numpy_round_trip(m: Net, x: Tensor) -> Tensor:
    return ends(m, torch.from_numpy(m.a(x).detach().numpy()))


def reshaped_in_numpy(m: Net, x: Tensor) -> Tensor:
    h = m.a(x)
    return ends(m, torch.from_numpy(h.detach().numpy().reshape(2, 2, -1)))


def data(m: Net, x: Tensor) -> Tensor:
    return ends(m, m.a(x).data)


def set_memory(m: Net, x: Tensor) -> Tensor:
    y = torch.empty(0)
    with torch.no_grad():
        y.set_(m.a(x).detach())
    return ends(m, y)


def packed_sequence(m: Net, x: Tensor) -> Tensor:
    rows = m.a(x)[None].expand(2, -1, -1)
    packed = rnn.pack_padded_sequence(rows, torch.tensor([4, 3]), batch_first=True)
    h, _ = rnn.pad_packed_sequence(m.inner(packed)[0], batch_first=True)
    return ends(m, h)


def energy(m: Net, x: Tensor) -> Tensor:
    return torch.tanh(m.b(m.a(x))).sum()


def gradient_inside(m: Net, x: Tensor) -> Tensor:
    z = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(energy(m, z), z, create_graph=True)
    return plain(m, x) + slope.sum()


def backward_inside(m: Net, x: Tensor) -> Tensor:
    torch.autograd.backward(energy(m, x))
    return plain(m, x)


def normalised(m: Net, x: Tensor) -> Tensor:
    return ends(m, m.inner(m.a(x)))


def functional_gradient(m: Net, x: Tensor) -> Tensor:
    slope: Tensor = torch.func.grad(lambda z: energy(m, z))(x)
    return plain(m, x) + slope.sum()


def vmapped(m: Net, x: Tensor) -> Tensor:
    out: Tensor = torch.vmap(lambda row: plain(m, row))(x)
    return out


def cond(m: Net, x: Tensor) -> Tensor:
    h = torch.cond(x.sum() > 0, lambda h: torch.tanh(m.b(h)), lambda h: m.b(h).relu(), (m.a(x),))
    out: Tensor = m.c(h)
    return out


def looped(m: Net, x: Tensor) -> Tensor:
    start = torch.zeros((), dtype=torch.long), m.a(x)
    loop: Callable[..., Any] = while_loop
    _, h = loop(lambda i, _: i < 2, lambda i, h: (i + 1, torch.tanh(m.b(h))), start)
    out: Tensor = m.c(h)
    return out


def scanned(m: Net, x: Tensor) -> Tensor:
    def step(state: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
        state = torch.tanh(m.b(state) + row)
        return state, state.clone()

    h = m.a(x)
    out: Tensor = m.c(scan(step, torch.zeros_like(h[0]), h)[1])
    return out


def summed_up(m: Net, x: Tensor) -> Tensor:
    h = associative_scan(lambda p, q: 0.5 * p + q, m.a(x), dim=0, combine_mode="generic")
    return ends(m, h)


def flexible_attention(m: Net, x: Tensor) -> Tensor:
    q = m.b(m.a(x)).view(1, len(x), 2, -1).transpose(1, 2)
    y = flex_attention(q, q, q, score_mod=lambda score, _b, _h, i, j: score + i - j)
    assert isinstance(y, Tensor)
    out: Tensor = m.c(y.transpose(1, 2).reshape(len(x), -1))
    return out


class Bent(torch.autograd.Function):
    """A function with a gradient of its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.tanh()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0]


def own_function(m: Net, x: Tensor) -> Tensor:
    out: Tensor = m.c(Bent.apply(m.b(m.a(x))))  # type: ignore[no-untyped-call]
    return out


@torch.library.custom_op("mupfx_tests::bend", mutates_args=())
def bend(x: Tensor) -> Tensor:
    return x.sin()


@bend.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


def own_op(m: Net, x: Tensor) -> Tensor:
    out: Tensor = m.c(bend(m.b(m.a(x))))
    return out


def in_place(m: Net, x: Tensor) -> Tensor:
    h = m.a(x).relu_()
    out = torch.empty_like(h)
    out[:, ::2] = h[:, ::2]
    out[:, 1::2] = h[:, 1::2] * 2
    m.calls += 1
    return ends(m, out.mul_(0.5))


def writes_to_its_input(m: Net, x: Tensor) -> Tensor:
    return plain(m, x.clamp_(min=0).mul_(2))


def moved_inside(m: Net, x: Tensor) -> Tensor:
    return ends(m, m.a.to(torch.float64)(x.double()).float())


def keeps(m: Net, x: Tensor) -> Tensor:
    h = torch.dropout(m.a(x), 0.5, train=True) + torch.rand(1)
    m.seen.append(h)
    m.last = h
    m.calls += 1
    return ends(m, h)


def masked_decoder(m: Net, x: Tensor) -> Tensor:
    rows = m.a(x)[None]
    mask = nn.Transformer.generate_square_subsequent_mask(len(x))
    return ends(m, m.inner(rows, rows, tgt_mask=mask))


def decoder() -> nn.Module:
    layer = nn.TransformerDecoderLayer(WIDTH, 2, 2 * WIDTH, batch_first=True)
    return nn.TransformerDecoder(layer, 1)


def x() -> Tensor:
    return torch.linspace(-1, 2, 12).view(4, 3)


def called(way: Way, *args: Any, inner: nn.Module | None = None, **kwargs: Any) -> "Situation":
    """A way for three layers; called with ``x`` alone where nothing else is given."""
    return Situation(Net(way, inner=inner), args or (x(),), kwargs)


class Situation(NamedTuple):
    model: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def compiled_inside() -> Situation:
    net = Net(plain)
    net.b.compile(backend="eager")
    net.a = torch.compile(net.a, backend="eager")  # type: ignore[assignment]
    return Situation(net, (x(),), {})


class Bare(nn.Module):
    """Three layers that TorchScript can read."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(3, WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.c(torch.tanh(self.b(self.a(x))))
        return out


def traced() -> nn.Module:
    trace: Callable[..., nn.Module] = torch.jit.trace
    return trace(Bare(), x())


SITUATIONS: dict[str, Callable[[], Situation]] = {
    "a branch on a value": lambda: called(branch),
    "a loop over rows": lambda: called(loop_over_rows),
    "a loop as long as a value": lambda: called(loop_by_value),
    "an early stop": lambda: called(early_stop),
    "recursion": lambda: called(recursion),
    "experts over where": lambda: called(experts),
    "a checkpoint, reentrant": lambda: called(reentrant),
    "a checkpoint": lambda: called(not_reentrant),
    "no_grad and autocast": lambda: called(regions),
    "nested inputs and keywords": lambda: called(
        nested_inputs, {"x": (x(), 3)}, scale=[torch.ones(1)]
    ),
    "an input of an unknown kind": lambda: called(unknown_input, SimpleNamespace(x=x())),
    "a dataclass as input": lambda: called(unknown_input, Batch(x())),
    "a mapping as input": lambda: called(mapping_input, UserDict(x=x())),
    "a dataclass as output": lambda: called(lambda m, x: Result(plain(m, x))),
    "a named tuple as output": lambda: called(lambda m, x: Outcome(plain(m, x), 3)),
    "an output of an unknown kind": lambda: called(lambda m, x: SimpleNamespace(y=plain(m, x))),
    "a cache in the output": lambda: called(with_cache),
    "a packed sequence as output": lambda: called(packed_output),
    "a loss": lambda: called(loss),
    "numpy reads a value": lambda: called(numpy_value),
    "numpy and back": lambda: called(numpy_round_trip),
    "numpy reshapes": lambda: called(reshaped_in_numpy),
    ".data": lambda: called(data),
    "set_": lambda: called(set_memory),
    "a packed sequence": lambda: called(
        packed_sequence, inner=nn.LSTM(WIDTH, WIDTH, batch_first=True)
    ),
    "autograd.grad inside": lambda: called(gradient_inside),
    "backward inside": lambda: called(backward_inside),
    "a batch norm in training": lambda: called(normalised, inner=nn.BatchNorm1d(WIDTH)),
    "func.grad inside": lambda: called(functional_gradient),
    "vmap": lambda: called(vmapped),
    "cond": lambda: called(cond),
    "while_loop": lambda: called(looped),
    "scan": lambda: called(scanned),
    "associative_scan": lambda: called(summed_up),
    "flex_attention": lambda: called(flexible_attention),
    "an autograd function": lambda: called(own_function),
    "a custom op": lambda: called(own_op),
    "in place, on views and buffers": lambda: called(in_place),
    "an input written to": lambda: called(writes_to_its_input),
    "a module moved inside": lambda: called(moved_inside),
    "noise, lists and counters": lambda: called(keeps),
    "a decoder with a mask": lambda: called(masked_decoder, inner=decoder()),
    "data parallel": lambda: Situation(nn.DataParallel(Net(plain)), (x(),), {}),
    "compiled": lambda: Situation(torch.compile(Net(plain)), (x(),), {}),  # type: ignore[arg-type]
    "compiled inside": compiled_inside,
    "scripted": lambda: Situation(torch.jit.script(Bare()), (x(),), {}),
    "traced": lambda: Situation(traced(), (x(),), {}),
}  # fmt: skip

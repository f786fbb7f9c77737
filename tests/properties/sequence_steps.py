"""Steps over sequences ``b t d``: what people write between an embedding and a readout."""

from collections.abc import Callable, Sequence  # noqa: TC003 - of local annotations
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from tests.properties.programs import Scope, Step
from tests.properties.spellings import attend, split, unflatten


def heads_of(scope: Scope, x: Tensor) -> Tensor:
    """``b t (h e) -> b h t e``."""
    return unflatten(x, -1, (-1, scope.sizes.head)).transpose(1, 2)


def merged(x: Tensor) -> Tensor:
    """``b h t e -> b t (h e)``."""
    return x.transpose(1, 2).flatten(2)


def linear(scope: Scope, x: Tensor) -> Tensor:
    return scope.linear("only", x, x.shape[-1]).tanh()


def transposed(scope: Scope, x: Tensor) -> Tensor:
    """Stored as (in, out)."""
    width = x.shape[-1]
    return (x @ scope.weight("only", width, width, contracts=(0,))).relu()


def mlp(scope: Scope, x: Tensor) -> Tensor:
    h = functional.gelu(scope.linear("up", x, scope.sizes.inner))
    return x + scope.linear("down", h, x.shape[-1])


def attention(scope: Scope, x: Tensor) -> Tensor:
    width = x.shape[-1]
    q, k, v = (heads_of(scope, scope.linear(name, x, width)) for name in "qkv")
    return x + scope.linear("out", merged(attend(scope.spelling, q, k, v)), width)


def fused(scope: Scope, x: Tensor, cut: str) -> Tensor:
    """Query, key and value as one product."""
    width = n = x.shape[-1]
    y = scope.linear("qkv", x, 3 * width, cuts=(width, width, width))
    ways: dict[str, Callable[[], Sequence[Tensor]]] = {
        "chunk": lambda: y.chunk(3, -1),
        "split": lambda: split(y, width),
        "list": lambda: split(y, [n, n, n]),
        "slices": lambda: (y[..., :n], y[..., n : 2 * n], y[..., 2 * n :]),
        "narrow": lambda: tuple(y.narrow(-1, i * n, n) for i in range(3)),
        "unbind": lambda: unflatten(y, -1, (3, n)).unbind(-2),
        "select": lambda: tuple(unflatten(y, -1, (3, n))[..., i, :] for i in range(3)),
        "nested": lambda: (y[..., :n], *y[..., n:].chunk(2, -1)),
        "tail": lambda: (y[..., :n], y[..., n:][..., :n], y[..., n:][..., n:]),
        "tensor_split": lambda: y.tensor_split(3, -1),
    }
    q, k, v = (heads_of(scope, part) for part in ways[cut]())
    return x + scope.linear("out", merged(attend(scope.spelling, q, k, v)), width)


CUTS = (
    "chunk", "split", "list", "slices", "narrow", "unbind", "select", "nested", "tail",
    "tensor_split",
)  # fmt: skip


def fused_by_head(scope: Scope, x: Tensor) -> Tensor:
    """Query, key and value of one head beside each other."""
    width, head = x.shape[-1], scope.sizes.head
    y = unflatten(scope.linear("qkv", x, 3 * width), -1, (-1, 3 * head)).transpose(1, 2)
    q, k, v = y.chunk(3, -1)
    return x + scope.linear("out", merged(attend(scope.spelling, q, k, v)), width)


def grouped(scope: Scope, x: Tensor, cut: str) -> Tensor:
    """Twice as many queries as keys, in one product of unequal parts."""
    width, head = x.shape[-1], scope.sizes.head
    lengths = [2 * width, width, width]
    y = scope.linear("qkv", x, sum(lengths), cuts=lengths)
    if cut == "split":
        q, k, v = split(y, lengths)
    elif cut == "slices":
        q, k, v = y[..., : 2 * width], y[..., 2 * width : 3 * width], y[..., 3 * width :]
    else:
        q, kv = y[..., : 2 * width], y[..., 2 * width :]
        k, v = split(kv, [width, width])
    q, k, v = (heads_of(scope, part) for part in (q, k, v))
    k, v = (part.repeat_interleave(2, dim=1) for part in (k, v))
    mixed = merged(attend(scope.spelling, q, k, v))
    assert mixed.shape[-1] == 2 * width == 2 * scope.sizes.heads * head
    return x + scope.linear("out", mixed, width)


def one_key(scope: Scope, x: Tensor) -> Tensor:
    """Many queries, one key and value: rows ``d + 2 e``."""
    width, head = x.shape[-1], scope.sizes.head
    y = scope.linear("qkv", x, width + 2 * head, cuts=(width, head, head))
    q, k, v = split(y, [width, head, head])
    k, v = (part.unsqueeze(1) for part in (k, v))
    return x + scope.linear("out", merged(attend(scope.spelling, heads_of(scope, q), k, v)), width)


def gated(scope: Scope, x: Tensor, cut: str) -> Tensor:
    """An MLP whose two first products are one."""
    inner = scope.sizes.inner
    y = scope.linear("gate_up", x, 2 * inner, cuts=() if cut == "interleaved" else (inner, inner))
    if cut == "glu":
        h = functional.glu(y)
    else:
        ways: dict[str, Callable[[], Sequence[Tensor]]] = {
            "chunk": lambda: y.chunk(2, -1),
            "slices": lambda: (y[..., :inner], y[..., inner:]),
            "unbind": lambda: unflatten(y, -1, (2, inner)).unbind(-2),
            "interleaved": lambda: (y[..., ::2], y[..., 1::2]),
        }
        gate, up = ways[cut]()
        h = functional.silu(gate) * up
    return x + scope.linear("down", h, x.shape[-1])


def separate_gate(scope: Scope, x: Tensor) -> Tensor:
    inner = scope.sizes.inner
    h = scope.linear("gate", x, inner).sigmoid() * scope.linear("up", x, inner)
    return x + scope.linear("down", h, x.shape[-1])


def state_space(scope: Scope, x: Tensor, cut: str) -> Tensor:
    """Gate, values, two states and a step a head, of one product, as Mamba-2 has them."""
    sizes, width = scope.sizes, x.shape[-1]
    lengths = [width, width, sizes.state, sizes.state, sizes.heads]
    y = scope.linear("in_proj", x, sum(lengths), cuts=lengths)
    if cut == "split":
        z, u, b, c, dt = split(y, lengths)
    else:
        z, ubc, dt = split(y, [width, width + 2 * sizes.state, sizes.heads])
        kernel = scope.weight(
            "conv", ubc.shape[-1], 1, sizes.kernel, contracts=(1, 2),
            cuts={0: (width, sizes.state, sizes.state)},
        )  # fmt: skip
        padded = functional.pad(ubc.mT, (sizes.kernel - 1, 0))
        ubc = functional.conv1d(padded, kernel, groups=ubc.shape[-1]).mT
        u, b, c = split(ubc, [width, sizes.state, sizes.state])
    dt = functional.softplus(dt + scope.weight("dt_bias", sizes.heads))
    u = unflatten(u, -1, (sizes.heads, -1)) * dt[..., None]
    mixed = torch.einsum("btn,bsn,bshp->bthp", c, b, u)
    mixed = mixed + u * scope.weight("skip", sizes.heads)[:, None]
    return x + scope.linear("out", mixed.flatten(2) * functional.silu(z), width)


def latent(scope: Scope, x: Tensor) -> Tensor:
    """Keys and values through a rank, beside a part of its own, as MLA has them."""
    sizes, width = scope.sizes, x.shape[-1]
    a = scope.linear("kv_a", x, sizes.rank + sizes.head, cuts=(sizes.rank, sizes.head))
    low, turned = split(a, [sizes.rank, sizes.head])
    low = functional.rms_norm(low, (sizes.rank,), scope.weight("norm", sizes.rank))
    kv = unflatten(scope.linear("kv_b", low, 2 * width), -1, (-1, 2 * sizes.head)).transpose(1, 2)
    k, v = kv.chunk(2, -1)
    turned = turned.unsqueeze(1).expand(-1, k.shape[1], -1, -1)
    q = unflatten(scope.linear("q", x, 2 * width), -1, (-1, 2 * sizes.head)).transpose(1, 2)
    mixed = attend(scope.spelling, q, torch.cat([k, turned], -1), v)
    return x + scope.linear("out", merged(mixed), width)


def widened(scope: Scope, x: Tensor, how: str) -> Tensor:
    """Width beside a few features: ``d + 5``."""
    sizes, width = scope.sizes, x.shape[-1]
    if how == "cat":
        extra = torch.linspace(0, 1, sizes.features).expand(*x.shape[:-1], -1)
        y = torch.cat([x, extra], -1)
    else:
        y = functional.pad(x, (0, sizes.features))
    return scope.linear("mix", y, width).tanh()


def joined(scope: Scope, x: Tensor) -> Tensor:
    """Two branches beside each other."""
    y = torch.cat([scope.linear("left", x, scope.sizes.inner).relu(), x.tanh()], -1)
    return x + scope.linear("mix", y, x.shape[-1])


def low_rank(scope: Scope, x: Tensor) -> Tensor:
    width, rank = x.shape[-1], scope.sizes.rank
    return x + scope.linear("b", scope.linear("a", x, rank), width).relu()


def adapted(scope: Scope, x: Tensor) -> Tensor:
    """A weight and a low-rank change of it, added before the product."""
    width, rank = x.shape[-1], scope.sizes.rank
    w = scope.weight("w", width, width, contracts=(1,))
    b = scope.weight("b", width, rank, contracts=(1,))
    a = scope.weight("a", rank, width, contracts=(1,))
    return functional.linear(x, w + b @ a).tanh()


def factored(scope: Scope, x: Tensor) -> Tensor:
    """Two weights multiplied before anything meets them."""
    width, inner = x.shape[-1], scope.sizes.inner
    left = scope.weight("left", width, inner, contracts=(1,))
    return (x @ (left @ scope.weight("right", inner, width, contracts=(1,))).t()).tanh()


def masked(scope: Scope, x: Tensor) -> Tensor:
    width = x.shape[-1]
    w = scope.weight("w", width, width, contracts=(1,))
    return functional.linear(x, w * torch.ones(width, width).tril()).tanh()


def normalised(scope: Scope, x: Tensor) -> Tensor:
    """Rows of unit length times a gain, as weight norm makes them."""
    width = x.shape[-1]
    w = scope.weight("v", width, width, contracts=(1,))
    g = scope.weight("g", width, 1)
    return functional.linear(x, g * w / w.norm(dim=1, keepdim=True)).tanh()


def joined_weights(scope: Scope, x: Tensor) -> Tensor:
    """Weights put together before the product, taken apart after."""
    width, inner = x.shape[-1], scope.sizes.inner
    w = torch.cat([
        scope.weight("gate", inner, width, contracts=(1,)),
        scope.weight("up", inner, width, contracts=(1,)),
    ])  # fmt: skip
    gate, up = split(functional.linear(x, w), [inner, inner])
    return x + scope.linear("down", gate.sigmoid() * up, width)


def cut_weight(scope: Scope, x: Tensor) -> Tensor:
    """One weight taken apart before the products."""
    width, inner = x.shape[-1], scope.sizes.inner
    w = scope.weight("gate_up", 2 * inner, width, contracts=(1,), cuts={0: (inner, inner)})
    h = functional.linear(x, w[:inner]).sigmoid() * functional.linear(x, w[inner:])
    return x + scope.linear("down", h, width)


def by_head(scope: Scope, x: Tensor) -> Tensor:
    """Attention's weights with heads and head size apart."""
    sizes, width = scope.sizes, x.shape[-1]
    shape = (sizes.heads, sizes.head, width)
    q, k, v = (
        torch.einsum("btd,hed->bhte", x, scope.weight(name, *shape, contracts=(2,)))
        for name in "qkv"
    )
    out = scope.weight("out", sizes.heads, sizes.head, width, contracts=(0, 1))
    return x + torch.einsum("bhte,hed->btd", attend(scope.spelling, q, k, v), out)


def gain(scope: Scope, x: Tensor) -> Tensor:
    return x * scope.weight("gain", x.shape[-1]) + scope.weight("shift", x.shape[-1])


def positions(scope: Scope, x: Tensor) -> Tensor:
    return x + scope.weight("table", x.shape[1], x.shape[2])


def longer_positions(scope: Scope, x: Tensor) -> Tensor:
    return x + scope.weight("table", 2 * x.shape[1], x.shape[2])[: x.shape[1]]


def layer_norm(scope: Scope, x: Tensor) -> Tensor:
    n = x.shape[-1]
    return functional.layer_norm(x, (n,), scope.weight("gain", n), scope.weight("shift", n))


def norm_by_hand(scope: Scope, x: Tensor) -> Tensor:
    scale = (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt()
    return x * scale * scope.weight("gain", x.shape[-1])


def group_norm(scope: Scope, x: Tensor) -> Tensor:
    n = x.shape[-1]
    return functional.group_norm(x.mT, 2, scope.weight("gain", n), scope.weight("shift", n)).mT


def convolution(scope: Scope, x: Tensor) -> Tensor:
    n, k = x.shape[-1], scope.sizes.kernel
    w = scope.weight("w", n, n, k, contracts=(1, 2))
    return functional.conv1d(x.mT, w, scope.weight("b", n), padding="same").mT.relu()


def depthwise(scope: Scope, x: Tensor) -> Tensor:
    n, k = x.shape[-1], scope.sizes.kernel
    w = scope.weight("w", n, 1, k, contracts=(1, 2))
    return x + functional.conv1d(x.mT, w, groups=n, padding="same").mT


def grouped_convolution(scope: Scope, x: Tensor) -> Tensor:
    """A fixed number of groups."""
    n, k = x.shape[-1], scope.sizes.kernel
    w = scope.weight("w", n, n // 2, k, contracts=(1, 2))
    return functional.conv1d(x.mT, w, groups=2, padding="same").mT.relu()


def windows(scope: Scope, x: Tensor) -> Tensor:
    """Attention inside windows, shifted by one."""
    batch, length, width = x.shape
    window = scope.sizes.window
    y = x.roll(-1, 1).view(batch, length // window, window, width).flatten(0, 1)
    q, k, v = (heads_of(scope, scope.linear(name, y, width)) for name in "qkv")
    mixed = merged(attend(scope.spelling, q, k, v))
    mixed = mixed.view(batch, length // window, window, width).flatten(1, 2).roll(1, 1)
    return x + scope.linear("out", mixed, width)


def shuffled(scope: Scope, x: Tensor) -> Tensor:
    """Channels of two groups taken in turns."""
    y = unflatten(x, -1, (2, -1)).transpose(-1, -2).flatten(-2)
    return scope.linear("after", y, x.shape[-1]).tanh()


def shuffled_residual(scope: Scope, x: Tensor) -> Tensor:
    """The same, added to what it was."""
    y = unflatten(x, -1, (2, -1)).transpose(-1, -2).flatten(-2)
    return x + y * scope.weight("gain", x.shape[-1])


def permuted(scope: Scope, x: Tensor, how: str) -> Tensor:
    """Channels in another order, positions too."""
    order = torch.arange(x.shape[-1]).flip(0)
    back = torch.arange(x.shape[1]).flip(0)
    if how == "index":
        y = x[..., order][:, back]
    else:
        y = x.index_select(-1, order).index_select(1, back)
    return x + scope.linear("after", y, x.shape[-1]).tanh()


def gathered(scope: Scope, x: Tensor) -> Tensor:
    """Positions chosen by their score."""
    score = scope.linear("score", x, 1)
    best = score.squeeze(-1).argsort(-1)
    y = torch.gather(x, 1, best[..., None].expand(-1, -1, x.shape[-1]))
    return x + y * score.sigmoid()


def pooled(scope: Scope, x: Tensor) -> Tensor:
    return x + scope.linear("mix", x.mean(1, keepdim=True), x.shape[-1]).tanh()


def flattened(scope: Scope, x: Tensor) -> Tensor:
    """All positions contracted at once."""
    return x + scope.linear("mix", x.flatten(1), x.shape[-1]).tanh().unsqueeze(1)


def token_mixing(scope: Scope, x: Tensor) -> Tensor:
    return x + scope.linear("mix", x.mT, x.shape[1]).mT


def experts(scope: Scope, x: Tensor) -> Tensor:
    """Every expert, weighted."""
    count, inner, width = scope.sizes.experts, scope.sizes.inner, x.shape[-1]
    chosen = scope.linear("router", x, count).softmax(-1)
    up = scope.weight("up", count, inner, width, contracts=(2,))
    down = scope.weight("down", count, width, inner, contracts=(0, 2))  # both are summed
    h = torch.einsum("btd,efd->btef", x, up).relu()
    return x + (torch.einsum("btef,edf->bted", h, down) * chosen[..., None]).sum(2)


def twice(scope: Scope, x: Tensor) -> Tensor:
    """The same layer two times."""
    for _ in range(2):
        x = x + scope.linear("again", x, x.shape[-1]).tanh()
    return x


def scalar_gate(scope: Scope, x: Tensor) -> Tensor:
    return x * scope.linear("gate", x, 1).sigmoid()


def recurrent(scope: Scope, x: Tensor) -> Tensor:
    """A cell over the first positions."""
    state = torch.zeros_like(x[:, 0])
    for i in range(2):
        state = (
            scope.linear("x", x[:, i], x.shape[-1]) + scope.linear("h", state, x.shape[-1])
        ).tanh()
    return x + state.unsqueeze(1)


def rotated(scope: Scope, x: Tensor) -> Tensor:
    """Attention with queries and keys turned by halves."""
    width, head = x.shape[-1], scope.sizes.head
    angle = torch.outer(torch.arange(x.shape[1]), torch.arange(head // 2)).repeat(1, 2)

    def turn(y: Tensor) -> Tensor:
        half = y.shape[-1] // 2
        swapped = torch.cat([-y[..., half:], y[..., :half]], -1)
        return y * angle.cos() + swapped * angle.sin()

    q, k, v = (heads_of(scope, scope.linear(name, x, width)) for name in "qkv")
    return x + scope.linear("out", merged(attend(scope.spelling, turn(q), turn(k), v)), width)


def class_token(scope: Scope, x: Tensor) -> Tensor:
    """A learned first position, attended to and dropped."""
    width = x.shape[-1]
    token = scope.weight("token", 1, 1, width).expand(len(x), -1, -1)
    y = torch.cat([token, x], 1)
    q, k, v = (heads_of(scope, scope.linear(name, y, width)) for name in "qkv")
    return x + scope.linear("out", merged(attend(scope.spelling, q, k, v)), width)[:, 1:]


def decay_by_head(scope: Scope, x: Tensor) -> Tensor:
    """One number a head."""
    decay = scope.weight("log", scope.sizes.heads).exp()
    return (unflatten(x, -1, (scope.sizes.heads, -1)) * decay[:, None]).flatten(2)


STEPS: dict[str, Step] = {
    "linear": linear,
    "transposed": transposed,
    "mlp": mlp,
    "attention": attention,
    **{f"fused {cut}": partial(fused, cut=cut) for cut in CUTS},
    "fused by head": fused_by_head,
    **{f"grouped {cut}": partial(grouped, cut=cut) for cut in ("split", "slices", "nested")},
    "one key": one_key,
    **{
        f"gated {cut}": partial(gated, cut=cut)
        for cut in ("chunk", "slices", "unbind", "interleaved", "glu")
    },
    "separate gate": separate_gate,
    **{f"state space {cut}": partial(state_space, cut=cut) for cut in ("split", "nested")},
    "latent": latent,
    **{f"widened {how}": partial(widened, how=how) for how in ("cat", "pad")},
    "joined": joined,
    "low rank": low_rank,
    "adapted": adapted,
    "factored": factored,
    "masked": masked,
    "normalised": normalised,
    "joined weights": joined_weights,
    "cut weight": cut_weight,
    "by head": by_head,
    "gain": gain,
    "positions": positions,
    "longer positions": longer_positions,
    "layer norm": layer_norm,
    "norm by hand": norm_by_hand,
    "group norm": group_norm,
    "convolution": convolution,
    "depthwise": depthwise,
    "grouped convolution": grouped_convolution,
    "windows": windows,
    "shuffled": shuffled,
    "shuffled residual": shuffled_residual,
    **{f"permuted {how}": partial(permuted, how=how) for how in ("index", "select")},
    "gathered": gathered,
    "pooled": pooled,
    "flattened": flattened,
    "token mixing": token_mixing,
    "experts": experts,
    "twice": twice,
    "scalar gate": scalar_gate,
    "recurrent": recurrent,
    "rotated": rotated,
    "class token": class_token,
    "decay by head": decay_by_head,
}

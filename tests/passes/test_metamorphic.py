"""What must not matter: names, spellings of the same computation, sizes that agree by accident.

A model is described by what its axes are, class names aside, and compared with itself rewritten.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import pytest
import torch
from torch import nn
from torch.nn import functional

import mupfx
from mupfx.core.analysis import Analysis

Tensor = torch.Tensor
Linear = Callable[[Tensor, Tensor, Tensor], Tensor]
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
Split = Callable[[Tensor, int], Sequence[Tensor]]
aten = torch.ops.aten
HEADS, SIZE, INNER, VOCABULARY, CLASSES = 3, 4, 20, 17, 7


def by_parts(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return (x[..., None, :] * w).sum(-1) + b


def as_addmm(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return torch.addmm(b, x.flatten(0, 1), w.t()).view(*x.shape[:2], w.shape[0])


def as_bmm(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return torch.bmm(x, w.t().expand(x.shape[0], -1, -1)) + b


LINEARS: dict[str, Linear] = {
    "linear": functional.linear,
    "matmul": lambda x, w, b: x @ w.t() + b,
    "matmul, bias first": lambda x, w, b: b + torch.matmul(x, w.mT),
    "einsum": lambda x, w, b: torch.einsum("bti,oi->bto", x, w) + b,
    "einsum, dots": lambda x, w, b: torch.einsum("...i,oi->...o", x, w) + b,
    "addmm": as_addmm,
    "bmm": as_bmm,
    "by parts": by_parts,
    "convolution": lambda x, w, b: functional.conv1d(x.mT, w[..., None], b).mT,
    "bias apart": lambda x, w, b: functional.linear(x, w) + b,
}


def written_out(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) @ v


def as_einsum(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    weights = torch.einsum("bhte,bhse->bhts", q * q.shape[-1] ** -0.5, k).softmax(-1)
    return torch.einsum("bhts,bhse->bhte", weights, v)


def head_by_head(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    flat = [x.flatten(0, 1) for x in (q, k, v)]
    logits = torch.bmm(flat[0], flat[1].mT) / q.shape[-1] ** 0.5
    return torch.bmm(logits.softmax(-1), flat[2]).view_as(q)


ATTENTIONS: dict[str, Attend] = {
    "fused": functional.scaled_dot_product_attention,
    "written out": written_out,
    "einsum": as_einsum,
    "bmm": head_by_head,
}

SPLITS: dict[str, Split] = {
    "chunk": lambda x, _: x.chunk(3, -1),
    "split": lambda x, n: aten.split.Tensor(x, n, -1),
    "unbind": lambda x, n: x.view(*x.shape[:-1], 3, n).unbind(-2),
    "tensor_split": lambda x, _: x.tensor_split(3, -1),
    "permuted": lambda x, n: tuple(x.view(*x.shape[:2], 3, n).permute(2, 0, 1, 3)),
    "sizes": lambda x, n: aten.split.sizes(x, [n, n, n], -1),
    "slices": lambda x, n: (x[..., :n], x[..., n : 2 * n], x[..., 2 * n :]),
    "narrow": lambda x, n: (x.narrow(-1, 0, n), x.narrow(-1, n, n), x.narrow(-1, 2 * n, n)),
}


class Block(nn.Module):
    """One layer of a transformer; every computation can be spelled differently."""

    def __init__(
        self,
        *,
        linear: str = "linear",
        attend: str = "fused",
        split: str = "chunk",
        sizes: tuple[int, int, int] = (HEADS, SIZE, INNER),
    ) -> None:
        super().__init__()
        self.spelling = (LINEARS[linear], ATTENTIONS[attend], SPLITS[split])
        self.heads = sizes[0]
        self.width = width = sizes[0] * sizes[1]
        self.table = nn.Embedding(VOCABULARY, width)
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mix, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, sizes[2]), nn.Linear(sizes[2], width)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, ids: Tensor) -> Tensor:
        linear, attend, split = self.spelling
        x: Tensor = self.table(ids)
        parts = split(linear(self.first(x), self.mix.weight, self.mix.bias), self.width)
        q, k, v = (p.view(2, 5, self.heads, -1).transpose(1, 2) for p in parts)
        mixed = attend(q, k, v).transpose(1, 2).flatten(2)
        x = x + linear(mixed, self.out.weight, self.out.bias)
        h = functional.gelu(linear(self.second(x), self.up.weight, self.up.bias))
        x = x + linear(h, self.down.weight, self.down.bias)
        return linear(x, self.head.weight, self.head.bias)


def ids() -> Tensor:
    return torch.arange(10).reshape(2, 5) % VOCABULARY


Description = dict[str, object]


def describe(found: Analysis, *, axes: bool = True) -> Description:
    """Parameters by what they are; classes by the order in which parameters show them."""
    numbers: dict[str, int] = {}
    rows: Description = {}
    for name, role in found.roles.items():
        shown = [[numbers.setdefault(c, len(numbers)) for c in dim] for dim in role.axes]
        kinds = [[str(found.axes.classes[c].kind) for c in dim] for dim in role.axes]
        rows[name] = (
            str(role.role), role.fan_in, role.fan_out, (shown, kinds) if axes else None,
            dict(found.streams.parameters).get(name),
        )  # fmt: skip
    rows["streams"] = [(s.depth, s.block_depth) for s in found.streams.streams]
    rows["sites"] = [(str(s.kind), round(s.scale, 9)) for s in found.sites]
    return rows


@pytest.fixture(scope="module")
def plain() -> Analysis:
    return mupfx.analyze(Block(), ids())


@pytest.mark.parametrize("name", LINEARS)
def test_a_linear_layer_is_one_however_it_is_spelled(name: str, plain: Analysis) -> None:
    found = mupfx.analyze(Block(linear=name), ids())
    assert describe(found) == describe(plain)


@pytest.mark.parametrize("name", ATTENTIONS)
def test_attention_is_one_however_it_is_spelled(name: str, plain: Analysis) -> None:
    found = mupfx.analyze(Block(attend=name), ids())
    assert describe(found) == describe(plain)


@pytest.mark.parametrize("name", SPLITS)
def test_a_fused_projection_is_one_however_it_is_cut(name: str, plain: Analysis) -> None:
    """Slices do not say that the pieces are equal, so only what follows from the cut is compared."""
    found = mupfx.analyze(Block(split=name), ids())
    sliced = name in ("slices", "narrow", "sizes")
    assert describe(found, axes=not sliced) == describe(plain, axes=not sliced)


@pytest.mark.parametrize("form", ["model", "width", "sizes"])
def test_numbers_do_not_depend_on_the_cut(form: str) -> None:
    """The plan, from a base of half the width: what every way of cutting gives."""
    plans = []
    for name in SPLITS:
        torch.manual_seed(0)
        model = Block(split=name, sizes=(6, 4, 40))
        forms: dict[str, Any] = {"model": Block(split=name), "width": 12, "sizes": {"width": 12}}
        mupfx.convert(model, ids(), base=forms[form])
        rows = mupfx.plan(model).parameters.values()
        plans.append([(r.name, str(r.role), r.fan_in_ratio, r.fan_out_ratio) for r in rows])
    assert all(plan == plans[0] for plan in plans)


class Renamed(nn.Module):
    """The same modules under names that mean something else."""

    NAMES: ClassVar[Mapping[str, str]] = MappingProxyType({
        "table": "lm_head", "first": "embedding", "mix": "out_proj", "out": "q_proj",
        "second": "weight", "up": "norm", "down": "bias_", "head": "wte",
    })  # fmt: skip

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.spelling, self.heads, self.width = block.spelling, block.heads, block.width
        for name, child in block.named_children():
            setattr(self, self.NAMES[name], child)

    def __getattr__(self, name: str) -> Tensor | nn.Module:
        return super().__getattr__(self.NAMES.get(name, name))

    def forward(self, ids: Tensor) -> Tensor:
        return Block.forward(self, ids)  # type: ignore[arg-type]


def test_names_mean_nothing(plain: Analysis) -> None:
    found = describe(mupfx.analyze(Renamed(Block()), ids()))
    back = {new: old for old, new in Renamed.NAMES.items()}
    renamed: Description = {}
    for name, row in found.items():
        first, dot, rest = name.partition(".")
        renamed[back.get(first, first) + dot + rest] = row
    assert renamed == describe(plain)


COINCIDENCES = [
    (4, 4, INNER),  # as many heads as a head is long
    (HEADS, SIZE, 3 * HEADS * SIZE),  # an MLP as wide as the fused projection
    (HEADS, SIZE, HEADS * SIZE),  # one as wide as the stream
    (HEADS, 7, INNER),  # heads as long as there are classes
    (HEADS, 5, INNER),  # heads as long as the sequence
    (2, 5, INNER),  # as many heads as examples
    (1, 17, INNER),  # a stream as wide as the vocabulary, one head
]


@pytest.mark.parametrize("sizes", COINCIDENCES, ids=str)
def test_equal_sizes_are_not_equal_axes(sizes: tuple[int, int, int], plain: Analysis) -> None:
    found = mupfx.analyze(Block(sizes=sizes), ids())
    ours, theirs = describe(found), describe(plain)
    if sizes[0] == 1:  # a head alone leaves no factor
        ours, theirs = describe(found, axes=False), describe(plain, axes=False)
    for rows in (ours, theirs):
        rows["sites"] = len(found.sites)
    assert ours == theirs

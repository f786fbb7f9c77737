"""Attention logits fall as 1 / head_dim from the base on, however the model writes its scale.

Only the head size grows here, so that the projections keep their values and the logits can be
computed by hand from what was there before.
"""

import copy
import math
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

import mupfx
from mupfx.core.plan import Plan

BASE, SIZE, HEADS, FEATURES = 4, 16, 2, 5
Tensor = torch.Tensor


def rotate(x: Tensor) -> Tensor:
    """Rotary positions, as everybody writes them."""
    half = x.shape[-1] // 2
    angles = torch.arange(x.shape[-2])[:, None] / 10.0 ** torch.arange(half)
    both = torch.cat((angles, angles), -1).to(x.dtype)
    turned = torch.cat((-x[..., half:], x[..., :half]), -1)
    return x * both.cos() + turned * both.sin()


class Attention(nn.Module):
    """One attention layer on plain features; ``way`` computes what the values are mixed by."""

    scale_buffer: Tensor

    def __init__(self, head_dim: int, way: "Way") -> None:
        super().__init__()
        self.way = way
        self.head_dim = head_dim
        self.scale = head_dim**-0.5
        self.register_buffer("scale_buffer", torch.tensor(head_dim**-0.5, dtype=torch.float64))
        self.query, self.key, self.value = (nn.Linear(FEATURES, HEADS * head_dim) for _ in range(3))
        self.out = nn.Linear(HEADS * head_dim, 3)

    def split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], HEADS, self.head_dim).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        mixed = self.way(self, q, k, v, x)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


Way = Callable[[Attention, Tensor, Tensor, Tensor, Tensor], Tensor]


def dots(q: Tensor, k: Tensor) -> Tensor:
    return q @ k.transpose(-1, -2)


def sdpa(q: Tensor, k: Tensor, v: Tensor, scale: float | None = None) -> Tensor:
    return functional.scaled_dot_product_attention(q, k, v, scale=scale)


def past(x: Tensor) -> Tensor:
    return torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)


def batched(m: Attention, q: Tensor, k: Tensor, v: Tensor, *, added: bool) -> Tensor:
    flat = q.flatten(0, 1), k.flatten(0, 1).transpose(1, 2)
    if added:
        start = torch.zeros(1, 1, k.shape[2], dtype=q.dtype)
        logits = torch.baddbmm(start, *flat, alpha=m.scale)
    else:
        logits = torch.bmm(*flat) * m.scale
    return (logits.softmax(-1) @ v.flatten(0, 1)).view_as(q)


def in_place(m: Attention, q: Tensor, k: Tensor, v: Tensor, x: Tensor) -> Tensor:
    logits = dots(q, k)
    logits *= m.scale
    logits.masked_fill_(past(x), -1e9)
    return logits.softmax(-1) @ v


HALF, WHOLE, NONE = -0.5, -1.0, 0.0

WAYS: dict[str, tuple[float, Way]] = {
    "fused": (HALF, lambda _, q, k, v, __: sdpa(q, k, v)),
    "fused, scale": (HALF, lambda m, q, k, v, _: sdpa(q, k, v, m.scale)),
    "fused, 1/d": (WHOLE, lambda m, q, k, v, _: sdpa(q, k, v, 1 / m.head_dim)),
    "fused, one": (NONE, lambda _, q, k, v, __: sdpa(q, k, v, 1.0)),
    "fused, q scaled too": (WHOLE, lambda m, q, k, v, _: sdpa(q * m.scale, k, v)),
    "divided": (HALF, lambda m, q, k, v, _: (dots(q, k) / math.sqrt(m.head_dim)).softmax(-1) @ v),
    "multiplied": (HALF, lambda m, q, k, v, _: (m.scale * dots(q, k)).softmax(-1) @ v),
    "by d": (WHOLE, lambda m, q, k, v, _: (dots(q, k) / m.head_dim).softmax(-1) @ v),
    "no scale": (NONE, lambda _, q, k, v, __: dots(q, k).softmax(-1) @ v),
    "q before": (HALF, lambda m, q, k, v, _: dots(q * m.scale, k).softmax(-1) @ v),
    "k before": (HALF, lambda m, q, k, v, _: dots(q, k / m.head_dim**0.5).softmax(-1) @ v),
    "both before": (
        HALF,
        lambda m, q, k, v, _: dots(q * m.scale**0.5, k * m.scale**0.5).softmax(-1) @ v,
    ),
    "before the heads": (
        HALF,
        lambda m, _, k, v, x: dots(m.split(m.query(x) * m.scale), k).softmax(-1) @ v,
    ),
    "q before rotation": (
        HALF,
        lambda m, q, k, v, _: dots(rotate(q * m.scale), rotate(k)).softmax(-1) @ v,
    ),
    "rotated, fused": (HALF, lambda _, q, k, v, __: sdpa(rotate(q), rotate(k), v)),
    "einsum": (
        HALF,
        lambda m, q, k, v, _: torch.einsum(
            "bhts,bhsd->bhtd", (torch.einsum("bhtd,bhsd->bhts", q, k) * m.scale).softmax(-1), v
        ),
    ),
    "bmm": (HALF, lambda m, q, k, v, _: batched(m, q, k, v, added=False)),
    "baddbmm, alpha": (HALF, lambda m, q, k, v, _: batched(m, q, k, v, added=True)),
    "in place": (HALF, in_place),
    "masked_fill": (
        HALF,
        lambda m, q, k, v, x: (
            (dots(q, k) * m.scale).masked_fill(past(x), -math.inf).softmax(-1) @ v
        ),
    ),
    "masked, then scaled": (
        HALF,
        lambda m, q, k, v, x: (
            (dots(q, k).masked_fill(past(x), -math.inf) * m.scale).softmax(-1) @ v
        ),
    ),
    "where": (
        HALF,
        lambda m, q, k, v, x: (
            torch.where(past(x), -1e9, dots(q, k) * m.scale).softmax(-1) @ v
        ),
    ),
    "added mask": (
        HALF,
        lambda m, q, k, v, x: (
            (dots(q, k) * m.scale + past(x).to(q.dtype) * -1e9).softmax(-1) @ v
        ),
    ),
    "fused, mask": (
        HALF,
        lambda _, q, k, v, x: functional.scaled_dot_product_attention(q, k, v, ~past(x)),
    ),
    "constant tensor": (
        HALF,
        lambda m, q, k, v, _: (
            (dots(q, k) / torch.sqrt(torch.tensor(m.head_dim, dtype=q.dtype))).softmax(-1) @ v
        ),
    ),
    "full": (
        HALF,
        lambda m, q, k, v, _: (
            (dots(q, k) / torch.full([], m.head_dim**0.5, dtype=q.dtype)).softmax(-1) @ v
        ),
    ),
    "buffer": (HALF, lambda m, q, k, v, _: (dots(q, k) * m.scale_buffer).softmax(-1) @ v),
    "buffer first": (HALF, lambda m, q, k, v, _: (m.scale_buffer * dots(q, k)).softmax(-1) @ v),
    "soft cap": (
        HALF,
        lambda m, q, k, v, _: (
            (torch.tanh(dots(q, k) * m.scale / 50.0) * 50.0).softmax(-1) @ v
        ),
    ),
    "softmax in fp32": (
        HALF,
        lambda m, q, k, v, _: (
            (dots(q, k) * m.scale).softmax(-1, dtype=torch.float64).to(v.dtype) @ v
        ),
    ),
    "dropout": (
        HALF,
        lambda m, q, k, v, _: functional.dropout(
            (dots(q, k) * m.scale).softmax(-1), 0.1, training=False
        ) @ v,
    ),
}  # fmt: skip


def build(head_dim: int, way: Way) -> Attention:
    torch.manual_seed(0)
    return Attention(head_dim, way).double()


def inputs() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(2, 3, FEATURES, dtype=torch.float64)


def plan_of(way: Way, base: object) -> tuple[Attention, Attention, Plan]:
    """A model as built, the same converted, and its plan."""
    model = build(SIZE, way)
    plain = copy.deepcopy(model)
    mupfx.convert(model, inputs(), base=base)  # type: ignore[arg-type]
    return plain, model, mupfx.plan(model)


def by_hand(plain: Attention, readout: nn.Linear, factor: float) -> Tensor:
    """The model with ``factor`` more on the logits, whatever they are scaled by."""
    queries = copy.deepcopy(plain)
    with torch.no_grad():
        queries.query.weight.mul_(factor)
        queries.query.bias.mul_(factor)
        queries.out.load_state_dict(readout.state_dict())
    result: Tensor = queries(inputs())
    return result


def check(name: str, base: object) -> None:
    exponent, way = WAYS[name]
    plain, model, plan = plan_of(way, base)
    ratio = SIZE / BASE
    missing = ratio**-1 / ratio**exponent  # from the scale in force to base / size
    torch.testing.assert_close(model(inputs()), by_hand(plain, model.out, missing))
    sites = [site for site in plan.sites.values() if site.kind == "attention"]
    assert [site.multiplier for site in sites] == pytest.approx([missing])
    if missing == 1:
        assert [site.lowering for site in sites] == ["none"]


@pytest.mark.parametrize("name", WAYS)
def test_logits_with_a_base_model(name: str) -> None:
    check(name, build(BASE, WAYS[name][1]))


READ_OFF = [
    "fused", "fused, 1/d", "no scale", "both before", "q before rotation", "buffer", "soft cap",
    "baddbmm, alpha",
]  # fmt: skip


@pytest.mark.parametrize("name", READ_OFF)
def test_logits_with_a_size(name: str) -> None:
    """The exponent is read off the scale in force: 1/4 of 16 is 1/sqrt(16)."""
    check(name, {"head_dim": BASE})


def by_layer(m: Attention, q: Tensor, k: Tensor, v: Tensor, _: Tensor) -> Tensor:
    """Scaled by the number of the layer too, as some models do."""
    mixed: Tensor = (dots(q, k) * m.scale / 3).softmax(-1) @ v
    return mixed


def test_a_scale_of_its_own_needs_the_base_model() -> None:
    plain, model, plan = plan_of(by_layer, build(BASE, by_layer))
    assert [site.multiplier for site in plan.sites.values()] == [0.5]
    torch.testing.assert_close(model(inputs()), by_hand(plain, model.out, 0.5))
    with pytest.raises(mupfx.BaseError, match=r"attention is scaled by 0\.0833333") as caught:
        plan_of(by_layer, {"head_dim": BASE})
    assert "give the base model itself" in str(caught.value)


def test_a_scale_of_its_own_may_stay_where_the_size_does() -> None:
    model = build(SIZE, by_layer)
    mupfx.convert(model, inputs(), base={"heads": 1})
    assert [site.multiplier for site in mupfx.plan(model).sites.values()] == [1]


def test_without_growth_nothing_is_multiplied() -> None:
    _, _, plan = plan_of(WAYS["fused"][1], build(SIZE, WAYS["fused"][1]))
    assert [(s.multiplier, s.lowering) for s in plan.sites.values()] == [(1.0, "none")]

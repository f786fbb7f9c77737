"""Fused attention: ``softmax(q k) v`` in one kernel, in either order of heads and length.

A layout is one letter a dimension, ``h`` for heads, ``l`` for length, ``e`` for the head's size::

    scaled_dot_product_attention   ... h l e     the heads before the length
    _flash_attention_forward       ... l h e     the length before the heads

Heads of keys may be fewer than those of queries: each is then shared by a group of them.
"""

from collections.abc import Sequence

import torch
from torch import fx

from mupfx.passes.axis_rules.call import Call
from mupfx.passes.axis_rules.contraction import contract, labels
from mupfx.passes.axis_rules.factors import Dim, Dims, fresh, mark, size_of
from mupfx.passes.axis_rules.tracker import REPEATED, Rules, Tracker

aten = torch.ops.aten

MASKS = ("attn_mask", "attn_bias", "bias")


def attention(tracker: Tracker, call: Call) -> Dims:
    """``softmax(q[..., h, l, e] k[..., h, s, e]) v[..., h, s, f]``; kv heads may be fewer."""
    return attend(tracker, call, "hle", (call["query"], call["key"], call["value"]))


def attention_kernel(tracker: Tracker, call: Call) -> list[Dims]:
    """The same for kernels that also return the logits' logarithmic sums, or the weights."""
    q, k = call.dims(call["query"]), call.dims(call["key"])
    out = attention(tracker, call)
    return [out, *_beside(call, [q[:-1], (*q[:-1], k[-2])])]


def attention_of_lengths(tracker: Tracker, call: Call) -> list[Dims]:
    """The same with the length before the heads, also of sequences that are put end to end."""
    q = call.dims(call["query"])
    out = attend(tracker, call, "lhe", (call["query"], call["key"], call["value"]))
    swapped = (*q[:-3], q[-2], q[-3])
    return [out, *_beside(call, [swapped])]


def _beside(call: Call, known: Sequence[Dims]) -> list[Dims]:
    """Axes of the other results: those known of as many, but lengths that are rounded up."""
    by_rank = {len(dims): dims for dims in known}
    return [
        tuple(
            dim if size_of(dim, size) == size else fresh(size)
            for dim, size in zip(by_rank[len(sizes)], sizes, strict=True)
        )
        if len(sizes) in by_rank
        else tuple(fresh(size) for size in sizes)
        for sizes in call.outs[1:]
    ]


def attend(
    tracker: Tracker, call: Call, layout: str, nodes: tuple[fx.Node, fx.Node, fx.Node]
) -> Dims:
    """Axes of the result of attention over operands of one layout."""
    q, k, v = nodes
    lead = labels(max(len(call.sizes(q)) - len(layout), 0))
    layout = lead + (layout if len(call.sizes(q)) > 2 else "le")
    given = {node: call.dims(node) for node in nodes}
    tracker.join(call, given[k][:-1], given[v][:-1])
    queries, keys = layout, layout.replace("l", "s")
    split = _grouped(tracker, call, layout, q, k)
    if split is not None:
        queries, given = layout.replace("h", "hg"), {**given, q: split}
    data = _learned(tracker, call, nodes)
    out = queries.replace("e", "s")
    contract(tracker, call, [(q, queries), (k, keys)], out, given, data=data)
    axes = dict(zip(layout, call.dims(q), strict=True))
    axes |= {"s": call.dims(k)[keys.index("s")]}
    _join_mask(tracker, call, q, [axes[x] for x in (*lead, *"hls") if x in axes])
    batch = [axes[x] or dim for x, dim in zip(lead, call.dims(k), strict=False)]
    return (*batch, *(axes[x] for x in layout[len(lead) : -1]), call.dims(v)[-1])


def _learned(tracker: Tracker, call: Call, nodes: Sequence[fx.Node]) -> list[fx.Node]:
    """Parameters in the place of queries, keys or values: learned tokens, not matrices.

    The scale of the logits accounts for the sum over their entries.
    """
    found = [node for node in dict.fromkeys(nodes) if tracker.is_weight(node)]
    for node in found:
        tracker.use(call, node)
    return found


def _grouped(tracker: Tracker, call: Call, layout: str, q: fx.Node, k: fx.Node) -> Dims | None:
    """The queries' axes with heads as ``keys' heads x group``; None where there are as many."""
    place = layout.find("h")
    if place < 0 or call["enable_gqa"] is False:
        return None
    heads, shared = call.sizes(q)[place], call.sizes(k)[place]
    if heads == shared:
        return None
    dims = call.dims(q)
    group = tuple(a // b for a, b in zip(heads, shared, strict=True))
    outer, inner = tracker.reshape(call, [dims[place]], [shared, group])
    tracker.join(call, [outer], [call.dims(k)[place]])
    mark(inner, REPEATED, call.node.name)
    return (*dims[:place], outer, inner, *dims[place + 1 :])


def _join_mask(tracker: Tracker, call: Call, q: fx.Node, logits: list[Dim]) -> None:
    mask = next((n for n in map(call.tensor, MASKS) if n is not None), None)
    if mask is None:
        return
    tracker.join(call, logits[::-1], call.dims(mask)[::-1])
    tracker.meet(call, [mask, q])


RULES: Rules = {
    aten.scaled_dot_product_attention: attention,
    **dict.fromkeys(
        (
            aten._scaled_dot_product_attention_math,
            aten._scaled_dot_product_attention_math_for_mps,
            aten._scaled_dot_product_cudnn_attention,
            aten._scaled_dot_product_efficient_attention,
            aten._scaled_dot_product_flash_attention,
            aten._scaled_dot_product_flash_attention_for_cpu,
            aten._scaled_dot_product_fused_attention_overrideable,
            aten._cudnn_attention_forward,
        ),
        attention_kernel,
    ),
    **dict.fromkeys(
        (aten._flash_attention_forward, aten._efficient_attention_forward), attention_of_lengths
    ),
}

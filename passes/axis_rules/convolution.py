"""Convolutions: channels are contracted, kernels are spatial, groups cut both channel axes."""

from collections.abc import Iterator

import torch
from torch import fx

from mupfx.core.vocabulary import Reason
from mupfx.passes.axis_rules.call import Call
from mupfx.passes.axis_rules.contraction import contract, labels
from mupfx.passes.axis_rules.factors import Dim, Dims, expand, fresh, is_one, mark
from mupfx.passes.axis_rules.tracker import CONTRACTED, MADE, Rules, Tracker

aten = torch.ops.aten


def convolution(tracker: Tracker, call: Call) -> Dims:
    """``y[n, o, ...] = x[n, i, ...] * w[o, i / groups, kernel]``; transposed, ``w[i, o, ...]``."""
    x, w = call["input"], call["weight"]
    kernel = call.dims(w)[2:]
    for dim in kernel:
        mark(dim, Reason.SPATIAL, f"kernel of {call.node.name}")
    turned = bool(call["transposed"]) or "transpose" in str(call.node.target)
    out = (_grouped if call["groups"] != 1 else _dense)(tracker, call, x, w, turned=turned)
    lead = call.dims(x)[: _channel(call)]
    _bias(tracker, call, w, out)
    return (*lead, out, *_positions(tracker, call, x, w))


def _positions(tracker: Tracker, call: Call, x: fx.Node, w: fx.Node) -> Iterator[Dim]:
    """Positions of the result; a kernel of one that leaves their number leaves the axis too.

    What slides along channels (an attention of neighbouring channels) makes as many of them.
    """
    extents = call.sizes(w)[2:]
    for i in range(-len(extents), 0):
        if is_one(extents[i]) and call.sizes(x)[i] == call.out[i]:
            yield call.dims(x)[i]
        else:
            made, before = fresh(call.out[i]), expand(call.dims(x)[i])
            if any(MADE in piece.factor.marks for piece in before):
                tracker.depends.append((before, made))
            else:
                mark(made, Reason.SPATIAL, f"positions of {call.node.name}")
            yield made


def _channel(call: Call) -> int:
    """Where the channels are: a batch axis before them may be missing."""
    return len(call.out) - len(call.sizes(call["weight"])) + 1


def _dense(tracker: Tracker, call: Call, x: fx.Node, w: fx.Node, *, turned: bool) -> Dim:
    channel = _channel(call)
    lead = labels(channel)
    space = labels(len(call.out) - channel - 1, start=32)
    kernel = labels(len(space), start=64)
    operands = [(x, lead + "i" + space), (w, ("io" if turned else "oi") + kernel)]
    dims = {x: (*call.dims(x)[: channel + 1], *(() for _ in space))}
    data = tracker.learned(call, x, w)
    out = contract(tracker, call, operands, lead + "o" + space, dims, alone=kernel, data=data)
    return out[channel]


def _grouped(tracker: Tracker, call: Call, x: fx.Node, w: fx.Node, *, turned: bool) -> Dim:
    """Groups are a factor shared by both channel axes, outermost, and not summed over."""
    groups = tuple(_groups(call, i) for i in range(len(call.out[0])))
    rows, columns = call.dims(w)[:2]
    channel = _channel(call)
    into, out = call.sizes(x)[channel], call.out[channel]
    mine = tracker.reshape(call, [call.dims(x)[channel]], [groups, _per(into, groups)])
    stored = tracker.reshape(call, [rows], [groups, _per(call.sizes(w)[0], groups)])
    tracker.join(call, mine[:1], stored[:1])
    inner, made = (stored[1], columns) if turned else (columns, stored[1])
    tracker.join(call, mine[1:], [inner])
    if tracker.is_weight(w):
        spatial = [p for dim in call.dims(w)[2:] for p in expand(dim)]
        places = () if turned else range(1, len(call.dims(w)))
        tracker.use(call, w, contracted=[*expand(inner), *spatial], places=places)
        mark(inner, CONTRACTED, call.node.name)
    return (*stored[0], *made) if _per(out, groups) != (1,) * len(out) else stored[0]


def _groups(call: Call, model: int) -> int:
    return int(call["groups"] if model == 0 else call.at_base("groups"))


def _per(size: tuple[int, ...], groups: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n // g for n, g in zip(size, groups, strict=True))


def _bias(tracker: Tracker, call: Call, w: fx.Node, out: Dim) -> None:
    bias = call.tensor("bias")
    if bias is None:
        return
    tracker.join(call, [out], call.dims(bias))
    if tracker.is_weight(bias):
        tracker.use(call, bias, companion=min(tracker.sources[w]) if tracker.is_weight(w) else None)


RULES: Rules = dict.fromkeys(
    (
        aten.conv1d, aten.conv2d, aten.conv3d, aten.convolution, aten._convolution,
        aten.conv_transpose1d, aten.conv_transpose2d, aten.conv_transpose3d,
    ),
    convolution,
)  # fmt: skip

"""Weights that other weights write: a product that only ever stands where an op takes its weight.

``kernel = F.linear(code, generate).view(c, c, 3, 3)``, then ``F.conv2d(x, kernel)``: the result is
linear in ``generate`` as it is in any kernel, so the channels inside the rows of ``generate`` are
contracted and kept as the kernel's are. The product stays weight-like, and is used at the
convolution.
"""

from collections.abc import Iterable

import torch
from torch import fx

from mupfx.core.ops import constant_factor, packet
from mupfx.passes.axis_rules.call import Call, bind
from mupfx.passes.axis_rules.factors import Dims, Piece, mark
from mupfx.passes.axis_rules.tracker import CONTRACTED, Tracker
from mupfx.tables.linear_ops import KEEPING, PARTIAL

aten = torch.ops.aten

TAKING = frozenset(
    {
        aten.linear, aten.conv1d, aten.conv2d, aten.conv3d, aten.convolution, aten._convolution,
        aten.conv_transpose1d, aten.conv_transpose2d, aten.conv_transpose3d,
    }
)  # fmt: skip
"""Ops that contract their ``weight`` with their ``input``."""


def becomes_weight(node: fx.Node) -> bool:
    """Whether a value is only read as the weight of an op, past views and scales."""
    return bool(node.users) and all(_takes(user, node) for user in node.users)


def _takes(user: fx.Node, node: fx.Node) -> bool:
    if packet(user) in TAKING:
        return bind(user).get("weight") is node
    passes = packet(user) in KEEPING | PARTIAL or constant_factor(user) is not None
    return passes and becomes_weight(user)


def write(tracker: Tracker, call: Call, weight: fx.Node, contracted: Iterable[Piece]) -> None:
    """Note that a weight is contracted here, and met where the product is used."""
    pieces = list(contracted)
    mark(pieces, CONTRACTED, call.node.name)
    for piece in pieces:
        for name, dim in piece.origins:
            tracker.read.setdefault(name, set()).add(dim)
    tracker.written[call.node] = tracker.sources[weight]


def add(tracker: Tracker, call: Call, out: Dims, bias: fx.Node) -> Dims:
    """A bias of a written weight is part of it."""
    tracker.written[call.node] |= tracker.sources[bias]
    *lead, last = out
    return (*lead, tracker.merge_origins(last, call.dims(bias)[-1]))

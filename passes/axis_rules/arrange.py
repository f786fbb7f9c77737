"""Tensors spread over a grid, put on a diagonal, or made as wide as each other."""

import torch

from mupfx.core.vocabulary import Reason
from mupfx.passes.axis_rules.call import Call
from mupfx.passes.axis_rules.factors import Dim, Dims, fresh, mark
from mupfx.passes.axis_rules.tracker import Rules, Tracker
from mupfx.passes.axis_rules.view import diagonal, source

aten = torch.ops.aten


def broadcast_tensors(tracker: Tracker, call: Call) -> list[Dims]:
    """Each as wide as all together."""
    nodes = list(call["tensors"])
    dims = tracker.broadcast(call, nodes, call.outs[0])
    return [dims for _ in nodes]


def meshgrid(_: Tracker, call: Call) -> list[Dims]:
    """``a, b -> a b, a b``; by ``xy`` the first two change places."""
    axes: list[Dim] = [(call.dims(n) or ((),))[0] for n in call["tensors"]]
    if call["indexing"] == "xy":
        axes[:2] = axes[:2][::-1]
    return [tuple(axes) for _ in call.outs]


def product(_: Tracker, call: Call) -> Dims:
    """``cartesian_prod``: ``a, b -> (a b) 2``."""
    nodes = list(call["tensors"])
    rows = tuple(piece for n in nodes for piece in call.dims(n)[0])
    if len(call.out) == 1:
        return (rows,)
    columns = fresh(call.out[1])
    mark(columns, Reason.PARTS, f"{call.node.name} puts {len(nodes)} tensors together")
    return (rows, columns)


def on_diagonal(_: Tracker, call: Call) -> Dims:
    """``diag_embed``: an axis twice; a shifted diagonal needs longer ones."""
    *lead, dim = call.dims(source(call))
    rank = len(call.out)
    size = call.sizes(source(call))[-1]
    places = sorted(
        call[name] % rank if call[name] is not None else i
        for i, name in ((rank - 2, "dim1"), (rank - 1, "dim2"))
    )
    result: list[Dim] = list(lead)
    for place in places:
        result.insert(place, ())
    made = dim if call.out[places[0]] == size else fresh(call.out[places[0]])
    for place in places:
        result[place] = made
    return tuple(result)


def diag(tracker: Tracker, call: Call) -> Dims:
    """``diag``: of a vector the matrix, of a matrix the diagonal."""
    if len(call.out) == 2:
        return on_diagonal(tracker, call)
    return diagonal(tracker, call)


def spread(tracker: Tracker, call: Call) -> Dims:
    """``diagflat``: all entries on one diagonal."""
    node = source(call)
    flat = tuple(piece for dim in call.dims(node) for piece in dim)
    count = 1
    for size in call.sizes(node):
        count *= size[0]
    del tracker
    made = flat if count == call.out[0][0] else fresh(call.out[0])
    return (made, made)


def onto(tracker: Tracker, call: Call) -> Dims:
    """``diagonal_scatter``, ``as_strided_scatter``: the axes of what is written into."""
    node, written = source(call), call["src"]
    dims = call.dims(node)
    if "dim1" in call.arguments:
        gone = {call[name] % len(dims) for name in ("dim1", "dim2")}
        kept = [dim for i, dim in enumerate(dims) if i not in gone]
        tracker.join(call, kept, call.dims(written))
    tracker.meet(call, [node, written])
    return dims


def turned(_: Tracker, call: Call) -> Dims:
    """``rot90``: two axes change places at odd counts."""
    dims = list(call.dims(source(call)))
    first, second = call["dims"]
    if call["k"] % 2:
        dims[first], dims[second] = dims[second], dims[first]
    return tuple(dims)


RULES: Rules = {
    aten.broadcast_tensors: broadcast_tensors,
    aten.meshgrid: meshgrid,
    aten.cartesian_prod: product,
    aten.diag_embed: on_diagonal,
    aten.diag: diag,
    aten.diagflat: spread,
    **dict.fromkeys((aten.diagonal_scatter, aten.as_strided_scatter), onto),
    aten.rot90: turned,
}

"""``as_strided``: a view by memory alone, read back as axes.

The memory of a dense tensor is one axis, outermost stride first. A view whose strides cut that axis
into pieces is a reshape and a permutation of it; any other only inherits finiteness::

    (6, 4) with strides (4, 1)   as (4, 2, 3) with strides (1, 12, 4)   is   (a b) c -> c a b
"""

from collections.abc import Sequence

import torch

from mupfx.passes.axis_rules.call import Call
from mupfx.passes.axis_rules.factors import Dim, Dims, fresh, is_one, mark
from mupfx.passes.axis_rules.parts import apart
from mupfx.passes.axis_rules.tracker import REPEATED, Rules, Tracker
from mupfx.passes.axis_rules.view import source

aten = torch.ops.aten

Strides = Sequence[int]


def as_strided(tracker: Tracker, call: Call) -> Dims:
    """Axes by their places in memory."""
    node = source(call)
    dims, sizes = call.dims(node), call.sizes(node)
    held = node.meta["val"].stride()
    order = _outermost_first([size[0] for size in sizes], held)
    wanted = [int(s) for s in call["stride"]]
    places = _outermost_first([size[0] for size in call.out], wanted)
    same = _is_dense(sizes, held, order) and _is_dense(call.out, wanted, places)
    if not same or _count(sizes) != _count(call.out):
        return _loose(tracker, call, dims, wanted)
    made = tracker.reshape(call, [dims[i] for i in order], [call.out[i] for i in places])
    return tuple(made[places.index(i)] if i in places else () for i in range(len(call.out)))


def _outermost_first(sizes: Sequence[int], strides: Strides) -> list[int]:
    real = [i for i, size in enumerate(sizes) if size != 1]
    return sorted(real, key=lambda i: -strides[i])


def _is_dense(sizes: Sequence[tuple[int, ...]], strides: Strides, order: Sequence[int]) -> bool:
    expected = 1
    for i in reversed(order):
        if strides[i] != expected:
            return False
        expected *= sizes[i][0]
    return True


def _count(sizes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    total = tuple(1 for _ in sizes[0]) if sizes else ()
    for size in sizes:
        total = tuple(a * b for a, b in zip(total, size, strict=True))
    return total


def _loose(tracker: Tracker, call: Call, dims: Sequence[Dim], strides: Strides) -> Dims:
    """Axes that step as one of the tensor's and are as long are that one; others follow all."""
    node = source(call)
    axes = zip(dims, call.sizes(node), strict=True)
    held = dict(zip(node.meta["val"].stride(), axes, strict=True))
    pieces = tuple(piece for dim in dims for piece in dim)
    result: list[Dim] = []
    for size, stride in zip(call.out, strides, strict=True):
        dim, old = held.get(stride, ((), None))
        if stride == 0 and not is_one(size):
            result.append(fresh(size))
            mark(result[-1], REPEATED, call.node.name)
        else:
            result.append(dim if old == size else apart(tracker, pieces, size))
    return tuple(result)


RULES: Rules = {aten.as_strided: as_strided}

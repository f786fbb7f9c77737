"""The probe: ask an op without a rule how its result follows its inputs.

The op's fake kernel is run with one input axis longer. If it accepts, the result's axes that grew
follow that one. If it refuses, axes of the same length elsewhere are lengthened along with it. Axes
that no result follows and that equal each other are taken to be contracted.
"""

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import fx
from torch._subclasses.fake_tensor import FakeTensorMode

from mupfx.core.program import extent
from mupfx.core.vocabulary import Reason
from mupfx.passes.axis_rules.call import Call
from mupfx.passes.axis_rules.factors import Dim, Dims, Size, expand, fresh, mark, size_of
from mupfx.passes.axis_rules.tracker import CONTRACTED, Tracker

Place = tuple[int, int]
"""An input tensor, by position among the tensors, and one of its axes."""
Shape = tuple[int, ...]


def probe(tracker: Tracker, call: Call) -> Dims | list[Dims] | None:
    """Axes of the result by experiment; None where the op cannot be run on other sizes."""
    nodes = call.tensors()
    shapes = [tuple(map(extent, node.meta["val"].shape)) for node in nodes]
    if _shapes(call, nodes, shapes) is None:
        return None
    follows = _experiment(call, nodes, shapes)
    if follows is None:
        return None
    return _apply(tracker, call, nodes, shapes, follows)


def _run(call: Call, nodes: Sequence[fx.Node], shapes: Sequence[Shape]) -> object:
    with FakeTensorMode():
        made = {
            node: torch.empty(shape, dtype=node.meta["val"].dtype)
            for node, shape in zip(nodes, shapes, strict=True)
        }
        args, kwargs = fx.map_arg((call.node.args, call.node.kwargs), lambda n: made.get(n, n))
        return call.node.target(*args, **kwargs)  # type: ignore[operator]


def _shapes(
    call: Call, nodes: Sequence[fx.Node], shapes: Sequence[Shape]
) -> tuple[Shape, ...] | None:
    try:
        result = _run(call, nodes, shapes)
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError):
        return None
    results = result if isinstance(result, tuple | list) else [result]
    return tuple(tuple(r.shape) for r in results if isinstance(r, torch.Tensor))


def _experiment(
    call: Call, nodes: Sequence[fx.Node], shapes: Sequence[Shape]
) -> list[tuple[frozenset[Place], frozenset[Place]]] | None:
    """Pairs of (input axes that move together, result axes that move with them)."""
    places = [(i, d) for i, shape in enumerate(shapes) for d in range(len(shape))]
    before = _shapes(call, nodes, shapes)
    found: list[tuple[frozenset[Place], frozenset[Place]]] = []
    settled: set[Place] = set()
    for place in places:
        if place in settled:
            continue
        group = _smallest_group(call, nodes, shapes, place, [p for p in places if p not in settled])
        if group is None or before is None:
            return None
        after = _shapes(call, nodes, _longer(shapes, group))
        if after is None or len(after) != len(before):
            return None
        moved = _moved(before, after)
        settled |= group
        found.append((frozenset(group), moved))
    return found


def _smallest_group(
    call: Call,
    nodes: Sequence[fx.Node],
    shapes: Sequence[Shape],
    place: Place,
    free: Sequence[Place],
) -> set[Place] | None:
    length = shapes[place[0]][place[1]]
    alike = [p for p in free if p != place and shapes[p[0]][p[1]] == length]
    for count in range(min(len(alike), 3) + 1):
        for others in combinations(alike, count):
            group = {place, *others}
            if _shapes(call, nodes, _longer(shapes, group)) is not None:
                return group
    return None


def _longer(shapes: Sequence[Shape], group: set[Place]) -> list[Shape]:
    return [
        tuple(2 * n if (i, d) in group else n for d, n in enumerate(shape))
        for i, shape in enumerate(shapes)
    ]


def _moved(before: Sequence[Shape], after: Sequence[Shape]) -> frozenset[Place]:
    return frozenset(
        (i, d)
        for i, (old, new) in enumerate(zip(before, after, strict=True))
        for d, (a, b) in enumerate(zip(old, new, strict=True))
        if a != b
    )


def _apply(
    tracker: Tracker,
    call: Call,
    nodes: Sequence[fx.Node],
    shapes: Sequence[Shape],
    found: Sequence[tuple[frozenset[Place], frozenset[Place]]],
) -> Dims | list[Dims]:
    result: dict[Place, list[Dim]] = {}
    gone: list[Place] = []
    for group, moved in found:
        dims = [call.dims(nodes[i])[d] for i, d in sorted(group)]
        for dim in dims[1:]:
            if dims[0] and dim:
                tracker.unify(call, dims[0], dim)
        for place in moved:
            result.setdefault(place, []).append(dims[0])
        if not moved:
            gone += sorted(group)
    _consume(tracker, call, nodes, _partners(shapes, gone))
    return _results(tracker, call, result)


def _partners(shapes: Sequence[Shape], gone: Sequence[Place]) -> list[list[Place]]:
    groups: dict[int, list[Place]] = {}
    for i, d in gone:
        groups.setdefault(shapes[i][d], []).append((i, d))
    return list(groups.values())


def _consume(
    tracker: Tracker, call: Call, nodes: Sequence[fx.Node], groups: Sequence[list[Place]]
) -> None:
    """Axes without a result: join those of one length, and record what became of them."""
    contracted: list[Place] = []
    looked_up: list[Place] = []
    for group in groups:
        first, *others = [call.dims(nodes[i])[d] for i, d in group]
        for dim in others:
            if first and dim:
                tracker.unify(call, first, dim)
        word = _fate(tracker, nodes, group)
        if word == CONTRACTED:
            contracted += group
        elif word is not None:
            looked_up += group
            mark(first, word, f"{call.node.name} looks along it")
    if not all(tracker.is_weight(node) for node in nodes):
        _note_uses(tracker, call, nodes, contracted, looked_up)


def _fate(tracker: Tracker, nodes: Sequence[fx.Node], group: Sequence[Place]) -> str | None:
    """Axes of one length are contracted, or selected where an integer tensor has one of them.

    An axis of a weight that goes alone, while there are integers, is looked up by them.
    """
    counted = [not node.meta["val"].dtype.is_floating_point for node in nodes]
    if any(counted[i] for i, _ in group):
        return Reason.SELECTION
    if len(group) > 1:
        return CONTRACTED
    return Reason.INDEX if any(counted) and tracker.is_weight(nodes[group[0][0]]) else None


def _note_uses(
    tracker: Tracker,
    call: Call,
    nodes: Sequence[fx.Node],
    contracted: Sequence[Place],
    looked_up: Sequence[Place],
) -> None:
    for i, node in enumerate(nodes):
        if not tracker.is_weight(node):
            continue
        pieces = [p for j, d in contracted if j == i for p in expand(call.dims(node)[d])]
        index = [p for j, d in looked_up if j == i for p in expand(call.dims(node)[d])]
        mark(pieces, CONTRACTED, call.node.name)
        tracker.use(call, node, contracted=pieces, index=index)


def _results(tracker: Tracker, call: Call, result: dict[Place, list[Dim]]) -> Dims | list[Dims]:
    many = not isinstance(call.node.meta["val"], torch.Tensor)
    sizes = call.outs if many else [call.out]
    dims = [
        tuple(_made(tracker, result.get((i, d), []), size) for d, size in enumerate(shape))
        for i, shape in enumerate(sizes)
    ]
    return dims if many else dims[0]


def _made(tracker: Tracker, sources: Sequence[Dim], size: Size) -> Dim:
    """The one axis that a result follows, where it is as long; else a new one."""
    if len(sources) == 1 and size_of(sources[0], size) == size:
        return sources[0]
    made = fresh(size)
    if sources and made:
        tracker.depends.append(([p for dim in sources for p in expand(dim)], made))
    return made

"""The probe: ask an op without a rule how its result follows its inputs.

The op's fake kernel is run with one input axis longer. If it accepts, the result's axes that grew
follow that one. If it refuses, others are lengthened along with it: first axes and numbers of the
same length, which then must be equal, then any. Axes that no result follows and that are tied to
another tensor's are contracted.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import fx

from mupfx.core.vocabulary import Reason
from mupfx.passes.axis_rules.bench import DATA, NUMBERS, Bench, Place, Shapes
from mupfx.passes.axis_rules.call import Call
from mupfx.passes.axis_rules.factors import Dim, Dims, Size, expand, fresh, mark, size_of
from mupfx.passes.axis_rules.tracker import CONTRACTED, Tracker

MOST_PARTNERS = 3
FEW = 4
FEWER = 2
"""Sizes that are tried where several axes grow together."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of axes that grow together."""

    group: tuple[Place, ...]
    """Axes of inputs that must be equal."""
    others: tuple[Place, ...]
    """Axes of inputs of another length that must grow along."""
    moved: frozenset[Place]
    """Axes of results that grew, by result and axis."""
    alike: frozenset[Place]
    """Those among them that are exactly as long as the group."""
    fixed: bool = False
    """The op takes exactly as many of a few: coordinates, real and imaginary part."""


def probe(tracker: Tracker, call: Call) -> Dims | list[Dims] | None:
    """Axes of the result by experiment; None where the op cannot be run on other sizes."""
    if not isinstance(call.node.target, torch._ops.OpOverload):
        return None
    bench = Bench(call.node)
    before, found = _remembered(tracker, bench)
    if before is None or found is None or len(before) != _count(call):
        return None
    tracker.asked.setdefault(str(call.node.target), call.node.name)
    return _apply(tracker, call, bench, found, before)


def tie(tracker: Tracker, call: Call) -> bool:
    """For an op without a result: whether it lets some axes grow only together; they are joined."""
    if not isinstance(call.node.target, torch._ops.OpOverload):
        return False
    bench = Bench(call.node)
    _, found = _remembered(tracker, bench)
    groups = [f.group for f in found or () if len(f.group) > 1]
    for group in groups:
        dims = [call.dims(bench.nodes[i])[d] for i, d in group]
        for dim in dims[1:]:
            tracker.join(call, dims[:1], [dim])
    return bool(groups)


Outcome = tuple[Shapes | None, list[Finding] | None]


def _remembered(tracker: Tracker, bench: Bench) -> Outcome:
    """The experiment, done once for calls of the same sizes: layers repeat."""
    known = tracker.probed.get(bench.key)
    if known is None:
        before = bench.run({})
        known = before, None if before is None else _experiment(bench, before)
        tracker.probed[bench.key] = known
    return known


def _count(call: Call) -> int:
    value = call.node.meta["val"]
    leaves = value if isinstance(value, tuple | list) else [value]
    return sum(isinstance(v, torch.Tensor) for v in leaves)


def _experiment(bench: Bench, before: Shapes) -> list[Finding] | None:
    found: list[Finding] = []
    settled: set[Place] = set()
    for place, size in bench.sizes.items():
        if place in settled or place[0] == NUMBERS or size < 2:
            continue
        finding = _alike(bench, before, place, settled) or _along(bench, before, place)
        if finding is None and not _takes_exactly(bench, place):
            return None
        finding = finding or Finding((place,), (), frozenset(), frozenset(), fixed=True)
        settled |= set(finding.group)
        found.append(finding)
    return found


def _takes_exactly(bench: Bench, place: Place) -> bool:
    size = bench.sizes[place]
    return size <= FEW and all(bench.run({place: n}) is None for n in _longer(size))


def _alike(bench: Bench, before: Shapes, place: Place, settled: set[Place]) -> Finding | None:
    """The smallest group of one length that the op lets grow."""
    size = bench.sizes[place]
    partners = [p for p, n in bench.sizes.items() if n == size and p != place and p not in settled]
    for group in _groups(place, partners):
        for longer in _longer(size)[: None if len(group) == 1 else FEWER]:
            if _grown(bench, before, group, longer) is not None:
                return _smallest(bench, before, group, longer)
    return None


def _groups(place: Place, partners: Sequence[Place]) -> Iterator[tuple[Place, ...]]:
    """The place alone, with a few others, with all of them."""
    for count in range(min(len(partners), MOST_PARTNERS) + 1):
        yield from ((place, *others) for others in combinations(partners, count))
    if len(partners) > MOST_PARTNERS:
        yield (place, *partners)


def _smallest(bench: Bench, before: Shapes, group: tuple[Place, ...], longer: int) -> Finding:
    """Without those that need not grow along."""
    size, kept = bench.sizes[group[0]], list(group)
    for other in group[1:] if len(group) > MOST_PARTNERS + 1 else ():
        fewer = tuple(p for p in kept if p != other)
        if _grown(bench, before, fewer, longer) is not None:
            kept.remove(other)
    after = _grown(bench, before, tuple(kept), longer) or before
    moved = _moved(before, after)
    tensors = tuple(p for p in kept if p[0] != NUMBERS)
    return Finding(tensors, (), moved, _exactly(before, after, moved, size, longer))


def _grown(bench: Bench, before: Shapes, group: Sequence[Place], longer: int) -> Shapes | None:
    after = bench.run(dict.fromkeys(group, longer))
    return after if after is not None and _comparable(before, after) else None


def _along(bench: Bench, before: Shapes, place: Place) -> Finding | None:
    """Every place with which the op lets an axis grow by as many times, or as many.

    Such as those of ``35 = 5 x 7`` and ``35 = 20 + 15``.
    """
    size = bench.sizes[place]
    others: list[Place] = []
    moved: set[Place] = set()
    for partner, length in bench.sizes.items():
        if partner == place or length == size or length < 2:
            continue
        for longer, beside in ((2 * size, 2 * length), (size + length, 2 * length)):
            after = bench.run({place: longer, partner: beside})
            if after is not None and _comparable(before, after):
                others.append(partner)
                moved |= _moved(before, after)
                break
    if not others:
        return None
    tensors = tuple(p for p in others if p[0] != NUMBERS)
    return Finding((place,), tensors, frozenset(moved), frozenset())


def _longer(size: int) -> list[int]:
    """Other sizes to try; never one, which would be repeated."""
    return [n for n in (2 * size, size // 2, 3 * size, size - 1) if n > 1]


def _comparable(before: Shapes, after: Shapes) -> bool:
    return [len(s) for s in before] == [len(s) for s in after]


def _moved(before: Shapes, after: Shapes) -> frozenset[Place]:
    return frozenset(
        (i, d)
        for i, (old, new) in enumerate(zip(before, after, strict=True))
        for d, (a, b) in enumerate(zip(old, new, strict=True))
        if a != b
    )


def _exactly(
    before: Shapes, after: Shapes, moved: frozenset[Place], size: int, longer: int
) -> frozenset[Place]:
    return frozenset((i, d) for i, d in moved if (before[i][d], after[i][d]) == (size, longer))


def _apply(
    tracker: Tracker, call: Call, bench: Bench, found: Sequence[Finding], before: Shapes
) -> Dims | list[Dims]:
    result: dict[Place, list[tuple[Dim, bool]]] = {}
    gone: list[Finding] = []
    for finding in found:
        dims = [call.dims(bench.nodes[i])[d] for i, d in finding.group]
        for dim in dims[1:]:
            tracker.join(call, dims[:1], [dim])
        for place in finding.moved:
            result.setdefault(place, []).append((dims[0], place in finding.alike))
        if finding.fixed:
            mark(dims[0], Reason.PARTS, f"{call.node.name} takes exactly as many")
        elif not finding.moved:
            gone.append(finding)
    _consume(tracker, call, bench, gone)
    return _results(tracker, call, result, before)


def _consume(tracker: Tracker, call: Call, bench: Bench, gone: Sequence[Finding]) -> None:
    """Axes without a result: contracted, looked up, or merely read."""
    nodes = bench.nodes
    fates: dict[str, list[Place]] = {CONTRACTED: [], str(Reason.INDEX): []}
    for group, forced in _partners(call, nodes, gone):
        dims = [call.dims(nodes[i])[d] for i, d in group]
        for dim in dims[1:]:
            tracker.join(call, dims[:1], [dim])
        word = _fate(tracker, nodes, group, forced=forced)
        if word is not None and word != CONTRACTED:
            mark(dims[0], word, f"{call.node.name} looks along it")
        if word is not None:
            fates[CONTRACTED if word == CONTRACTED else str(Reason.INDEX)] += group
    if not all(tracker.is_weight(node) for node in nodes):
        _note_uses(tracker, call, nodes, fates[CONTRACTED], fates[str(Reason.INDEX)])


def _partners(
    call: Call, nodes: Sequence[fx.Node], gone: Sequence[Finding]
) -> Iterator[tuple[list[Place], bool]]:
    """Groups of axes that no result follows, and whether the op itself ties them.

    A kernel that checks nothing leaves each alone; then those of one length, here and at the
    base, are taken for partners where there is exactly one of them in each of two tensors.
    """
    floats = [node.meta["val"].dtype.is_floating_point for node in nodes]
    alone: dict[Size, list[Place]] = {}
    for finding in gone:
        if len(finding.group) > 1 or finding.others:
            yield list(finding.group), True
        else:
            i, d = finding.group[0]
            alone.setdefault(call.sizes(nodes[i])[d], []).append((i, d))
    for places in alone.values():
        if len({i for i, _ in places}) == len(places) and all(floats[i] for i, _ in places):
            yield places, len(places) > 1
        else:
            yield from (([place], False) for place in places)


def _fate(
    tracker: Tracker, nodes: Sequence[fx.Node], group: Sequence[Place], *, forced: bool
) -> str | None:
    """Axes of one length are contracted, or selected where an integer tensor has one of them.

    An axis of a weight that goes alone, while there are integers, is looked up by them.
    """
    counted = [not node.meta["val"].dtype.is_floating_point for node in nodes]
    if any(counted[i] for i, _ in group):
        return str(Reason.SELECTION)
    if forced:
        return CONTRACTED
    looked_up = any(counted) and tracker.is_weight(nodes[group[0][0]])
    return str(Reason.INDEX) if looked_up else None


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


def _results(
    tracker: Tracker,
    call: Call,
    result: Mapping[Place, list[tuple[Dim, bool]]],
    before: Shapes,
) -> Dims | list[Dims]:
    """Axes of each result; those that are no tensors have none and were not counted."""
    value = call.node.meta["val"]
    many = isinstance(value, tuple | list)
    sizes = call.outs if many else [call.out]
    leaves = value if many else [value]
    made: list[Dims] = []
    position = 0
    for leaf, shape in zip(leaves, sizes, strict=True):
        if not isinstance(leaf, torch.Tensor):
            made.append(())
            continue
        dims = [_made(tracker, result.get((position, d), []), size) for d, size in enumerate(shape)]
        for dim, length in zip(dims, before[position], strict=True):
            if length == DATA:
                mark(dim, Reason.INPUT, f"{call.node.name} keeps as many as the data says")
        made.append(tuple(dims))
        position += 1
    return made if many else made[0]


def _made(tracker: Tracker, sources: Sequence[tuple[Dim, bool]], size: Size) -> Dim:
    """The one axis that a result follows, where it is as long; else a new one."""
    if len(sources) == 1 and sources[0][1] and size_of(sources[0][0], size) == size:
        return sources[0][0]
    made = fresh(size)
    if sources and made:
        tracker.depends.append(([p for dim, _ in sources for p in expand(dim)], made))
    return made

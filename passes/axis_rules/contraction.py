"""Contractions: every matrix product as one einsum over labels.

Each rule only says which label stands on which dimension of which operand; joining axes, recording
fan-in and fan-out per parameter, and noting products of two activations is done once, here.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

import torch
from torch import fx

from mupfx.core.ops import packet
from mupfx.passes.axis_rules import written
from mupfx.passes.axis_rules.call import Call
from mupfx.passes.axis_rules.factors import Dim, Dims, Piece, expand, mark
from mupfx.passes.axis_rules.summed import add_up, is_gate, keep
from mupfx.passes.axis_rules.tracker import CONTRACTED, MADE, MATCHED, Tracker

Operand = tuple[fx.Node, str]
"""A tensor and one label a dimension."""


def contract(  # noqa: PLR0913 - an einsum and its two exceptions
    tracker: Tracker,
    call: Call,
    operands: Sequence[Operand],
    out: str,
    dims_of: Mapping[fx.Node, Dims] | None = None,
    *,
    alone: str = "",
    data: Collection[fx.Node] = (),
) -> Dims:
    """Einsum: join equal labels, record what is summed over, return the result's dimensions.

    ``alone`` are labels of one operand that are contracted all the same: a kernel's extent.
    ``data`` are parameters in the places of activations.
    """
    given = dims_of or {}
    dims = [given.get(node) or call.dims(node) for node, _ in operands]
    joined: dict[str, Dim] = {}
    for (_, labels), axes in zip(operands, dims, strict=True):
        for label, dim in zip(labels, axes, strict=True):
            if label in joined and joined[label] and dim:
                tracker.unify(call, joined[label], dim)
                joined[label] = tracker.merge_origins(joined[label], dim)
            elif dim or label not in joined:
                joined[label] = dim
    tracker.basis[call.node] = frozenset({call.node})
    keep(tracker, call.node, operands, dims, out)
    record(tracker, call, operands, dims, (out, alone), data=data)
    return tuple(joined.get(label, ()) for label in out)


def record(  # noqa: PLR0913 - as contract
    tracker: Tracker,
    call: Call,
    operands: Sequence[Operand],
    dims: Sequence[Dims],
    labels: tuple[str, str],
    *,
    data: Collection[fx.Node],
) -> None:
    """Note parameter uses, weight-by-weight contractions, and activation-by-activation ones."""
    out, alone = labels
    summed = {x for _, mine in operands for x in mine} - set(out)
    shared = {x for x in summed if sum(x in mine for _, mine in operands) > 1} | set(alone)
    weights = [
        i for i, (node, _) in enumerate(operands) if tracker.is_weight(node) and node not in data
    ]
    met = _met(call, operands, shared, out)
    pieces = [
        [p for label, dim in zip(mine, axes, strict=True) if label in gone for p in expand(dim)]
        for (_, mine), axes, gone in zip(operands, dims, met, strict=True)
    ]
    if weights and len(weights) == len(operands):
        free = [
            [p for label, dim in zip(mine, axes, strict=True) if label not in shared for p in dim]
            for (_, mine), axes in zip(operands, dims, strict=True)
        ]
        _note_inner(tracker, call, pieces, free)
        return
    if len(weights) == 1 and written.becomes_weight(call.node):
        written.write(tracker, call, operands[weights[0]][0], pieces[weights[0]])
        return
    others = [i for i in range(len(operands)) if i not in weights]
    for i in weights:
        _note_weight(tracker, call, operands[i], pieces[i], dims[i], shared=met[i])
        beside = [operands[j][0] for j in others]
        _note_product(tracker, call, operands[i][0], beside, pieces[i], dims[i])
    for left, right in pairwise(others):
        pair = operands[left][0], operands[right][0]
        if all(node in tracker.active or node in data for node in pair):
            _note_match(tracker, call, pair, pieces[right])
            for mine, other in (pair, pair[::-1]):
                add_up(tracker, mine, pieces[right] if is_gate(other) else ())


def _met(call: Call, operands: Sequence[Operand], shared: set[str], out: str) -> list[set[str]]:
    """For each operand, the labels that are contracted where it meets another."""
    if len(operands) > 2 and packet(call.node) is torch.ops.aten.einsum:
        return in_turn([mine for _, mine in operands], out)
    return [shared] * len(operands)


def in_turn(terms: Sequence[str], out: str) -> list[set[str]]:
    """Labels that each of several operands contracts when they are multiplied left to right.

    >>> [sorted(met) for met in in_turn(["bi", "ij", "bj"], "b")]
    [['i'], ['i'], ['j']]
    """
    met: list[set[str]] = [set()]
    made = set(terms[0])
    for k, term in enumerate(terms[1:], start=1):
        later = set(out).union(*terms[k + 1 :])
        gone = (made & set(term)) - later
        met[0] |= gone if k == 1 else set()
        met.append(gone)
        made = (made | set(term)) - gone
    return met


def _note_inner(
    tracker: Tracker,
    call: Call,
    contracted: Sequence[Sequence[Piece]],
    free: Sequence[list[Piece]],
) -> None:
    """A product of weights alone: an adapter, it may be, with its rank between."""
    for pieces in contracted:
        for origin in (o for piece in pieces for o in piece.origins):
            tracker.inner.setdefault(origin, call.node.name)
    tracker.bridges.append((call.node, free[0], list(contracted[0]), free[-1]))


def _note_weight(  # noqa: PLR0913 - everything that is known of one operand
    tracker: Tracker,
    call: Call,
    operand: Operand,
    contracted: Sequence[Piece],
    dims: Dims,
    *,
    shared: set[str],
) -> None:
    node, labels = operand
    where = call.node.name
    places = [i for i, label in enumerate(labels) if label in shared]
    kept = [p for i, dim in enumerate(dims) if i not in places for p in expand(dim)]
    tracker.use(call, node, contracted=contracted, kept=kept, places=places)
    mark(contracted, CONTRACTED, where)


def _note_product(  # noqa: PLR0913, PLR0917 - everything that is known of one operand
    tracker: Tracker,
    call: Call,
    weight: fx.Node,
    others: Sequence[fx.Node],
    contracted: Sequence[Piece],
    dims: Dims,
) -> None:
    """What a weight makes; one weight after another: their shared axis may be a rank."""
    shared = list(contracted)
    inside = {id(p.factor.root()) for p in expand(shared)}
    made = [p for dim in dims for p in expand(dim) if id(p.factor.root()) not in inside]
    mark(made, MADE, call.node.name)
    tracker.producer[call.node] = min(tracker.sources[weight])
    for node in others:
        last = tracker.last_product(node)
        if last is not None:
            tracker.bridges.append((call.node, last, shared, made))
        if node in tracker.looked:
            tracker.entries.append((call.node, tracker.looked[node], shared, made))
    tracker.before[call.node] = shared


def _note_match(
    tracker: Tracker, call: Call, pair: tuple[fx.Node, fx.Node], contracted: Sequence[Piece]
) -> None:
    if not contracted:
        return
    mark(contracted, MATCHED, call.node.name)
    beside = [
        p
        for node in pair
        for dim in call.dims(node)
        for p in expand(dim)
        if all(p.factor.root() is not q.factor.root() for q in expand(contracted))
    ]
    tracker.matches.append((call.node, *pair, list(contracted), beside))


def by_hand(
    tracker: Tracker, call: Call, product: fx.Node, operands: Sequence[fx.Node], gone: set[int]
) -> None:
    """``(a * b).sum(i)``: what is summed over and stands in both is contracted."""
    rank = len(call.dims(product))
    if len(operands) != 2:
        return
    shared = [
        i
        for i in gone
        if all(i >= rank - len(call.dims(n)) and call.dims(n)[i - rank] for n in operands)
    ]
    if not shared:
        return
    weights = [n for n in operands if tracker.is_weight(n)]
    for node in weights:
        pieces = [p for i in shared for p in expand(call.dims(node)[i - rank])]
        mark(pieces, CONTRACTED, call.node.name)
        tracker.uses = [u for u in tracker.uses if u.node != product.name or not pieces]
        tracker.use(call, node, contracted=pieces)
        others = [n for n in operands if n is not node]
        if not any(tracker.is_weight(n) for n in others):
            _note_product(tracker, call, node, others, pieces, call.dims(node))
    if all(node in tracker.active for node in operands):
        pieces = [p for i in shared for p in expand(call.dims(operands[0])[i - rank])]
        _note_match(tracker, call, (operands[0], operands[1]), pieces)


def labels(count: int, *, start: int = 0) -> str:
    """``count`` labels that no other call with a distant ``start`` has."""
    return "".join(chr(0x100 + start + i) for i in range(count))


def batched(rank: int, longest: int) -> str:
    """Labels of leading batch dimensions, aligned from the right."""
    return labels(longest)[longest - rank :]


def add_bias(tracker: Tracker, call: Call, out: Dims, name: str, weight: fx.Node) -> Dims:
    """Join a bias with the last dimensions, recording the weight it stands beside."""
    bias = call.tensor(name)
    if bias is None:
        return out
    tracker.join(call, out[::-1], call.dims(bias)[::-1])
    if tracker.is_weight(bias) and call.node in tracker.written:
        return written.add(tracker, call, out, bias)
    if tracker.is_weight(bias):
        companion = min(tracker.sources[weight]) if tracker.is_weight(weight) else None
        tracker.use(call, bias, companion=companion)
    return out

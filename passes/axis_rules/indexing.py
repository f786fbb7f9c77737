"""Look-ups: the axis looked into is an index axis, and those looked up by take its place."""

from collections.abc import Sequence

import torch
from torch import fx

from mupfx.core.vocabulary import Reason
from mupfx.passes.axis_rules.call import Call
from mupfx.passes.axis_rules.factors import Dim, Dims, expand, fresh, is_one, mark
from mupfx.passes.axis_rules.tracker import MADE, Rules, Tracker
from mupfx.passes.axis_rules.view import source

aten = torch.ops.aten


def embedding(tracker: Tracker, call: Call) -> Dims:
    """``y[..., d] = w[i[...], d]``: a contraction with one-hot rows."""
    weight, indices = call["weight"], call["indices"]
    _, *rest = call.dims(weight)
    tracker.look_up(call, weight, [0], [indices])
    if tracker.is_weight(weight):
        mark([p for dim in rest for p in dim], MADE, call.node.name)
    return (*call.dims(indices), *rest)


def embedding_bag(tracker: Tracker, call: Call) -> list[Dims]:
    """Bags of looked-up rows, summed."""
    weight = call["weight"]
    rows, columns = call.dims(weight)
    mark(rows, Reason.INDEX, f"{call.node.name} looks it up")
    if tracker.is_weight(weight):
        tracker.use(call, weight, index=expand(rows), index_places=[0])
    offsets, weights = call.tensor("offsets"), call.tensor("per_sample_weights")
    if weights is not None:
        tracker.join(call, call.dims(call["indices"]), call.dims(weights))
    bags = tuple(fresh(size) for size in call.outs[0][:1])
    if offsets is not None and call.sizes(offsets) == call.outs[0][:1]:
        bags = call.dims(offsets)
    rest = [bags if s == call.outs[0][:1] else tuple(map(fresh, s)) for s in call.outs[1:]]
    return [(*bags, columns), *rest]


def index(tracker: Tracker, call: Call) -> Dims:
    """``x[i, :, j]``: indexed axes give way to those of the indices."""
    node = source(call)
    dims, picks = call.dims(node), list(call["indices"])
    indexed = _indexed(call, picks)
    looked_up = [p for i in indexed for p in expand(dims[i])]
    tensors = [p for p in picks if isinstance(p, fx.Node)]
    by_the_code = _by_the_code(tracker, node, tensors)
    if indexed and not by_the_code:
        tracker.look_up(call, node, indexed, tensors)
    count = len(call.out) - (len(dims) - len(indexed))
    first = 0 if _apart(indexed) else indexed[0]
    shape = call.out[first : first + count]
    taken = _taken(tracker, call, tensors, shape)
    if by_the_code:
        tracker.depends.append((looked_up, tuple(p for dim in taken for p in dim)))
    rest = [dim for i, dim in enumerate(dims) if i not in indexed]
    return (*rest[:first], *taken, *rest[first:])


def _by_the_code(tracker: Tracker, node: fx.Node, picks: Sequence[fx.Node]) -> bool:
    """Whether entries of an activation are picked by a list in the code, as ``x[:, [-2]]``.

    Such an axis may well grow: it is read in another order, or by its ends.
    """
    return node in tracker.active and not any(p in tracker.active for p in picks)


def _indexed(call: Call, picks: Sequence[fx.Node | None]) -> list[int]:
    indexed: list[int] = []
    position = 0
    for pick in picks:
        width = 1
        if isinstance(pick, fx.Node):
            width = len(call.sizes(pick)) if _is_mask(pick) else 1
            indexed += range(position, position + width)
        position += width
    return indexed


def _is_mask(node: fx.Node) -> bool:
    return node.meta["val"].dtype in (torch.bool, torch.uint8)


def _apart(indexed: Sequence[int]) -> bool:
    return not indexed or list(indexed) != list(range(indexed[0], indexed[-1] + 1))


def _taken(
    tracker: Tracker, call: Call, picks: Sequence[fx.Node], shape: Sequence[tuple[int, ...]]
) -> Dims:
    if any(_is_mask(p) for p in picks):
        made = tuple(fresh(size) for size in shape)
        for dim in made:
            mark(dim, Reason.INPUT, f"{call.node.name} keeps as many as the data says")
        return made
    return tracker.broadcast(call, picks, shape)


def index_select(tracker: Tracker, call: Call) -> Dims:
    """One axis looked up by a list of indices."""
    dims = list(call.dims(source(call)))
    if not dims:
        return ()
    axis = call["dim"] % len(dims)
    taken = call.dims(call["index"])[0] if call.dims(call["index"]) else ()
    if _by_the_code(tracker, source(call), [call["index"]]):
        tracker.depends.append((expand(dims[axis]), taken))
    else:
        tracker.look_up(call, source(call), [axis], [call["index"]])
    dims[axis] = taken
    return tuple(dims)


def gather(tracker: Tracker, call: Call) -> Dims:
    """``y[i, j] = x[index[i, j], j]``."""
    node = source(call)
    picks = call.tensor("index") or call["indices"]
    dims, sizes, result = call.dims(node), call.sizes(node), call.dims(picks)
    if call["dim"] is None:  # from all entries in a row
        tracker.look_up(call, node, range(len(dims)), [picks])
        return (tuple(piece for dim in result for piece in dim),)
    axis = call["dim"] % max(len(dims), 1)
    if dims:
        tracker.look_up(call, node, [axis], [picks])
    for i, (dim, size, mine) in enumerate(zip(dims, sizes, result, strict=True)):
        if i != axis and size == call.out[i] and dim and mine:
            tracker.unify(call, dim, mine)
    return tuple(
        dim if i != axis and size == call.out[i] and dim else mine
        for i, (dim, size, mine) in enumerate(zip(dims, sizes, result, strict=True))
    )


def into(tracker: Tracker, call: Call) -> Dims:
    """``scatter``, ``index_add``: the axes of what is written into, but the one written along."""
    node = source(call)
    dims, sizes = call.dims(node), call.sizes(node)
    written = call.tensor("src") or call.tensor("source")
    axis = call["dim"] % max(len(dims), 1) if isinstance(call["dim"], int) else None
    if written is None or axis is None:
        return dims
    places = [i for i in range(len(dims)) if len(call.dims(written)) == len(dims) or i != axis]
    for i, mine, size in zip(places, call.dims(written), call.sizes(written), strict=True):
        if i != axis and size == sizes[i] and dims[i] and mine:
            tracker.unify(call, dims[i], mine)
    tracker.meet(call, [node, written])
    return dims


def put(tracker: Tracker, call: Call) -> Dims:
    """``x[i, :, j] = values``: values are broadcast to what would be read there."""
    node = source(call)
    dims, indexed = call.dims(node), _indexed(call, call["indices"])
    mark([p for i in indexed for p in expand(dims[i])], Reason.INDEX, f"{call.node.name} sets it")
    kept = [] if _apart(indexed) else list(dims[indexed[-1] + 1 :])
    tracker.join(call, kept[::-1], call.dims(call["values"])[::-1])
    tracker.meet(call, [node, call["values"]])
    return dims


def ranked(_: Tracker, call: Call) -> list[Dims]:
    """``topk``, ``sort``: the axis is selected from."""
    node = source(call)
    dims = list(call.dims(node))
    axis = (call["dim"] if call["dim"] is not None else -1) % max(len(dims), 1)
    if dims:
        mark(dims[axis], Reason.SELECTION, f"{call.node.name} selects along it")
        if len(call.outs[0]) < len(dims):
            del dims[axis]
        elif call.outs[0][axis] != call.sizes(node)[axis]:
            dims[axis] = fresh(call.outs[0][axis])
            mark(dims[axis], Reason.SELECTION, f"{call.node.name} keeps as many")
    return [tuple(dims) for _ in call.outs]


def order(tracker: Tracker, call: Call) -> Dims:
    """``argsort``: one result."""
    del tracker
    dims = call.dims(source(call))
    axis = call["dim"] % max(len(dims), 1)
    mark(dims[axis] if dims else (), Reason.SELECTION, f"{call.node.name} selects along it")
    return dims


def one_hot(_: Tracker, call: Call) -> Dims:
    """A new last axis that counts the indices."""
    made: Dim = () if is_one(call.out[-1]) else fresh(call.out[-1])
    mark(made, Reason.INDEX, f"{call.node.name} makes one place for each index")
    return (*call.dims(source(call)), made)


def take(_: Tracker, call: Call) -> Dims:
    """``x.flatten()[index]``."""
    for dim in call.dims(source(call)):
        mark(dim, Reason.INDEX, f"{call.node.name} looks it up")
    return call.dims(call["index"])


def kept(tracker: Tracker, call: Call) -> Dims:
    """``masked_select``: entries where a mask holds, in one row."""
    node, mask = source(call), call["mask"]
    tracker.join(call, call.dims(node)[::-1], call.dims(mask)[::-1])
    made = fresh(call.out[0])
    mark(made, Reason.INPUT, f"{call.node.name} keeps as many as the data says")
    return (made,)


def put_flat(tracker: Tracker, call: Call) -> Dims:
    """``x.flatten()[index] = source``."""
    take(tracker, call)
    return call.dims(source(call))


def places(tracker: Tracker, call: Call) -> Dims:
    """``searchsorted``: where values stand in a sorted row."""
    row, values = call["sorted_sequence"], call.tensor("self")
    dims = call.dims(row)
    mark(dims[-1], Reason.INDEX, f"{call.node.name} counts places in it")
    if values is None:
        return ()
    if len(dims) > 1:
        tracker.join(call, dims[:-1], call.dims(values)[:-1])
    return call.dims(values)


def between(_: Tracker, call: Call) -> Dims:
    """``bucketize``: between which boundaries values are."""
    mark(call.dims(call["boundaries"])[0], Reason.INDEX, f"{call.node.name} counts places in it")
    values = call.tensor("self")
    return () if values is None else call.dims(values)


def drawn(_: Tracker, call: Call) -> Dims:
    """``multinomial``: indices into the last axis."""
    *lead, choices = call.dims(source(call))
    made = fresh(call.out[-1])
    for dim in (choices, made):
        mark(dim, Reason.SELECTION, f"{call.node.name} draws from it")
    return (*lead, made)


def ordered(tracker: Tracker, call: Call) -> Dims:
    """``msort``: along the first axis."""
    del tracker
    dims = call.dims(source(call))
    mark(dims[0] if dims else (), Reason.SELECTION, f"{call.node.name} sorts along it")
    return dims


def masked(tracker: Tracker, call: Call) -> Dims:
    """``x[i, j]`` where a mask holds, else a number."""
    dims = index(tracker, call)
    tracker.join(call, dims[::-1], call.dims(call["mask"])[::-1])
    return dims


def scattered(tracker: Tracker, call: Call) -> Dims:
    """``masked_scatter``: entries written where a mask holds."""
    node, mask = source(call), call["mask"]
    tracker.meet(call, [node, call["source"]])
    return tracker.broadcast(call, [node, mask], call.out)


def segments(_: Tracker, call: Call) -> Dims:
    """``segment_reduce``: rows of one axis put together, as many as the data says."""
    dims = list(call.dims(source(call)))
    axis = call["axis"] % len(dims)
    dims[axis] = fresh(call.out[axis])
    mark(dims[axis], Reason.INPUT, f"{call.node.name} keeps as many as the data says")
    return tuple(dims)


def pack(_: Tracker, call: Call) -> list[Dims]:
    """``pack_padded_sequence``: ``b t d -> n d``, and how many rows at each step."""
    rows, steps = (fresh(sizes[0]) for sizes in call.outs)
    mark((*rows, *steps), Reason.INPUT, f"{call.node.name} keeps as many as the data says")
    return [(rows, *call.dims(source(call))[2:]), (steps,)]


def unpack(_: Tracker, call: Call) -> list[Dims]:
    """``pad_packed_sequence``: ``n d -> b t d``, and each length."""
    made = [fresh(size) for size in call.outs[0][:2]]
    for dim in made:
        mark(dim, Reason.INPUT, f"{call.node.name} is as long as the data says")
    batch = made[0] if call["batch_first"] else made[1]
    return [(*made, *call.dims(source(call))[1:]), (batch,)]


def pad_rows(tracker: Tracker, call: Call) -> Dims:
    """``pad_sequence``: ``[t d, t' d] -> n t d``."""
    nodes = list(call["sequences"])
    made = [fresh(size) for size in call.out[:2]]
    for dim in made:
        mark(dim, Reason.INPUT, f"{call.node.name} is as long as the data says")
    rest = call.dims(nodes[0])[1:]
    for node in nodes[1:]:
        tracker.join(call, rest, call.dims(node)[1:])
    return (*made, *rest)


RULES: Rules = {
    aten.embedding: embedding,
    **dict.fromkeys(
        (aten.embedding_bag, aten._embedding_bag, aten._embedding_bag_forward_only), embedding_bag
    ),
    **dict.fromkeys((aten.index, aten._unsafe_index), index),
    aten._unsafe_masked_index: masked,
    aten.masked_scatter: scattered,
    aten.take: take,
    aten.put: put_flat,
    aten.masked_select: kept,
    aten.searchsorted: places,
    aten.bucketize: between,
    aten.multinomial: drawn,
    aten.msort: ordered,
    aten.segment_reduce: segments,
    aten._pack_padded_sequence: pack,
    aten._pad_packed_sequence: unpack,
    aten.pad_sequence: pad_rows,
    aten.index_select: index_select,
    aten.gather: gather,
    aten.take_along_dim: gather,
    **dict.fromkeys(
        (
            aten.scatter, aten.scatter_add, aten.scatter_reduce, aten.index_add, aten.index_copy,
            aten.index_fill, aten.slice_scatter,
            aten.select_scatter, aten.index_reduce,
        ),
        into,
    ),
    **dict.fromkeys((aten.index_put, aten._unsafe_index_put, aten._index_put_impl), put),
    **dict.fromkeys((aten.topk, aten.sort, aten.kthvalue), ranked),
    aten.argsort: order,
    aten.one_hot: one_hot,
}  # fmt: skip

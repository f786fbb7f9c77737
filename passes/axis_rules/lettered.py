"""Rules written as a line of letters, a letter an axis; what is before them is a batch.

``nn, nk -> nk`` says of ``solve`` that both axes of the matrix are as long as the columns are. A
letter of the result alone is the operands' axis of that length, as the rank of a factorisation is,
or a new one. Tensors that were not given and results that were not asked for are passed over.
"""

from collections.abc import Mapping

from torch import fx

from mupfx.passes.axis_rules.call import Call
from mupfx.passes.axis_rules.factors import Dim, Dims, Size, fresh
from mupfx.passes.axis_rules.tracker import Rule, Tracker

Known = dict[str, tuple[Dim, Size]]


def lettered(text: str) -> Rule:
    """The rule that a line of letters says."""
    left, _, right = (part.strip() for part in text.partition("->"))
    operands, results = ([t.strip() for t in side.split(",")] for side in (left, right))

    def rule(tracker: Tracker, call: Call) -> Dims | list[Dims]:
        known: Known = {}
        batches = [
            _operand(tracker, call, node, term, known)
            for node, term in zip(given(call), operands, strict=False)
            if node is not None
        ]
        tracker.meet(call, [n for n in given(call) if n is not None])
        many = isinstance(call.node.meta["val"], tuple | list)
        shapes = call.outs if many else [call.out]
        made = [
            _result(batches[0] if batches else (), term, sizes, known)
            for term, sizes in zip(results, shapes, strict=False)
        ]
        made += [tuple(fresh(size) for size in sizes) for sizes in shapes[len(made) :]]
        return made if many else made[0]

    return rule


def given(call: Call) -> list[fx.Node | None]:
    """Tensor arguments in the order of the schema; None where one was not given."""
    schema = call.node.target._schema  # type: ignore[union-attr]
    return [call.tensor(a.name) for a in schema.arguments if str(a.type) in TENSORS]


TENSORS = ("Tensor", "Optional[Tensor]")


def _operand(tracker: Tracker, call: Call, node: fx.Node, term: str, known: Known) -> Dims:
    dims, sizes = call.dims(node), call.sizes(node)
    lead = len(dims) - len(term)
    if lead < 0:  # a loss that was summed has no axes left
        return ()
    for label, dim, size in zip(term, dims[lead:], sizes[lead:], strict=True):
        first, had = known.setdefault(label, (dim, size))
        if had == size:
            tracker.join(call, [first], [dim])
    for place in range(1, lead + 1):
        first, had = known.setdefault(f"-{place}", (dims[lead - place], sizes[lead - place]))
        if had == sizes[lead - place]:
            tracker.join(call, [first], [dims[lead - place]])
    return dims[:lead]


def _result(batch: Dims, term: str, sizes: list[Size], known: Known) -> Dims:
    if len(sizes) != len(batch) + len(term):  # it was not asked for
        return tuple(fresh(size) for size in sizes)
    rest = zip(term, sizes[len(batch) :], strict=True)
    return (*batch, *(_axis(label, size, known) for label, size in rest))


def _axis(label: str, size: Size, known: Mapping[str, tuple[Dim, Size]]) -> Dim:
    if label in known:
        return known[label][0]
    own = (dim for name, (dim, had) in known.items() if had == size and name.isalpha())
    return next(own, fresh(size))

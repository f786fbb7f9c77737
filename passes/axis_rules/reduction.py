"""Reductions drop axes, or leave them with size one."""

from collections.abc import Sequence

import torch
from torch import fx

from mupfx.core.vocabulary import Reason
from mupfx.passes.axis_rules.call import Call, is_tensor
from mupfx.passes.axis_rules.contraction import by_hand
from mupfx.passes.axis_rules.factors import Dims, is_one, mark
from mupfx.passes.axis_rules.summed import add_up
from mupfx.passes.axis_rules.tracker import Rules, Tracker
from mupfx.passes.axis_rules.view import source

aten = torch.ops.aten

PRODUCTS = (aten.mul.Tensor, aten.mul_.Tensor)
INDICES = (aten.argmax.default, aten.argmin.default)


def reduce(_: Tracker, call: Call) -> Dims:
    """``y[i] = sum_j x[i, j]``."""
    dims = call.dims(source(call))
    gone = _reduced(call, len(dims))
    return _without(call, dims, gone)


def _without(call: Call, dims: Dims, gone: set[int], rank: int | None = None) -> Dims:
    if (len(call.out) if rank is None else rank) == len(dims):
        return tuple(() if i in gone else dim for i, dim in enumerate(dims))
    return tuple(dim for i, dim in enumerate(dims) if i not in gone)


def _reduced(call: Call, rank: int) -> set[int]:
    chosen = call["dim"]
    if chosen is None or (isinstance(chosen, Sequence) and not chosen):
        return set(range(rank))
    return {d % max(rank, 1) for d in ([chosen] if isinstance(chosen, int) else chosen)}


def total(tracker: Tracker, call: Call) -> Dims:
    """A sum; of a product of two tensors, it is a contraction written by hand."""
    product = source(call)
    if product.target in PRODUCTS:
        operands = [n for n in product.all_input_nodes if n in tracker.env]
        gone = _reduced(call, len(call.dims(product)))
        by_hand(tracker, call, product, operands, gone)
    dims = call.dims(product)
    add_up(tracker, product, [p for i in _reduced(call, len(dims)) if dims for p in dims[i]])
    return reduce(tracker, call)


def choose(tracker: Tracker, call: Call) -> Dims:
    """``argmax``: a reduction whose axis is selected from; ``max`` too, if the index is read."""
    dims = call.dims(source(call))
    for i in _reduced(call, len(dims)) if dims and _selects(call.node) else ():
        mark(dims[i], Reason.SELECTION, f"{call.node.name} selects along it")
    return reduce(tracker, call)


def _selects(node: fx.Node) -> bool:
    if is_tensor(node):
        return node.target in INDICES
    return any(pick.args[1:] != (0,) and pick.users for pick in node.users)


def matrix(_: Tracker, call: Call) -> Dims:
    """``linalg_matrix_norm``, or ``linalg_norm`` with an order: of the last two axes by default."""
    dims = call.dims(source(call))
    both = len(dims) == 2 or str(call.node.target).startswith("aten.linalg_matrix")
    chosen = call["dim"] or ((-2, -1) if both and call["ord"] is not None else range(len(dims)))
    return _without(call, dims, {d % len(dims) for d in chosen})


def quantile(tracker: Tracker, call: Call) -> Dims:
    """A reduction; several quantiles come first."""
    q = call.tensor("q")
    lead = () if q is None else call.dims(q)
    dims = call.dims(source(call))
    del tracker
    kept = _without(call, dims, _reduced(call, len(dims)), rank=len(call.out) - len(lead))
    return (*lead, *kept)


def both(tracker: Tracker, call: Call) -> list[Dims]:
    """``aminmax``: two reductions."""
    return [reduce(tracker, call) for _ in call.outs]


def area(tracker: Tracker, call: Call) -> Dims:
    """``trapezoid``: a reduction; places, if given, lie beside the values."""
    places = call.tensor("x")
    if places is not None:
        tracker.join(call, call.dims(source(call))[::-1], call.dims(places)[::-1])
    return reduce(tracker, call)


def summed_to(tracker: Tracker, call: Call) -> Dims:
    """``sum_to_size``: axes dropped before and left with size one, until the sizes are given."""
    dims = call.dims(source(call))[-len(call.out) or None :] if call.out else ()
    del tracker
    return tuple(() if is_one(n) else d for d, n in zip(dims, call.out, strict=True))


RULES: Rules = {
    **dict.fromkeys((aten.sum, aten.nansum), total),
    **dict.fromkeys((aten.linalg_norm, aten.linalg_matrix_norm, aten.nuclear_norm), matrix),
    **dict.fromkeys((aten.quantile, aten.nanquantile), quantile),
    **dict.fromkeys((aten.aminmax, aten._aminmax), both),
    aten.sum_to_size: summed_to,
    **dict.fromkeys((aten.trapezoid, aten.trapz), area),
    **dict.fromkeys(
        (
            aten.mean, aten.amax, aten.amin, aten.var, aten.std, aten.prod, aten.any,
            aten.all, aten.norm, aten.linalg_vector_norm, aten.logsumexp, aten.var_mean,
            aten.std_mean, aten.count_nonzero, aten.nanmean, aten.special_logsumexp,
            aten.frobenius_norm, aten.native_norm, aten.linalg__powsum, aten._is_all_true,
           aten._is_any_true,
        ),
        reduce,
    ),
    **dict.fromkeys(
        (
            aten.argmax, aten.argmin, aten.max, aten.min, aten.mode, aten.median, aten.nanmedian,
        ),
        choose,
    ),
}  # fmt: skip

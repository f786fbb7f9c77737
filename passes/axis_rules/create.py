"""Ops that make a tensor from numbers: nothing is known of its axes until they meet others."""

import torch

from mupfx.core.vocabulary import Reason
from mupfx.passes.axis_rules.call import Call
from mupfx.passes.axis_rules.factors import Dims, fresh, mark
from mupfx.passes.axis_rules.tracker import Rules, Tracker
from mupfx.passes.axis_rules.view import source

aten = torch.ops.aten


def made(_: Tracker, call: Call) -> Dims:
    """Axes as long as the code says."""
    return tuple(fresh(size) for size in call.out)


def counted(_: Tracker, call: Call) -> Dims | list[Dims]:
    """Axes that count something in the data: bins, true places."""
    many = isinstance(call.node.meta["val"], tuple | list)
    results = [
        tuple(fresh(size) for size in sizes) for sizes in (call.outs if many else [call.out])
    ]
    for dim in [dim for dims in results for dim in dims]:
        mark(dim, Reason.SELECTION, f"{call.node.name} counts into it")
    return results if many else results[0]


def distinct(_: Tracker, call: Call) -> list[Dims]:
    """``unique``: values, where each entry went, and how often each is there."""
    dims = list(call.dims(source(call)))
    values = fresh(call.outs[0][0])
    if call["dim"] is not None:
        axis = call["dim"] % len(dims)
        values = fresh(call.outs[0][axis])
        inverse: Dims = (dims[axis],)
        made: Dims = (*dims[:axis], values, *dims[axis + 1 :])
    else:
        inverse, made = tuple(dims), (values,)
    mark(values, Reason.SELECTION, f"{call.node.name} counts into it")
    results = [made, inverse, (values,)]
    return [
        known if len(known) == len(sizes) else tuple(fresh(size) for size in sizes)
        for known, sizes in zip(results, call.outs, strict=False)
    ]


COUNTED = (
    aten.histc, aten.histogram, aten.bincount, aten.nonzero, aten.nonzero_static, aten.argwhere,
    aten.combinations,
)  # fmt: skip


def number(_: Tracker, call: Call) -> Dims:
    """A Python number, such as a size: it has no axes."""
    del call
    return ()


RULES: Rules = {
    **dict.fromkeys(
        (
            aten.arange, aten.zeros, aten.ones, aten.empty, aten.full, aten.rand, aten.randn,
            aten.randint, aten.randperm, aten.eye, aten.linspace, aten.new_zeros, aten.new_ones,
            aten.new_empty, aten.new_full, aten.scalar_tensor, aten.tensor, aten.empty_strided,
            aten.tril_indices, aten.triu_indices, aten.range, aten.logspace, aten.new_empty_strided,
            aten.empty_permuted, aten._efficientzerotensor, aten._shape_as_tensor,
            aten._dim_arange, aten.bartlett_window, aten.blackman_window, aten.hamming_window,
            aten.hann_window, aten.kaiser_window,
        ),
        made,
    ),
    **dict.fromkeys(COUNTED, counted),
    **dict.fromkeys(
        (aten._unique, aten._unique2, aten.unique_consecutive, aten.unique_dim), distinct
    ),
    **dict.fromkeys(
        (
            aten.sym_size, aten.sym_numel, aten.sym_stride, aten.sym_storage_offset,
            aten._local_scalar_dense, aten.sym_is_contiguous, aten.item, aten.is_nonzero,
            aten.equal, aten.allclose,
            aten._assert_scalar, aten._assert_tensor_metadata, aten._assert_async,
            aten._functional_assert_async, aten.sym_constrain_range,
            aten.sym_constrain_range_for_size,
        ),
        number,
    ),
}  # fmt: skip

"""Ops as the recorder has to know them: what they add, what they sum over, what they select.

``addmm(b, x, W)`` adds ``b``, and each of its entries sums as many products as ``W`` has rows.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

aten = torch.ops.aten

Args = tuple[Any, ...]
Kwargs = Mapping[str, Any]


def tensors_of(args: Args, kwargs: Kwargs) -> Iterator[tuple[int, Tensor]]:
    """Tensor arguments with their positions, those in lists included."""
    for at, value in enumerate((*args, *kwargs.values())):
        if isinstance(value, Tensor):
            yield at, value
        elif isinstance(value, list | tuple):
            yield from ((at, entry) for entry in value if isinstance(entry, Tensor))


def outputs_of(out: object) -> list[Tensor]:
    """Tensors that an op returned."""
    if isinstance(out, Tensor):
        return [out]
    return [o for o in out if isinstance(o, Tensor)] if isinstance(out, list | tuple) else []


def written(func: OpOverload, args: Args, kwargs: Kwargs) -> list[Tensor]:
    """Tensor arguments that an op writes to."""
    found: list[Tensor] = []
    if not func._schema.is_mutable:  # noqa: SLF001 - of ops it is the only description
        return found
    for at, argument in enumerate(func._schema.arguments):  # noqa: SLF001
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = args[at] if at < len(args) else kwargs.get(argument.name)
            found += outputs_of(value)
    return found


ADDED: Mapping[OpOverload, int] = {
    aten.addmm.default: 0,
    aten.baddbmm.default: 0,
    aten.addmv.default: 0,
    aten.linear.default: 2,
    aten.convolution.default: 2,
    aten._convolution.default: 2,  # noqa: SLF001
    aten.add.Tensor: 1,
    aten.add_.Tensor: 1,
    aten.native_layer_norm.default: 3,
}
"""The argument that is added to the outcome as it is."""
_FACTOR = {aten.addmm: "beta", aten.baddbmm: "beta", aten.addmv: "beta"}
_FACTOR |= {aten.add: "alpha", aten.add_: "alpha"}


def factor_of_added(func: OpOverload, kwargs: Kwargs) -> float:
    """What the added argument is multiplied by."""
    return float(kwargs.get(_FACTOR.get(func.overloadpacket, ""), 1))


SELECTIONS = {
    aten.index.Tensor,
    aten.index_select.default,
    aten.embedding.default,
    aten.gather.default,
}
"""They pick entries by data: what was picked may be multiplied with data only then."""
COPIES = {aten.clone.default, aten._to_copy.default}  # noqa: SLF001
CONSTANT = {
    packet.default
    for packet in (
        aten.new_zeros, aten.new_ones, aten.new_empty, aten.new_full,
        aten.zeros_like, aten.ones_like, aten.empty_like, aten.full_like,
    )
}  # fmt: skip
"""They ask data for its shape alone."""

Sum = Callable[[Args], int]


def _of_convolution(args: Args) -> int:
    weight, transposed, groups = args[1], args[6], args[8]
    if transposed:
        return int(weight[:, 0].numel() // groups)
    return int(weight[0].numel())


SUMS: Mapping[OpOverload, Sum] = {
    aten.mm.default: lambda args: int(args[1].shape[0]),
    aten.addmm.default: lambda args: int(args[2].shape[0]),
    aten.bmm.default: lambda args: int(args[1].shape[1]),
    aten.baddbmm.default: lambda args: int(args[2].shape[1]),
    aten.mv.default: lambda args: int(args[1].shape[0]),
    aten.dot.default: lambda args: int(args[1].shape[0]),
    aten.linear.default: lambda args: int(args[1].shape[-1]),
    aten.convolution.default: _of_convolution,
    aten._grouped_mm.default: lambda args: int(args[1].shape[-2]),  # noqa: SLF001
}
"""How many products each entry of a contraction sums."""
_ROWS = {
    aten.mm.default: (0, 1),
    aten.addmm.default: (1, 2),
    aten.bmm.default: (0, 1),
    aten.baddbmm.default: (1, 2),
    aten.linear.default: (0, 1),
}
MATRICES = frozenset(_ROWS)
"""Products of matrices."""
_SQUARED = {aten.convolution.default, aten._grouped_mm.default}  # noqa: SLF001
MOST = 256
"""Rows of data that an update is measured on; their rms differs little from that of all."""
_GOLDEN = (5**0.5 - 1) / 2
_HALF = {torch.float16, torch.bfloat16}


def product(func: OpOverload, args: Args, position: int, change: Tensor) -> Tensor | None:
    """What a change of one operand changes, of matrix products; None for other ops."""
    if func not in _ROWS:
        return None
    rows, columns = _operands(func, args, position, change)
    found: Tensor = rows @ columns
    return found


def squares(func: OpOverload, args: Args, position: int, change: Tensor) -> Tensor | None:
    """Mean over the outcome of the sum of squared products; None for what is no contraction.

    The change is used up: it may be squared where it lies.
    """
    if func in _ROWS:
        rows, columns = _operands(func, args, position, change)
        is_rows = _ROWS[func][0] == position
        left, right = _squared(rows, -2, own=is_rows), _squared(columns, -1, own=not is_rows)
        return (left * right).sum(-1).mean()
    if func in _SQUARED:
        first, second = (args[at] if at != position else change for at in (0, 1))
        rest = (None, *args[3:]) if func is aten.convolution.default else args[2:]
        out: Tensor = func(first.square(), second.square(), *rest).mean()
        return out
    return None


def _operands(func: OpOverload, args: Args, position: int, change: Tensor) -> tuple[Tensor, Tensor]:
    """Both factors; of the data, no more than `MOST` of its rows."""
    rows, columns = (args[at] if at != position else change for at in _ROWS[func])
    if func is aten.linear.default:
        rows, columns = rows.flatten(0, -2), columns.t()
    if _ROWS[func][0] == position:
        return rows, some(columns, -1)
    return some(rows, -2), columns


def some(data: Tensor, dim: int) -> Tensor:
    """So many places along a dimension, spread evenly and in step with no period of the data.

    >>> some(torch.arange(1000), 0)[:5].tolist()
    [0, 618, 236, 854, 472]
    """
    length = data.shape[dim]
    if length <= MOST:
        return data
    places = torch.arange(MOST, dtype=torch.float64) * _GOLDEN % 1 * length
    return data.index_select(dim, places.long().to(data.device))


def _squared(matrix: Tensor, dim: int, *, own: bool) -> Tensor:
    """Mean over rows, or columns, of the squares."""
    exact = matrix.float() if matrix.dtype in _HALF else matrix
    own = own or exact is not matrix
    squared = exact.square_() if own else exact.square()
    mean: Tensor = squared.sum(dim) / matrix.shape[dim]  # norms along one dim are slow
    return mean


_ONE = {
    aten.native_layer_norm, aten.native_group_norm, aten.native_batch_norm,
    aten._native_batch_norm_legit, aten._fused_rms_norm,  # noqa: SLF001
    aten.cat, aten.stack, aten.copy_, aten.embedding, aten.index, aten.index_select, aten.gather,
}  # fmt: skip


def contracted(func: OpOverload, args: Args, position: int) -> int | None:
    """How many products of an argument each entry of the outcome sums; None if not known."""
    if ADDED.get(func) == position or func.overloadpacket in _ONE:
        return 1
    if func in SUMS:
        return SUMS[func](args)
    return 1 if torch.Tag.pointwise in func.tags else None

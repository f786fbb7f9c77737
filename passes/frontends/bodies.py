"""Higher-order ops run as what they mean, so that a recorder sees the ops of their bodies.

``cond`` takes the branch that its predicate chooses, loops go round, scans and maps go entry by
entry along axis zero. Other higher-order ops run as they are.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.utils import _pytree as pytree

Body = Callable[..., Any]
Values = Sequence[Any]
Thunk = Callable[[], Any]


def entered(op: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Thunk | None:
    """The call of a higher-order op that is entered, ready to run; None for any other op."""
    meaning = MEANINGS.get(getattr(op, "_name", "")) if _is_higher(op) else None
    return None if meaning is None else lambda: meaning(*args, **kwargs)


def _is_higher(op: object) -> bool:
    return isinstance(op, torch._ops.HigherOrderOperator)


def _cond(pred: Any, true: Body, false: Body, operands: Values) -> Any:
    return (true if pred else false)(*operands)


def _while_loop(condition: Body, body: Body, carried: Values, beside: Values) -> Values:
    while condition(*carried, *beside):
        carried = body(*carried, *beside)
    return carried


def _scan(combine: Body, init: Values, xs: Values, beside: Values) -> Values:
    carried, rows = list(init), []
    for i in range(len(xs[0])):
        found = list(combine(*carried, *(x.select(0, i) for x in xs), *beside))
        carried = found[: len(init)]
        rows.append(found[len(init) :])
    return *carried, *(torch.stack(column) for column in zip(*rows, strict=True))


def _map(body: Body, xs: Values, beside: Values) -> Any:
    rows = [body(*(x.select(0, i) for x in xs), *beside) for i in range(len(xs[0]))]
    return pytree.tree_map(lambda *column: torch.stack(column), *rows)


def _associative_scan(combine: Body, xs: Values, beside: Values) -> Values:
    rows = [[x.select(0, 0) for x in xs]]
    for i in range(1, len(xs[0])):
        rows.append(list(combine(*rows[-1], *(x.select(0, i) for x in xs), *beside)))
    return tuple(torch.stack(column) for column in zip(*rows, strict=True))


def _flex_attention(*args: Any, **kwargs: Any) -> Any:
    """Attention written out: a product, the user's changes to the scores, softmax, a product."""
    dense = torch.ops.higher_order.flex_attention.py_kernels
    return dense[torch._C.DispatchKey.CompositeExplicitAutograd](*args, **kwargs)


MEANINGS: Mapping[str, Body] = {
    "cond": _cond,
    "while_loop": _while_loop,
    "scan": _scan,
    "map_impl": _map,
    "associative_scan": _associative_scan,
    "flex_attention": _flex_attention,
}

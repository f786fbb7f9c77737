"""Higher-order ops: run as what they mean, so that a recorder sees the ops of their bodies.

Of ``cond`` both branches are run, and joined entry by entry; loops go round, once at least; scans
and maps go entry by entry along axis zero. A tracer's graph keeps such bodies apart, with
parameters that nobody can name: it is refused.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import fx
from torch.utils import _pytree as pytree

from mupfx.passes.frontends.traced import OutOfTraceError

Body = Callable[..., Any]
Values = Sequence[Any]
Thunk = Callable[[], Any]

REGIONS = frozenset(
    {
        "wrap_with_set_grad_enabled", "wrap_with_autocast", "wrap_activation_checkpoint",
        "tag_activation_checkpoint", "hints_wrapper",
    }
)  # fmt: skip
"""Higher-order ops that run one body, on everything that it reads."""


def require_ops(graph: fx.Graph) -> None:
    """Refuse a graph with anything in it that is neither an op nor a region of ops."""
    for node in graph.nodes:
        if node.op == "call_function" and not _is_plain(node):
            raise OutOfTraceError(f"{node.target} is not entered by this way of tracing")


def _is_plain(node: fx.Node) -> bool:
    if _is_higher(node.target):
        bodies = [n for n in node.all_input_nodes if n.op == "get_attr" and "val" not in n.meta]
        return not bodies or node.target._name in REGIONS  # type: ignore[union-attr]
    if isinstance(node.target, torch._ops.OpOverload) or node.target is operator.getitem:
        return True
    return not isinstance(node.meta.get("val"), torch.Tensor)


def entered(op: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Thunk | None:
    """The call of a higher-order op that is entered, ready to run; None for any other op."""
    meaning = MEANINGS.get(getattr(op, "_name", "")) if _is_higher(op) else None
    return None if meaning is None else lambda: meaning(*args, **kwargs)


def _is_higher(op: object) -> bool:
    return isinstance(op, torch._ops.HigherOrderOperator)


def _cond(pred: Any, true: Body, false: Body, operands: Values) -> Any:
    return _joined(pred, true(*operands), false(*operands))


def _joined(pred: Any, left: Any, right: Any) -> Any:
    """What a choice gives, and the op that says so: alike entry by entry, whichever is taken."""
    if not isinstance(pred, torch.Tensor):
        return left if pred else right

    def join(a: Any, b: Any) -> Any:
        return torch.where(pred, a, b) if isinstance(a, torch.Tensor) else a

    return pytree.tree_map(join, left, right)


def _while_loop(condition: Body, body: Body, carried: Values, beside: Values) -> Values:
    goes = condition(*carried, *beside)
    carried = _joined(goes, tuple(body(*carried, *beside)), tuple(carried))
    while not _is_meta(goes) and condition(*carried, *beside):
        carried = body(*carried, *beside)
    return carried


def _is_meta(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_meta


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

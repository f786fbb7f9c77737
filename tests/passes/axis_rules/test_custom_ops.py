"""Ops that no rule knows: custom ops of every make, Triton kernels, higher-order ops."""

import operator
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn
from torch._higher_order_ops.triton_kernel_wrap import (
    triton_kernel_wrapper_functional,
    triton_kernel_wrapper_mutation,
)

import mupfx
from mupfx.passes import axes
from mupfx.passes.axis_rules.tracker import Tracker
from tests.passes.axis_rules.notation import Case, case, check, ints
from tests.passes.axis_rules.test_probe import custom


def _flash(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """As ``flash_attn``: batch, length, heads, size; heads of keys divide those of queries."""
    if q.shape[0] != k.shape[0] or q.shape[3] != k.shape[3] or q.shape[2] % k.shape[2]:
        raise ValueError("sizes")
    if k.shape[:3] != v.shape[:3]:
        raise ValueError("sizes")
    return q.new_empty(*q.shape[:3], v.shape[3])


def _experts(x: Tensor, w: Tensor, ends: Tensor) -> Tensor:
    """As ``grouped_mm_fallback``: rows in order of their expert, and where each expert's end."""
    if x.shape[1] != w.shape[1] or ends.shape[0] != w.shape[0]:
        raise ValueError("sizes")
    return x.new_empty(x.shape[0], w.shape[2])


def _heads(x: Tensor, heads: int, size: int) -> Tensor:
    if x.shape[1] != heads * size:
        raise ValueError("sizes")
    return x.new_empty(x.shape[0], heads, size)


def _flat(x: Tensor, w: Tensor) -> Tensor:
    if x.shape[1] != w.shape[0] * w.shape[1]:
        raise ValueError("sizes")
    return x.new_empty(x.shape[0], w.shape[2])


def _join(x: Tensor, y: Tensor) -> Tensor:
    if x.shape[0] != y.shape[0]:
        raise ValueError("sizes")
    return x.new_empty(x.shape[0], x.shape[1] + y.shape[1])


def _kept(x: Tensor, mask: Tensor) -> Tensor:
    return x.new_empty(torch.library.get_ctx().new_dynamic_size(), x.shape[1])


def _by_eight(x: Tensor) -> Tensor:
    if x.shape[1] % 3:
        raise ValueError("sizes")
    return torch.empty_like(x)


def _norm(x: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    if x.shape[-1:] != g.shape:
        raise ValueError("sizes")
    return torch.empty_like(x), x.new_empty(x.shape[:-1])


def _sized(x: Tensor, size: int) -> Tensor:
    if x.shape[1] != size:
        raise ValueError("sizes")
    return x.new_empty(x.shape[0], size)


def _turn(x: Tensor, rotary: Tensor) -> Tensor:
    if rotary.shape[0] != 2 or rotary.shape[1] != x.shape[1]:
        raise ValueError("sizes")
    return torch.empty_like(x)


flash = custom("flash", _flash, "(Tensor q, Tensor k, Tensor v) -> Tensor")
experts = custom("experts", _experts, "(Tensor x, Tensor w, Tensor ends) -> Tensor")
heads = custom("heads", _heads, "(Tensor x, int heads, int size) -> Tensor")
flatten = custom("flatten", _flat, "(Tensor x, Tensor w) -> Tensor")
join = custom("join", _join, "(Tensor x, Tensor y) -> Tensor")
outer = custom(
    "outer_flat",
    lambda x, y: x.new_empty(x.shape[0] * y.shape[0]),
    "(Tensor x, Tensor y) -> Tensor",
)
kept = custom("kept", _kept, "(Tensor x, Tensor mask) -> Tensor")
threes = custom("threes", _by_eight, "(Tensor x) -> Tensor")
norm = custom("norm", _norm, "(Tensor x, Tensor g) -> (Tensor, Tensor)")
sized = custom("sized", _sized, "(Tensor x, int size) -> Tensor")
turn = custom("turn", _turn, "(Tensor x, Tensor rotary) -> Tensor")
swap = custom("swap_", lambda x, y: None, "(Tensor(a!) x, Tensor y) -> ()")

CASES = [
    case("b t h e, b s k e, b s k v -> b t h v", flash, (2, 3, 10, 7), (2, 11, 5, 7), (2, 11, 5, 13)),
    # as many heads, and every size the same
    case("b t h e, b s k e, b s k v -> b t h v", flash, (4, 4, 4, 4), (4, 4, 4, 4), (4, 4, 4, 4)),
    case("n i, *g@ i' o, g -> n o; selection g", experts, (6, 5), (3, 5, 7), ints(3)),
    case("b c -> b h d", lambda x: heads(x, 5, 7), (2, 35)),
    case("b c, *h' d' o -> b o", flatten, (2, 35), (5, 7, 11)),
    case("b c, b d -> b e", join, (2, 3), (2, 5)),
    case("a, b -> c", outer, (3,), (5,)),
    case("n b, c d -> m b; selection c d; input m", kept, (2, 3), ints(5, 7)),
    case("a b -> a b", threes, (2, 6)),
    case("a b, *b -> a b, a", norm, (2, 3), (3,)),
    case("a b -> a b", lambda x: sized(x, 3), (2, 3)),
    # what an op takes exactly two of is a part
    case("a b, n b -> a b; parts n", turn, (3, 5), (2, 5)),
]  # fmt: skip


@pytest.mark.parametrize("row", CASES, ids=str)
def test_custom_ops_of_other_makes(row: Case) -> None:
    check(row)


class Between(nn.Module):
    """Two layers with a call between them."""

    def __init__(self, call: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.call = call
        self.first, self.second = nn.Linear(3, 16), nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        hidden: Tensor = self.second(self.call(self.first(x)))
        return hidden


def test_a_size_given_as_a_number_lets_width_through() -> None:
    found = mupfx.analyze(Between(lambda x: sized(x, 16)), torch.zeros(2, 3))
    assert not found.axes.unknown_ops
    first, second = (found.axes.parameters[f"{n}.weight"] for n in ("first", "second"))
    assert first[0] == second[1]


def _graph(node: Callable[[fx.Graph, fx.Node, fx.Node], fx.Node]) -> tuple[Tracker, list[fx.Node]]:
    graph = fx.Graph()
    given = [graph.placeholder(name) for name in "xy"]
    tracker = Tracker({})
    for source in given:
        source.meta["val"] = torch.empty(3, 5, device="meta")
        tracker.start(source, None, None, "")
        tracker.active.add(source)
    made = node(graph, *given)
    axes._step(tracker, made)
    return tracker, [*given, made]


def test_an_op_that_only_writes_and_ties_nothing_is_reported() -> None:
    tracker, _ = _graph(lambda g, x, y: g.call_function(swap.default, (x, y)))
    (text,) = tracker.unknown.values()
    assert text == (
        "mupfx_tests.swap_.default writes into its arguments and ties no axes of theirs, at swap__default"
    )


def _triton(graph: fx.Graph, x: fx.Node, y: fx.Node) -> fx.Node:
    made = graph.call_function(
        triton_kernel_wrapper_functional,
        kwargs={"kernel_idx": 0, "kwargs": {"a": x, "out": y}, "tensors_to_clone": ["out"]},
    )
    made.meta["val"] = {"out": torch.empty(3, 5, device="meta")}
    return made


def test_a_triton_kernel_gives_back_what_it_was_given() -> None:
    tracker, (_, y, made) = _graph(_triton)
    pick = made.graph.call_function(operator.getitem, (made, "out"))
    pick.meta["val"] = torch.empty(3, 5, device="meta")
    axes._step(tracker, pick)
    assert tracker.env[pick] == tracker.env[y]
    (text,) = tracker.unknown.values()
    assert "triton_kernel_wrapper_functional is a Triton kernel: which axes" in text


def test_a_triton_kernel_that_writes_is_reported() -> None:
    tracker, _ = _graph(
        lambda g, x, y: g.call_function(
            triton_kernel_wrapper_mutation, kwargs={"kernel_idx": 0, "kwargs": {"a": x, "out": y}}
        )
    )
    (text,) = tracker.unknown.values()
    assert "triton_kernel_wrapper_mutation is a Triton kernel" in text


def _higher(graph: fx.Graph, x: fx.Node, y: fx.Node) -> fx.Node:
    made = graph.call_function(torch.ops.higher_order.associative_scan, (x, y))
    made.meta["val"] = torch.empty(3, 5, device="meta")
    made.meta["stack_trace"] = 'File "net.py", line 7, in forward\n    return scan(x, y)'
    return made


def test_a_higher_order_op_that_is_not_entered_is_named_with_its_line() -> None:
    tracker, _ = _graph(_higher)
    (text,) = tracker.unknown.values()
    assert text == (
        "associative_scan is a higher-order op that capture does not enter, "
        "at net.py:7 return scan(x, y)"
    )


def _packed(graph: fx.Graph, x: fx.Node, y: fx.Node) -> fx.Node:
    made = graph.call_function(torch.ops.aten._weight_int4pack_mm.default, (x, y, 32, y))
    made.meta["val"] = torch.empty(3, 5, device="meta")
    return made


def test_an_unsupported_op_is_reported_with_its_reason() -> None:
    tracker, _ = _graph(_packed)
    (text,) = tracker.unknown.values()
    assert "is not supported: its weight is packed, so that its axes are not its own" in text


def test_strict_mode_refuses_with_that_reason() -> None:
    model: Any = Between(torch.ops.mupfx_tests.stubborn)
    with pytest.raises(mupfx.AnalysisError, match="its fake kernel refuses other sizes"):
        mupfx.convert(model, torch.zeros(2, 3), base={"c0": 4})


def test_a_refused_size_is_not_logged(capfd: pytest.CaptureFixture[str]) -> None:
    def multiply(x: Tensor, w: Tensor) -> Tensor:
        return torch.mm(x, w)

    op = custom("multiply", multiply, "(Tensor x, Tensor w) -> Tensor")
    check(case("n i, *i' o -> n o", op, (3, 5), (5, 7)))
    assert "failed while attempting to run meta" not in capfd.readouterr().err

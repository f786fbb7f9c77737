"""Rule against probe, op by op: which axes each says are the same.

An op stands alone in a graph of its own, its tensors all activations. What is compared are pairs of
axes, ``("in", 0, 1)`` for axis one of the first tensor that goes in, ``("out", 0, 1)`` of the first
result, that are one class to one of the two and not to the other. Pairs of results alone are left
out (a probe sees what follows an input), and so are axes of size zero and one.
"""

import sys
import types
import unittest
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import combinations, islice
from math import prod
from typing import Any

import torch
from torch import fx
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from mupfx.core.program import extent
from mupfx.passes import axes
from mupfx.passes.axis_rules import rule_of
from mupfx.passes.axis_rules.call import Call, is_tensor
from mupfx.passes.axis_rules.factors import Dims, expand
from mupfx.passes.axis_rules.probe import probe
from mupfx.passes.axis_rules.tracker import Rule, Tracker

Axis = tuple[str, int, int]
Pairs = frozenset[tuple[Axis, Axis]]
Asked = Callable[[Tracker, Call], Dims | list[Dims] | None]


def op_infos() -> list[Any]:
    """Torch's database of ops with samples; it asks for a module that only its own tests need."""
    stub: Any = types.ModuleType("expecttest")
    stub.TestCase = unittest.TestCase
    missing = "expecttest" not in sys.modules
    if missing:
        sys.modules["expecttest"] = stub
    try:
        module = import_module("torch.testing._internal.common_methods_invocations")
    finally:
        if missing:
            del sys.modules["expecttest"]
    return list(module.op_db)


def samples(info: Any, most: int) -> list[Any]:
    """The first few samples of an op on CPU."""
    if torch.float32 not in info.supported_dtypes("cpu"):
        return []
    return list(islice(info.sample_inputs("cpu", torch.float32, requires_grad=False), most))


def graph_of(info: Any, sample: Any) -> fx.GraphModule | None:
    """The graph of one sample; None where torch cannot trace it."""
    leaves, spec = pytree.tree_flatten((sample.input, sample.args, sample.kwargs))
    tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]

    def call(*given: torch.Tensor) -> Any:
        rest = iter(given)
        back = [next(rest) if isinstance(x, torch.Tensor) else x for x in leaves]
        first, args, kwargs = pytree.tree_unflatten(back, spec)
        return info(first, *args, **kwargs)

    try:
        made: fx.GraphModule = make_fx(call, tracing_mode="fake", pre_dispatch=True)(*tensors)
    except Exception:  # noqa: BLE001 - whatever a fake kernel of torch's does not know
        return None
    return made


def ruled(graph: fx.GraphModule) -> Iterator[tuple[fx.Node, Rule]]:
    """Nodes that give tensors, and have a rule."""
    for node in graph.graph.nodes:
        if isinstance(node.target, torch._ops.OpOverload) and _results(node):
            rule = rule_of(node.target)
            if rule is not None:
                yield node, rule


def _results(node: fx.Node) -> list[torch.Tensor]:
    value = node.meta.get("val")
    leaves = value if isinstance(value, tuple | list) else [value]
    return [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]


def pairs(node: fx.Node, how: Asked) -> Pairs | None:
    """Pairs of axes that are one class; None where nothing can be said."""
    tracker = Tracker({})
    given = [n for n in node.all_input_nodes if is_tensor(n)]
    for source in given:
        tracker.start(source, None, None, "")
        tracker.active.add(source)
    call = Call(node, tracker.env, tracker.base)
    dims = how(tracker, call)
    if dims is None:
        return None
    assert not tracker.conflicts, tracker.conflicts
    results = _of_tensors(call, dims)
    places: dict[Axis, tuple[int, ...]] = {}
    for i, source in enumerate(given):
        places |= {("in", i, d): _classes(dim) for d, dim in enumerate(call.dims(source))}
    for i, (made, value) in enumerate(zip(results, _results(node), strict=True)):
        _require_sizes(made, value)
        places |= {("out", i, d): _classes(dim) for d, dim in enumerate(made)}
    return frozenset(
        (a, b)
        for a, b in combinations(places, 2)
        if a[0] == "in" and places[a] and places[a] == places[b]
    )


def _of_tensors(call: Call, dims: Dims | list[Dims]) -> list[Dims]:
    value = call.node.meta["val"]
    if isinstance(value, torch.Tensor):
        assert not isinstance(dims, list)
        return [dims]
    every = dims if isinstance(dims, list) else axes._each(call, dims)
    return [d for d, v in zip(every, value, strict=True) if isinstance(v, torch.Tensor)]


def _classes(dim: Any) -> tuple[int, ...]:
    return tuple(id(piece.factor) for piece in expand(dim))


def _require_sizes(dims: Dims, value: torch.Tensor) -> None:
    """A rule gives axes of the sizes that the op gave."""
    found = [prod(piece.factor.size[0] for piece in expand(dim)) for dim in dims]
    assert found == [extent(n) for n in value.shape], found


def is_empty(node: fx.Node) -> bool:
    """Whether an axis has no entry, so that nothing can be made longer."""
    values = [n.meta["val"] for n in node.all_input_nodes if is_tensor(n)]
    return any(0 in map(extent, value.shape) for value in [*values, *_results(node)])


def compare(node: fx.Node, rule: Rule) -> tuple[Pairs, Pairs] | None:
    """What the rule alone says, and what the probe alone; None where the probe cannot run."""
    by_probe = pairs(node, probe)
    by_rule = pairs(node, rule)
    if by_probe is None or by_rule is None:
        return None
    return by_rule - by_probe, by_probe - by_rule

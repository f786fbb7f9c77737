"""Axis inference: which factors of which axes must be equal, and which of them are width.

One walk over the graph asks each op's rule how its result's axes follow from its operands'.
Factors that must be equal are joined, and split where a reshape cuts through them. Nothing is
joined because two sizes happen to agree. Llama's query projection comes out as
``(kv_heads, group, head_dim), (width,)``.
"""

import operator
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import fx

from mupfx.core.axes import Axes
from mupfx.core.ops import holds_floats
from mupfx.core.program import Program
from mupfx.core.vocabulary import Reason
from mupfx.passes.axis_rules import opaque, rule_of
from mupfx.passes.axis_rules.call import Call, is_tensor
from mupfx.passes.axis_rules.factors import (
    Dim,
    Dims,
    Factor,
    Piece,
    Size,
    expand,
    fresh,
    mark,
    size_of,
)
from mupfx.passes.axis_rules.facts import Facts
from mupfx.passes.axis_rules.freeze import freeze
from mupfx.passes.axis_rules.kinds import settle
from mupfx.passes.axis_rules.tracker import FEATURES, Tracker

Twins = Mapping[fx.Node, fx.Node]


def infer_axes(program: Program, *, twins: Twins | None = None, grow: str = "heads") -> Axes:
    """Factor classes of every tensor.

    Args:
        program: The captured model.
        twins: The same node in the base's graph, where a base is given; sizes then come in pairs.
        grow: Without a base: ``"heads"`` if wider means more heads, ``"head_dim"`` if larger ones.
    """
    tracker = Tracker(twins or {})
    for node in program.graph.nodes:
        _visit(tracker, program, node)
    parameters = _parameters(tracker, program)
    roots = tuple(_roots(tracker))
    facts = Facts(tracker, parameters, roots, grow)
    answers = settle(facts)
    return freeze(tracker, parameters, roots, answers)


def _visit(tracker: Tracker, program: Program, node: fx.Node) -> None:
    if node.op == "placeholder":
        _start(tracker, program, node)
    elif node.op == "get_attr":
        if is_tensor(node):
            tracker.start(node, None, None, "")
    elif node.op == "output":
        _finish(tracker, node)
    elif node.op == "call_function":
        _step(tracker, node)


def _start(tracker: Tracker, program: Program, node: fx.Node) -> None:
    if not is_tensor(node):
        return
    name = program.parameters.get(node.name)
    if name is not None or node.name in program.buffers:
        tracker.start(node, name, None, "")
        return
    tracker.start(node, None, Reason.INPUT, f"an axis of input {node.name}")
    tracker.active.add(node)
    dims = tracker.env[node]
    if isinstance(dims, tuple) and holds_floats(node) and len(dims) > 1:
        mark(dims[-1], FEATURES, f"the last axis of input {node.name}")


def _finish(tracker: Tracker, node: fx.Node) -> None:
    for source in node.all_input_nodes:
        value = tracker.env.get(source)
        for dims in value if isinstance(value, list) else [value] if value else []:
            for dim in dims:
                mark(dim, Reason.OUTPUT, f"an axis of the output {source.name}")


def _step(tracker: Tracker, node: fx.Node) -> None:
    if node.target is operator.getitem:
        _pick(tracker, node)
        return
    value, call = node.meta.get("val"), Call(node, tracker.env, tracker.base)
    if isinstance(value, torch.Tensor | tuple | list):
        dims = _axes(tracker, call)
    elif isinstance(value, dict):
        dims = opaque.by_name(tracker, call)
    else:
        opaque.written(tracker, call)
        return
    tracker.env[node] = dims
    tracker.settle(node)


def _axes(tracker: Tracker, call: Call) -> Dims | list[Dims]:
    node = call.node
    rule = rule_of(node.target) if isinstance(node.target, torch._ops.OpOverload) else None
    dims = opaque.ask(tracker, call) if rule is None else rule(tracker, call)
    if dims is None:
        return _unknown(call)
    if not is_tensor(node):
        dims = dims if isinstance(dims, list) else _each(call, dims)
        return _fitting(tracker, call, dims)
    if isinstance(dims, list) or not _fits(dims, call.out):
        opaque.note(tracker, node, opaque.WRONG_SIZES)
        return _unknown(call)
    return dims


def _fitting(tracker: Tracker, call: Call, results: list[Dims]) -> list[Dims]:
    """Axes of several results; those with other sizes than the op gave are not believed."""
    shapes = call.outs
    if len(results) != len(shapes):
        opaque.note(tracker, call.node, opaque.WRONG_SIZES)
        return [tuple(fresh(size) for size in sizes) for sizes in shapes]
    made = []
    for value, dims, sizes in zip(call.node.meta["val"], results, shapes, strict=True):
        fits = _fits(dims, sizes)
        if not fits and isinstance(value, torch.Tensor):
            opaque.note(tracker, call.node, opaque.WRONG_SIZES)
        made.append(dims if fits else tuple(fresh(size) for size in sizes))
    return made


def _fits(dims: Dims, sizes: Sequence[Size]) -> bool:
    """Whether dimensions have the sizes of the result: a rule that errs is not believed."""
    return len(dims) == len(sizes) and all(
        size_of(dim, size) == size for dim, size in zip(dims, sizes, strict=True)
    )


def _pick(tracker: Tracker, node: fx.Node) -> None:
    source, position = node.args
    assert isinstance(source, fx.Node)
    value = tracker.env.get(source)
    if not isinstance(value, list):
        return
    if isinstance(position, str):  # a Triton kernel's results have names
        position = list(source.meta["val"]).index(position)
    assert isinstance(position, int)
    tracker.env[node] = value[position]
    for table in (tracker.producer, tracker.before, tracker.scaled, tracker.sources):
        if source in table:
            table[node] = table[source]  # type: ignore[assignment]
    for nodes in (tracker.active, tracker.learned_nodes):
        if source in nodes:
            nodes.add(node)


def _unknown(call: Call) -> Dims | list[Dims]:
    if is_tensor(call.node):
        return tuple(fresh(size) for size in call.out)
    return [tuple(fresh(size) for size in sizes) for sizes in call.outs]


def _each(call: Call, dims: Dims) -> list[Dims]:
    """One result's axes for every result that has as many."""
    return [
        tuple(
            dim if size_of(dim, size) == size else fresh(size)
            for dim, size in zip(dims, sizes, strict=True)
        )
        if len(sizes) == len(dims)
        else tuple(fresh(size) for size in sizes)
        for sizes in call.outs
    ]


def _parameters(tracker: Tracker, program: Program) -> dict[str, tuple[Dim, ...]]:
    """Dimensions of every reached parameter, by name; tied placeholders are joined."""
    found: dict[str, tuple[Dim, ...]] = {}
    for node in program.graph.nodes:
        name = program.parameters.get(node.name)
        dims = tracker.env.get(node)
        if name is None or not isinstance(dims, tuple) or not node.users:
            continue
        for mine, theirs in zip(found.get(name, ()), dims, strict=False):
            tracker.unify(Call(node, tracker.env, tracker.base), mine, theirs)
        found.setdefault(name, dims)
    return {name: found[name] for name in program.shapes if name in found}


def _roots(tracker: Tracker) -> Iterator[Factor]:
    seen: set[int] = set()
    queue: list[Piece] = []
    for value in tracker.env.values():
        for dims in value if isinstance(value, list) else [value] if value else []:
            queue += [piece for dim in dims for piece in dim]
    while queue:
        for piece in expand([queue.pop()]):
            factor = piece.factor
            if id(factor) not in seen:
                seen.add(id(factor))
                yield factor
                queue += [p for part in factor.parts.values() for p in part]

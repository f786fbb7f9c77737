"""Axis maps as text, and what a rule really gives in the same words.

One term a tensor, inputs before the arrow, results after; one token a dimension::

    b t (h d) -> b h t d          a group is one dimension made of several factors, 1 has none
    b i, *o i', *o -> b o         * is a parameter, ' a dimension that its use contracts
    b t, *v@ d -> b t d           @ a dimension that its use looks up
    b n -> b k; selection n k     factors that the op marks

Equal letters are one factor class, other letters other ones: letters are renamed in order of their
appearance before two texts are compared, so only the pattern of equality counts.
"""

import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import fx
from torch.fx.experimental.proxy_tensor import make_fx

from mupfx.core.vocabulary import Kind, Reason, Status
from mupfx.passes import axes
from mupfx.passes.axis_rules import RULES, _functional
from mupfx.passes.axis_rules.factors import Dim, Dims, expand
from mupfx.passes.axis_rules.facts import Answer, Answers, Facts
from mupfx.passes.axis_rules.freeze import _complete
from mupfx.passes.axis_rules.tracker import Tracker

Shape = tuple[int, ...]
Letters = dict[int | str, str]
MARKS = (Reason.SPATIAL, Reason.INDEX, Reason.SELECTION, Reason.PARTS, Reason.INPUT)


@dataclass(frozen=True, eq=False)
class Case:
    """A call, what it is called on, and the axis map it must have."""

    expected: str
    call: Callable[..., Any]
    inputs: tuple[Any, ...]
    """Shapes of float tensors, or tensors of other kinds."""
    kernel: Any = None
    """An op that runs on other devices alone: ``call`` then gives its arguments."""
    outs: tuple[Any, ...] = ()
    """Shapes of that op's results, or of its only one."""

    def __str__(self) -> str:
        return self.expected


def case(expected: str, call: Callable[..., Any], *inputs: Any) -> Case:
    """A row of a table."""
    return Case(expected, call, inputs)


def kernel(
    expected: str, op: Any, outs: Sequence[Shape] | Shape, call: Callable[..., Any], *inputs: Any
) -> Case:
    """A row about an op that does not run here."""
    return Case(expected, call, inputs, op, tuple(outs))


def ints(*shape: int, below: int = 2) -> torch.Tensor:
    """Indices."""
    return torch.arange(torch.Size(shape).numel()).reshape(shape) % below


def mask(*shape: int) -> torch.Tensor:
    """Every other entry."""
    return ints(*shape) == 0


@cache
def trace(row: Case) -> fx.GraphModule:
    """The graph of a call, composite ops kept."""
    made = [torch.zeros(x) if isinstance(x, tuple) else x for x in row.inputs]
    if row.kernel is not None:
        return _by_hand(row, made)

    def call(*tensors: torch.Tensor) -> Any:
        return row.call(*tensors)

    graph: fx.GraphModule = make_fx(call, tracing_mode="fake", pre_dispatch=True)(*made)
    return graph


def _by_hand(row: Case, inputs: Sequence[torch.Tensor]) -> fx.GraphModule:
    graph = fx.Graph()
    nodes = []
    for i, value in enumerate(inputs):
        nodes.append(graph.placeholder(f"x{i}"))
        nodes[-1].meta["val"] = value
    made = graph.call_function(row.kernel, tuple(row.call(*nodes)))
    made.meta["val"] = _empty(row.outs)
    picks = [made] if isinstance(made.meta["val"], torch.Tensor) else _picks(graph, made)
    graph.output(tuple(picks))
    return fx.GraphModule({}, graph)


def _empty(outs: tuple[Any, ...]) -> Any:
    if not outs or isinstance(outs[0], int):
        return torch.empty(outs, device="meta")
    return tuple(map(_empty, outs))


def _picks(graph: fx.Graph, made: fx.Node) -> list[fx.Node]:
    picks = []
    for i, value in enumerate(made.meta["val"]):
        picks.append(graph.call_function(operator.getitem, (made, i)))
        picks[-1].meta["val"] = value
    return picks


def keys(row: Case) -> set[object]:
    """Rows of the rule tables that a call asks."""
    found: set[object] = set()
    for node in trace(row).graph.nodes:
        if isinstance(node.target, torch._ops.OpOverload):
            packet = node.target.overloadpacket
            asked = (node.target, packet, _functional(packet))
            found |= set([key for key in asked if key in RULES][:1])
    return found


def walk(row: Case) -> tuple[Tracker, list[fx.Node], list[Dims]]:
    """The tracker behind a call, its inputs, and the axes of its results."""
    starred = ["*" in term for term in row.expected.partition("->")[0].split(",")]
    tracker = Tracker({})
    inputs: list[fx.Node] = []
    results: list[Dims] = []
    for node in trace(row).graph.nodes:
        if node.op == "placeholder":
            weight = starred[len(inputs)]
            tracker.start(node, f"p{len(inputs)}" if weight else None, None, "")
            if not weight:
                tracker.active.add(node)
            inputs.append(node)
        elif node.op == "call_function":
            axes._step(tracker, node)
        elif node.op == "output":
            results = list(_results(tracker, node))
    return tracker, inputs, results


def _results(tracker: Tracker, node: fx.Node) -> Iterator[Dims]:
    for source in node.all_input_nodes:
        value = tracker.env[source]
        yield from value if isinstance(value, list) else [value or ()]


def actual(row: Case) -> str:
    """The axis map that the rules give."""
    tracker, inputs, results = walk(row)
    assert not tracker.unknown, tracker.unknown
    assert not tracker.conflicts, tracker.conflicts
    letters: Letters = {}
    terms = [_input(tracker, letters, node, i) for i, node in enumerate(inputs)]
    outs = [_term(letters, dims) for dims in results]
    text = f"{', '.join(terms)} -> {', '.join(outs)}"
    marked = [d for node in inputs for d in _dims(tracker, node)]
    marked += [d for dims in results for d in dims]
    return text + "".join(_marks(letters, marked))


def _dims(tracker: Tracker, node: fx.Node) -> Dims:
    value = tracker.env[node]
    assert isinstance(value, tuple)
    return value


def _input(tracker: Tracker, letters: Letters, node: fx.Node, position: int) -> str:
    name = f"p{position}"
    facts = Facts(tracker, {name: _dims(tracker, node)}, (), "")
    answers: Answers = defaultdict(lambda: Answer(Kind.FINITE, Status.CERTAIN, None, ""))
    uses = [_complete(use, facts, answers) for use in tracker.uses if use.parameter == name]
    signs = {d: "'" for use in uses for d in use.fan_in}
    signs |= {d: "@" for use in uses for d in use.index}
    star = "*" if node in tracker.sources else ""
    return star + _term(letters, _dims(tracker, node), signs)


def _term(letters: Letters, dims: Dims, signs: dict[int, str] | None = None) -> str:
    return " ".join(_token(letters, dim) + (signs or {}).get(d, "") for d, dim in enumerate(dims))


def _token(letters: Letters, dim: Dim) -> str:
    found = [_letter(letters, id(piece.factor)) for piece in expand(dim)]
    return "1" if not found else found[0] if len(found) == 1 else f"({' '.join(found)})"


def _letter(letters: Letters, key: int | str) -> str:
    return letters.setdefault(key, f"x{len(letters)}")


def _marks(letters: Letters, dims: Iterable[Dim]) -> Iterator[str]:
    factors = {id(p.factor): p.factor for dim in dims for p in expand(dim)}
    for word in MARKS:
        found = sorted(letters[i] for i, factor in factors.items() if word in factor.marks)
        if found:
            yield f"; {word} {' '.join(found)}"


def wanted(row: Case) -> str:
    """The expected text with letters renamed in order of appearance."""
    letters: Letters = {}
    text, *marks = row.expected.split("; ")
    out = "".join(_letter(letters, c) if c.isalpha() else c for c in text)
    rows = [m.split() for m in marks]
    ordered = sorted(rows, key=lambda r: MARKS.index(Reason(r[0])))
    return out + "".join(
        f"; {word} {' '.join(sorted(letters[c] for c in named))}" for word, *named in ordered
    )


def check(row: Case) -> None:
    """Assert that the rules give the expected map."""
    found = actual(row)
    assert found == wanted(row), f"{row.expected}: {found}"


def covered(tables: Sequence[Sequence[Case]]) -> set[object]:
    """Rows of the rule tables that some case asks."""
    return {key for table in tables for row in table for key in keys(row)}

"""Coordinates of every op: their size, their change since the start, and what weights did to it.

Quantities, for an op ``y = op(x, W)`` at step ``t``::

    rms, mean_abs   of y_t
    update          rms of y_t - y_0
    own_update      rms of op(x_t, W_t) - op(x_t, W_0): what the op's own weights moved
    update_mean_abs, own_update_mean_abs   mean absolute values of the same

Nothing is kept but numbers, a sample of every op's entries, and the weights at the start. Own
updates are taken on a sample of rows where the op treats rows alike.
"""

from collections.abc import Collection, Iterable, Mapping
from math import sqrt
from typing import Any

import torch
from torch import Tensor, fx

from mupfx.core.ops import packet
from mupfx.observables.graph import Kind, ModelGraph, Turn
from mupfx.observables.running import Inputs, Values, first_tensor
from mupfx.observables.sketch import absolute, length, of_rows, per_entry, sample, spaced

aten = torch.ops.aten
ROWS = 64
BY_EXAMPLES = frozenset(
    {
        aten.conv1d, aten.conv2d, aten.conv3d, aten.convolution, aten.conv_transpose1d,
        aten.conv_transpose2d, aten.conv_transpose3d,
    }
)  # fmt: skip
"""Ops whose result for some examples is that of these examples."""
EXAMPLES = 4
BY_ROWS = frozenset({aten.linear, aten.layer_norm, aten.rms_norm})
"""Ops whose result for some rows is that of these rows, where they look at the last axis alone."""
SMALL = 65536
"""Entries of a value, or of a change, that may be kept for the length of a run."""

Key = tuple[fx.Node, str]


class Coordinates:
    """Watches one run after the other of one model; the first is the start."""

    def __init__(self, graph: ModelGraph, start: Values | None, shown: Collection[fx.Node]) -> None:
        """Prepare to watch.

        Args:
            graph: The graph that is run.
            start: Parameters at the start; None where own updates are not wanted.
            shown: Nodes to take statistics of.
        """
        self.shown = shown
        self.start = start
        self.samples: dict[fx.Node, Tensor] = {}
        """At the start."""
        self.now: dict[fx.Node, Tensor] = {}
        self.values: dict[fx.Node, Tensor] = {}
        """Small ones, to be measured together at the end of a run."""
        self.own: dict[fx.Node, Tensor] = {}
        """Small own updates, to be measured together."""
        self.shadows: dict[fx.Node, Any] = {}
        """What nodes of parameters were at the start."""
        self.found: dict[Key, tuple[Tensor, float]] = {}
        """A number on the device, and what it is to be multiplied by."""
        self.moved = False
        turns = graph.turns if start is not None else ()
        self.of_start = {t.node: t for t in turns if graph.kinds[t.node] is Kind.PARAMETER}
        self.mixing = {t.node: t for t in turns if _calls(t.node) and graph.mixes(t.node)}
        self.fleeting = _fleeting(self.of_start)
        self.drawing = {node for node in self.mixing if _draws(node)}

    def begin(self, *, moved: bool) -> None:
        """Before a run; ``moved`` is whether weights are others than at the start."""
        self.moved = moved
        self.found = {}
        self.now = {}
        self.values = {}
        self.own = {}
        for node in self.fleeting:
            self.shadows.pop(node, None)

    def see(self, node: fx.Node, value: Any, inputs: Inputs) -> None:
        """Take the statistics of one value."""
        shown, mixes = node in self.shown, self.moved and node in self.mixing
        if not shown and not mixes:
            if self.moved and node in self.of_start and node not in self.shadows:
                self.shadows[node] = self._shadow(self.of_start[node], inputs)
            return
        tensor = first_tensor(value)
        if tensor is None:
            return
        tensor = tensor.detach()
        if mixes:
            change = self._own_update(self.mixing[node], tensor, inputs)
            if change.numel() <= SMALL:
                self.own[node] = change.reshape(-1)
            else:
                self._take(node, "own_update", "own_update_mean_abs", change)
        if shown:
            if tensor.numel() <= SMALL:
                self.values[node] = tensor
            else:
                self._take(node, "rms", "mean_abs", tensor)
            self.now[node] = sample(tensor)
            self.samples.setdefault(node, self.now[node])

    def _take(self, node: fx.Node, rms: str, mean: str, value: Tensor) -> None:
        self.found[node, rms] = length(value), per_entry(value)
        self.found[node, mean] = absolute(value), 1 / max(value.numel(), 1)

    def _shadow(self, turn: Turn, inputs: Inputs) -> Any:
        """What a node of parameters was at the start."""
        if turn.node.op == "get_attr":
            assert self.start is not None
            return self.start[str(turn.node.target)]
        args, kwargs = self._at_start(turn, inputs)
        return turn.node.target(*args, **kwargs)  # type: ignore[operator]

    def _at_start(self, turn: Turn, inputs: Inputs) -> tuple[list[Any], Mapping[str, Any]]:
        """Operands of now, with parameters of the start."""

        def value(operand: fx.Node) -> Any:
            if operand in self.shadows:
                return self.shadows[operand]
            now = inputs.value(operand)
            if not isinstance(now, Tensor):
                return now
            return now.clone() if operand.op == "get_attr" else now.detach()

        args, kwargs = turn.operands(value)
        return list(args), kwargs

    def _own_update(self, turn: Turn, value: Tensor, inputs: Inputs) -> Tensor:
        args, kwargs = self._at_start(turn, inputs)
        args, value = _sampled(turn.node, args, value)
        with torch.random.fork_rng(enabled=turn.node in self.drawing):
            other = first_tensor(turn.node.target(*args, **kwargs))  # type: ignore[operator]
        assert other is not None
        return value - other

    def numbers(self) -> dict[Key, float]:
        """All statistics of a run at once, as numbers."""
        changes = {
            node: now - self.samples[node]
            for node, now in self.now.items()
            if now is not self.samples[node] and now.shape == self.samples[node].shape
        }
        values = {node: value.reshape(-1) for node, value in self.values.items()}
        taken = _together(values, "rms", "mean_abs")
        taken |= _together(self.own, "own_update", "own_update_mean_abs")
        taken |= _together(changes, "update", "update_mean_abs")
        self.values, self.own = {}, {}
        if not self.found:
            return taken
        raw = [value for value, _ in self.found.values()]
        if len({(value.dtype, value.device) for value in raw}) > 1:
            raw = [value.to(raw[0].device, torch.float64) for value in raw]
        pairs = zip(self.found.items(), torch.stack(raw).tolist(), strict=True)
        return {key: value * factor for (key, (_, factor)), value in pairs} | taken


def _together(entries: Mapping[fx.Node, Tensor], rms: str, mean: str) -> dict[Key, float]:
    """Statistics of rows of entries; those of one length at once."""
    found: dict[Key, float] = {}
    alike: dict[object, list[fx.Node]] = {}
    for node, row in entries.items():
        alike.setdefault((row.shape, row.dtype, row.device), []).append(node)
    for nodes in alike.values():
        rows = torch.stack([entries[node] for node in nodes])
        many = max(rows.shape[1], 1)
        sizes, sums = (numbers.tolist() for numbers in of_rows(rows))
        for node, size, total in zip(nodes, sizes, sums, strict=True):
            found[node, rms] = size / sqrt(many)
            found[node, mean] = total / many
    return found


def _sampled(node: fx.Node, args: list[Any], value: Tensor) -> tuple[list[Any], Tensor]:
    """Operands and result for some rows or examples, where the op treats all alike."""
    op = packet(node)
    if op in BY_ROWS and args[0].dim() > 1 and (op is aten.linear or len(args[1]) == 1):
        return _by_rows(args, value, 0)
    if op is aten.embedding:
        return _by_rows(args, value, 1)
    if op in BY_EXAMPLES and len(args[0]) > EXAMPLES and value.dim() == args[0].dim():
        return [args[0][:EXAMPLES], *args[1:]], value[:EXAMPLES]
    return args, value


def _by_rows(args: list[Any], value: Tensor, place: int) -> tuple[list[Any], Tensor]:
    x = args[place]
    width = 1 if place else x.shape[-1]
    if x.numel() <= ROWS * width:
        return args, value
    rows = spaced(x, width, ROWS)
    args[place] = rows.view(-1) if place else rows
    return args, spaced(value, value.shape[-1], ROWS)


def _calls(node: fx.Node) -> bool:
    return node.op == "call_function"


def _draws(node: fx.Node) -> bool:
    """Whether an op draws random numbers."""
    return torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())


def _fleeting(nodes: Iterable[fx.Node]) -> set[fx.Node]:
    """Nodes of parameters that are another thing each time: noise on weights, and what it makes."""
    found: set[fx.Node] = set()
    for node in nodes:
        if _draws(node) or not found.isdisjoint(node.all_input_nodes):
            found.add(node)
    return found

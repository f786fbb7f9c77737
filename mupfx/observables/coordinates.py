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
from mupfx.observables.sketch import Sampler, absolute, changes, length, per_entry

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
        self.sampler = Sampler()
        self.samples: dict[fx.Node, Tensor] = {}
        """At the start."""
        self.now: dict[fx.Node, Tensor] = {}
        self.shadows: dict[fx.Node, Any] = {}
        """What nodes of parameters were at the start."""
        self.found: dict[Key, tuple[Tensor, float]] = {}
        """A number on the device, and what it is to be multiplied by."""
        self.rows: dict[int, Tensor] = {}
        self.moved = False
        turns = graph.turns if start is not None else ()
        kinds = {turn.node: graph.kinds[turn.node] for turn in turns}
        self.of_start = {t.node: t for t in turns if kinds[t.node] is Kind.PARAMETER}
        self.mixing = {t.node: t for t in turns if _calls(t.node) and graph.mixes(t.node)}
        self.fleeting = _fleeting(self.of_start)

    def begin(self, *, moved: bool) -> None:
        """Before a run; ``moved`` is whether weights are others than at the start."""
        self.moved = moved
        self.found = {}
        self.now = {}
        for node in self.fleeting:
            self.shadows.pop(node, None)

    def see(self, node: fx.Node, value: Any, inputs: Inputs) -> None:
        """Take the statistics of one value."""
        if self.moved and node in self.of_start and node not in self.shadows:
            self.shadows[node] = self._shadow(self.of_start[node], inputs)
        shown, mixes = node in self.shown, self.moved and node in self.mixing
        tensor = first_tensor(value) if shown or mixes else None
        if tensor is None:
            return
        tensor = tensor.detach()
        if mixes:
            change = self._own_update(self.mixing[node], tensor, inputs)
            self._take(node, "own_update", length(change), absolute(change), change.numel())
        if shown:
            self.found[node, "rms"] = length(tensor), per_entry(tensor)
            self.found[node, "mean_abs"] = absolute(tensor), 1 / max(tensor.numel(), 1)
            self.now[node] = sample = self.sampler.take(tensor)
            self.samples.setdefault(node, sample)

    def _take(self, node: fx.Node, name: str, size: Tensor, sums: Tensor, entries: int) -> None:
        many = max(entries, 1)
        self.found[node, name] = size, 1 / sqrt(many)
        self.found[node, f"{name}_mean_abs"] = sums, 1 / many

    @torch.no_grad()
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
            return now.detach() if isinstance(now, Tensor) else now

        args, kwargs = turn.operands(value)
        return list(args), kwargs

    @torch.no_grad()
    def _own_update(self, turn: Turn, value: Tensor, inputs: Inputs) -> Tensor:
        args, kwargs = self._at_start(turn, inputs)
        args, value = self._sampled(turn.node, args, value)
        if _draws(turn.node):
            with torch.random.fork_rng():
                other = first_tensor(turn.node.target(*args, **kwargs))  # type: ignore[operator]
        else:
            other = first_tensor(turn.node.target(*args, **kwargs))  # type: ignore[operator]
        assert other is not None
        return value - other

    def _sampled(self, node: fx.Node, args: list[Any], value: Tensor) -> tuple[list[Any], Tensor]:
        """Operands and result for some rows or examples, where the op treats all alike."""
        op = packet(node)
        if op is aten.linear and args[0].dim() > 1:
            return self._by_rows(args, value, 0)
        if op is aten.embedding:
            return self._by_rows(args, value, 1)
        if op in BY_EXAMPLES and len(args[0]) > EXAMPLES and value.dim() == args[0].dim():
            return [args[0][:EXAMPLES], *args[1:]], value[:EXAMPLES]
        return args, value

    def _by_rows(self, args: list[Any], value: Tensor, place: int) -> tuple[list[Any], Tensor]:
        x = args[place]
        x = x.reshape(-1) if place else x.reshape(-1, x.shape[-1])
        if len(x) <= ROWS:
            return args, value
        if len(x) not in self.rows:
            self.rows[len(x)] = torch.linspace(0, len(x) - 1, ROWS, device=x.device).long()
        rows = self.rows[len(x)]
        args[place] = x[rows]
        return args, value.reshape(-1, value.shape[-1])[rows]

    def numbers(self) -> dict[Key, float]:
        """All statistics of a run at once, as numbers."""
        self._changes()
        if not self.found:
            return {}
        values = [value for value, _ in self.found.values()]
        if len({(value.dtype, value.device) for value in values}) > 1:
            values = [value.to(values[0].device, torch.float64) for value in values]
        raw = torch.stack(values)
        pairs = zip(self.found.items(), raw.tolist(), strict=True)
        return {key: value * factor for (key, (_, factor)), value in pairs}

    def _changes(self) -> None:
        """Of all samples since the start; where sizes vary with the data, there is no telling."""
        pairs = {
            node: (sample, self.samples[node])
            for node, sample in self.now.items()
            if sample is not self.samples[node] and sample.shape == self.samples[node].shape
        }
        if not pairs:
            return
        now, before = zip(*pairs.values(), strict=True)
        for node, *of_one in zip(pairs, *changes(now, before), strict=True):
            self._take(node, "update", *of_one, pairs[node][0].numel())


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

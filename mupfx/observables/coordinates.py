"""Coordinates of every op: their size, their change since the start, and what weights did to it.

Quantities, for an op ``y = op(x, W)`` at step ``t``::

    rms, mean_abs   of y_t
    update          rms of y_t - y_0
    own_update      rms of op(x_t, W_t) - op(x_t, W_0): what the op's own weights moved
    update_mean_abs, own_update_mean_abs   mean absolute values of the same

Nothing is kept but numbers, a sample of every op's entries, and the weights at the start. Own
updates are taken on a sample of rows where the op treats rows alike.
"""

from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, fx

from mupfx.core.ops import packet
from mupfx.observables.graph import Kind, ModelGraph
from mupfx.observables.running import Inputs, Values, first_tensor
from mupfx.observables.sketch import Sampler, absolute, length, per_entry

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
        self.graph = graph
        self.shown = shown
        self.start = start
        self.sampler = Sampler()
        self.samples: dict[fx.Node, Tensor] = {}
        """At the start."""
        self.now: dict[fx.Node, Tensor] = {}
        self.shadows: dict[fx.Node, Any] = {}
        self.found: dict[Key, tuple[Tensor, float]] = {}
        """A number on the device, and what it is to be multiplied by."""
        self.rows: dict[int, Tensor] = {}
        self.moved = False

    def begin(self, *, moved: bool) -> None:
        """Before a run; ``moved`` is whether weights are others than at the start."""
        self.moved = moved
        self.found = {}
        self.now = {}
        self.shadows = {}

    def see(self, node: fx.Node, value: Any, inputs: Inputs) -> None:
        """Take the statistics of one value."""
        if self.moved and self.start is not None:
            self._own(node, value, inputs)
        if node not in self.shown:
            return
        tensor = first_tensor(value)
        if tensor is None:
            return
        entries = max(tensor.numel(), 1)
        with torch.no_grad():
            self.found[node, "rms"] = length(tensor), per_entry(tensor)
            self.found[node, "mean_abs"] = absolute(tensor), 1 / entries
            self.now[node] = sample = self.sampler.take(tensor)
            start = self.samples.setdefault(node, sample)
            if start is not sample and start.shape == sample.shape:
                self._change(node, "update", sample - start)

    def _own(self, node: fx.Node, value: Any, inputs: Inputs) -> None:
        if self.graph.kinds[node] is Kind.PARAMETER:
            self.shadows[node] = self._shadow(node, inputs)
        elif node.op == "call_function" and self.graph.mixes(node):
            tensor = first_tensor(value)
            if tensor is not None:
                change = self._own_update(node, tensor.detach(), inputs)
                self._change(node, "own_update", change)

    def _change(self, node: fx.Node, name: str, change: Tensor) -> None:
        self.found[node, name] = length(change), per_entry(change)
        self.found[node, f"{name}_mean_abs"] = absolute(change), 1 / max(change.numel(), 1)

    @torch.no_grad()
    def _shadow(self, node: fx.Node, inputs: Inputs) -> Any:
        """What a node of parameters was at the start."""
        if node.op == "get_attr":
            assert self.start is not None
            return self.start[str(node.target)]
        args, kwargs = self._at_start(node, inputs)
        return node.target(*args, **kwargs)  # type: ignore[operator]

    def _at_start(self, node: fx.Node, inputs: Inputs) -> tuple[Any, Any]:
        """Operands of now, with parameters of the start."""

        def value(operand: fx.Node) -> Any:
            if operand in self.shadows:
                return self.shadows[operand]
            now = inputs.value(operand)
            return now.detach() if isinstance(now, Tensor) else now

        args, kwargs = fx.map_arg((tuple(node.args), dict(node.kwargs)), value)
        return list(args), kwargs

    @torch.no_grad()
    def _own_update(self, node: fx.Node, value: Tensor, inputs: Inputs) -> Tensor:
        args, kwargs = self._at_start(node, inputs)
        args, value = self._sampled(node, args, value)
        with _same_draws(node):
            other = first_tensor(node.target(*args, **kwargs))  # type: ignore[operator]
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
        if not self.found:
            return {}
        values = [value for value, _ in self.found.values()]
        if len({(value.dtype, value.device) for value in values}) > 1:
            values = [value.to(values[0].device, torch.float64) for value in values]
        raw = torch.stack(values)
        pairs = zip(self.found.items(), raw.tolist(), strict=True)
        return {key: value * factor for (key, (_, factor)), value in pairs}


def _same_draws(node: fx.Node) -> AbstractContextManager[None]:
    """For an op that draws random numbers: let it leave the generator as it found it."""
    draws = torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())
    return torch.random.fork_rng() if draws else nullcontext()

"""Recurrent kernels: packed gates are a finite factor of the rows; the state is contracted again.

``weight_ih`` is ``(gates x hidden, input)``, ``weight_hh`` is ``(gates x hidden, state)``, where
the state is the hidden size, or the projection's where there is one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import fx

from mupfx.core.vocabulary import Reason
from mupfx.passes.axis_rules.call import Call, is_tensor
from mupfx.passes.axis_rules.factors import Dim, Dims, expand, fresh, mark
from mupfx.passes.axis_rules.tracker import CONTRACTED, MADE, Rules, Tracker

aten = torch.ops.aten

KERNELS = {aten.lstm: 4, aten.gru: 3, aten.rnn_tanh: 1, aten.rnn_relu: 1}
CELLS = {aten.lstm_cell: 4, aten.gru_cell: 3, aten.rnn_tanh_cell: 1, aten.rnn_relu_cell: 1}
GATES = {**KERNELS, **CELLS}
MODES = (1, 1, 4, 3)
"""Gates by the number under which libraries know ``rnn_relu``, ``rnn_tanh``, ``lstm``, ``gru``."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One layer in one direction."""

    rows: tuple[fx.Node, ...]
    """Every tensor with packed rows: weights, then biases."""
    weights: tuple[fx.Node, ...]
    projection: fx.Node | None


def recurrent(tracker: Tracker, call: Call) -> list[Dims]:
    """``lstm``, ``gru``, ``rnn``: all layers and directions, of rows that may be packed."""
    return _layers(tracker, call, list(_cells(call)))


def packed(tracker: Tracker, call: Call) -> list[Dims]:
    """``_cudnn_rnn``: the same, with every tensor of a cell in one list."""
    each, weights = call["weight_stride0"], list(call["weight"])
    lists = [weights[i : i + each] for i in range(0, len(weights), each)]
    rows = each - each % 2
    cells = [Cell(tuple(m[:rows]), tuple(m[:2]), m[-1] if each % 2 else None) for m in lists]
    return _layers(tracker, call, cells)


def one_layer(tracker: Tracker, call: Call) -> list[Dims]:
    """``mkldnn_rnn_layer``: one layer in one direction."""
    rows = tuple(call[f"weight{i}"] for i in range(4 if call["has_biases"] else 2))
    return _layers(tracker, call, [Cell(rows, rows[:2], None)])


def _layers(tracker: Tracker, call: Call, cells: Sequence[Cell]) -> list[Dims]:
    x = _sequence(call)
    feature = call.dims(x)[-1]
    directions = 2 if len(cells) > 1 and call["bidirectional"] else 1
    kept = [call.dims(node)[-1] for node in _states(tracker, call)]
    for layer in range(len(cells) // directions):
        for cell in cells[layer * directions : (layer + 1) * directions]:
            for mine, theirs in zip(kept, _cell(tracker, call, cell, feature), strict=False):
                tracker.unify(call, mine, theirs)
        feature = _both(call, kept[0], directions)
    states = [_last(sizes, state) for sizes, state in zip(call.outs[1:], kept, strict=False)]
    rest = [tuple(fresh(size) for size in sizes) for sizes in call.outs[1 + len(kept) :]]
    return [(*call.dims(x)[:-1], feature), *states, *rest]


STATES = ("hx", "cx", "hx_", "cx_")


def _states(tracker: Tracker, call: Call) -> list[fx.Node]:
    """What is fed in before the first step: the state, and the inside of an LSTM's cell."""
    given = [call[name] for name in STATES if call[name] is not None]
    nodes = [node for x in given for node in (x if isinstance(x, list | tuple) else [x])]
    tracker.meet(call, [_sequence(call), *nodes])
    return nodes


def _sequence(call: Call) -> fx.Node:
    """What goes in step by step; packed, it is called data."""
    node: fx.Node = call["input"] if "input" in call.arguments else call["data"]
    return node


def _last(sizes: Sequence[tuple[int, ...]], state: Dim) -> Dims:
    return (*(fresh(size) for size in sizes[:-1]), state)


def _cells(call: Call) -> Iterator[Cell]:
    params: list[fx.Node] = list(call["params"])
    biased = bool(call["has_biases"])
    count = call["num_layers"] * (2 if call["bidirectional"] else 1)
    each = len(params) // count
    for i in range(count):
        mine = params[i * each : (i + 1) * each]
        rows = mine[: 4 if biased else 2]
        yield Cell(tuple(rows), tuple(rows[:2]), mine[-1] if len(mine) > len(rows) else None)


def _cell(tracker: Tracker, call: Call, cell: Cell, feature: Dim) -> tuple[Dim, Dim]:
    """Axes of the state that is fed back, and of what is inside the cell."""
    kind = GATES.get(call.node.target.overloadpacket)  # type: ignore[union-attr]
    gates = MODES[call["mode"]] if kind is None else kind
    hidden = _rows(tracker, call, cell, gates)
    state = hidden
    if cell.projection is not None:
        state, inner = call.dims(cell.projection)
        tracker.unify(call, inner, hidden)
        _weight(tracker, call, cell.projection, inner)
    for node, source in zip(cell.weights, (feature, state), strict=True):
        tracker.unify(call, call.dims(node)[1], source)
        _weight(tracker, call, node, call.dims(node)[1])
    for node in cell.rows[2:]:
        tracker.use(call, node, companion=min(tracker.sources[cell.weights[1]]))
    return state, hidden


def cell(tracker: Tracker, call: Call) -> Dims | list[Dims]:
    """``lstm_cell``, ``gru_cell``: one step of one layer."""
    names = ("w_ih", "w_hh", "b_ih", "b_hh")
    rows = tuple(n for n in map(call.tensor, names) if n is not None)
    state, _ = _cell(tracker, call, Cell(rows, rows[:2], None), call.dims(call["input"])[-1])
    result = (*call.dims(call["input"])[:-1], state)
    for node in _states(tracker, call):
        tracker.join(call, result, call.dims(node))
    return result if is_tensor(call.node) else [result for _ in call.outs]


def fused_cell(tracker: Tracker, call: Call) -> list[Dims]:
    """``_thnn_fused_lstm_cell``: packed gates of input and state, added; one step's state."""
    rows = [n for n in call.tensors() if n is not call["cx"] and n is not call["hx"]]
    state = next(n for n in (call["cx"], call["hx"]) if n is not None)
    size, hidden = call.sizes(rows[0])[-1], call.sizes(state)[-1]
    gates = size[0] // hidden[0]
    made = [_gates(tracker, call, node, gates, place=-1) for node in rows]
    for count, inner in made:
        tracker.join(call, (made[0][0], call.dims(state)[-1]), (count, inner))
    for node in rows:
        tracker.join(call, call.dims(state)[:-1], call.dims(node)[:-1])
    tracker.meet(call, call.tensors())
    lead = call.dims(state)
    places = {hidden: lead[-1], size: call.dims(rows[0])[-1]}
    return [
        (lead[0], places[sizes[-1]] if sizes[-1] in places else fresh(sizes[-1]))
        for sizes in call.outs
    ]


def _rows(tracker: Tracker, call: Call, cell: Cell, gates: int) -> Dim:
    first, hidden = _gates(tracker, call, cell.rows[0], gates)
    for node in cell.rows[1:]:
        tracker.join(call, (first, hidden), _gates(tracker, call, node, gates))
    mark(hidden, MADE, call.node.name)
    return hidden


def _gates(tracker: Tracker, call: Call, node: fx.Node, gates: int, *, place: int = 0) -> Dims:
    size, dim = call.sizes(node)[place], call.dims(node)[place]
    count = tuple(gates for _ in size)
    split = tracker.reshape(call, [dim], [count, tuple(n // gates for n in size)])
    mark(split[0], Reason.PARTS, f"{gates} gates of {call.node.name}")
    return split


def _weight(tracker: Tracker, call: Call, node: fx.Node, contracted: Dim) -> None:
    pieces = expand(contracted)
    mark(pieces, CONTRACTED, call.node.name)
    if tracker.is_weight(node):
        tracker.use(call, node, contracted=expand(call.dims(node)[1]))


def _both(call: Call, state: Dim, directions: int) -> Dim:
    if directions == 1:
        return state
    both = fresh(tuple(2 for _ in call.out[-1]))
    mark(both, Reason.PARTS, f"two directions of {call.node.name}")
    return (*both, *state)


RULES: Rules = {
    **dict.fromkeys(KERNELS, recurrent),
    **dict.fromkeys(CELLS, cell),
    **dict.fromkeys((aten._cudnn_rnn, aten.miopen_rnn), packed),
    aten.mkldnn_rnn_layer: one_layer,
    **dict.fromkeys((aten._thnn_fused_lstm_cell, aten._thnn_fused_gru_cell), fused_cell),
}

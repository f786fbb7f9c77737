"""Advice on depth: alpha 1/2 for blocks of one matrix, 1 for deeper ones, and what diversity asks.

From Tensor Programs VI (arXiv:2310.02244): a block ``x + phi(W x)`` learns most different features
from layer to layer at alpha 1/2, without a common mean (``phi(W x) - mean``) and with an even
``phi`` such as ``|.|``, whose derivative is a sign.
"""

from collections.abc import Iterator
from fractions import Fraction

import torch
from torch import fx

from mupfx.core.advice import Advice
from mupfx.core.axes import Axes
from mupfx.core.ops import constant_factor, data_inputs, is_pointwise, packet
from mupfx.core.program import Program
from mupfx.core.structure import Branch, Stream, Streams
from mupfx.tables.linear_ops import DIFFERENCES, KEEPING, SUMS

aten = torch.ops.aten

CENTRING = (aten.layer_norm, aten.native_layer_norm)

ONE_MATRIX = "blocks of one weight layer: features are most diverse at alpha 1/2"
SEVERAL = (
    "blocks of {} weight layers: at alpha 1/2 updates inside a block act on each other by a part "
    "that falls with depth, and the best learning rate moves; at 1 it stays"
)


def advise(program: Program, axes: Axes, streams: Streams) -> tuple[Advice, ...]:
    """Advice for every residual stream."""
    layers = frozenset(use.node for use in axes.uses if use.fan_in)
    nodes = {node.name: node for node in program.graph.nodes}
    found = []
    for stream in streams.streams:
        mine = [b for b in streams.branches if b.stream == stream.name]
        found.append(_advice(stream, mine, nodes, layers))
    return tuple(found)


def _advice(
    stream: Stream, branches: list[Branch], nodes: dict[str, fx.Node], layers: frozenset[str]
) -> Advice:
    single = stream.block_depth == 1
    choices = [c for b in branches for c in _choices(b, nodes, layers)] if single else []
    return Advice(
        stream=stream.name,
        depth=stream.depth,
        block_depth=stream.block_depth,
        alpha=Fraction(1, 2) if single else Fraction(1),
        parametrization="depth_mup" if single else "completep",
        why=ONE_MATRIX if single else SEVERAL.format(stream.block_depth),
        diversity=tuple(dict.fromkeys(choices)),
    )


def _choices(branch: Branch, nodes: dict[str, fx.Node], layers: frozenset[str]) -> Iterator[str]:
    inside = [node for name, node in nodes.items() if name in branch.nodes]
    at = max(i for i, node in enumerate(inside) if node.name in layers)
    before, after = inside[:at], inside[at + 1 :]
    bent = [node for node in after if _bends(node)]
    if not bent:
        if any(map(_bends, before)):
            yield (
                "the nonlinearity stands before the matrix, W phi(x): after it, phi(W x), layers "
                "differ more"
            )
        return
    parity = _parity(bent[-1])
    if parity != "odd" and not any(map(_centres, after)):
        yield (
            f"{_name(bent[-1])} is not odd: subtract its mean over the features, or all layers "
            "push the stream along one direction"
        )
    if parity != "even":
        yield (
            f"|.| in the place of {_name(bent[-1])}: an even nonlinearity, with a sign for a "
            "derivative, makes layers differ most"
        )


def _name(node: fx.Node) -> str:
    return str(packet(node)).removeprefix("aten.").removesuffix("_")


def _bends(node: fx.Node) -> bool:
    """Whether an op is a nonlinearity of one value."""
    plain = packet(node) in KEEPING | SUMS | DIFFERENCES or constant_factor(node) is not None
    return is_pointwise(node) and not plain and len(data_inputs(node)) == 1


def _parity(node: fx.Node) -> str:
    """``even``, ``odd`` or ``neither``, by trying."""
    x = torch.linspace(-3, 3, 101, dtype=torch.float64)
    plain = [argument for argument in node.args[1:] if not isinstance(argument, fx.Node)]
    assert callable(node.target)
    one, other = (node.target(value.clone(), *plain, **node.kwargs) for value in (x, -x))
    if torch.allclose(one, other):
        return "even"
    return "odd" if torch.allclose(one, -other) else "neither"


def _centres(node: fx.Node) -> bool:
    """Whether a mean is taken off: by hand, or by a norm."""
    sources = {packet(n) for n in node.all_input_nodes}
    return packet(node) in CENTRING or (packet(node) in DIFFERENCES and aten.mean in sources)

"""Plain nets: layers one after another, with a nonlinearity of one value between them.

Their depth is their number of weight layers, first and last included::

    linear relu linear relu linear      three layers of relu
"""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import fx

from mupfx.core.axes import Axes
from mupfx.core.ops import constant_factor, data_inputs, is_pointwise, packet
from mupfx.core.program import Program, source_line
from mupfx.errors import ParametrizationError
from mupfx.tables.linear_ops import KEEPING

LINEAR = ("aten.linear", "aten.addmm", "aten.mm", "aten.matmul")
RELU = ("aten.relu", "aten.relu_")


@dataclass(frozen=True, slots=True)
class Chain:
    """A plain net."""

    layers: tuple[str, ...]
    """Nodes that contract a weight, in order."""
    nonlinearities: tuple[str, ...]
    """Their ops, each once."""

    @property
    def relu(self) -> bool:
        """Whether all are ReLU."""
        return set(self.nonlinearities) <= set(RELU)


def find_chain(program: Program, axes: Axes) -> Chain:
    """The layers of a plain net, from its output back.

    Raises:
        ParametrizationError: The model is none.
    """
    weights = {use.node for use in axes.uses if use.fan_in}
    known = {*program.parameters, *program.buffers}
    (output,) = (n for n in program.graph.nodes if n.op == "output")
    layers: list[str] = []
    bent: list[str] = []
    for node in _back(output, known):
        if node.name in weights:
            _require_linear(node)
            layers.append(node.name)
        elif _bends(node):
            bent.append(str(packet(node)))
        elif node.op != "placeholder" and packet(node) not in KEEPING:
            raise _not_plain(node, f"{node.target} stands between its layers")
    beside = weights - set(layers)
    if beside or len(layers) < 2:
        found = f"{min(beside)} beside them" if beside else f"{len(layers)} of them"
        raise _not_plain(output, f"layers that are no single row: {found}")
    return Chain(tuple(reversed(layers)), tuple(dict.fromkeys(bent)))


def _back(output: fx.Node, known: set[str]) -> Iterator[fx.Node]:
    """From the output to the input, where everything is made of one value."""
    node = output
    while node.op != "placeholder":
        sources = [n for n in data_inputs(node) if n.name not in known]
        if node is output:
            sources = [n for n in node.all_input_nodes if n.name not in known]
        if len(sources) != 1:
            raise _not_plain(node, f"{node.target} reads {len(sources)} values")
        node = sources[0]
        yield node


def _require_linear(node: fx.Node) -> None:
    if str(packet(node)) not in LINEAR:
        raise _not_plain(node, f"{node.target} is no linear layer")


def _bends(node: fx.Node) -> bool:
    return is_pointwise(node) and packet(node) not in KEEPING and constant_factor(node) is None


def _not_plain(node: fx.Node, found: str) -> ParametrizationError:
    return ParametrizationError(
        "this closed form is for plain nets: linear layers with a nonlinearity between them",
        where=source_line(node) or None,
        found=found,
        hint="'completep' or 'depth_mup' for other residual nets; else a table in width alone",
    )

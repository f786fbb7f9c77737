"""``x + (y - x)``: the value of one thing with the gradient of another, as codes are trained."""

from typing import Any

from torch import fx

from mupfx.core.ops import is_pick, packet
from mupfx.tables.linear_ops import COPIES, DIFFERENCES, SUMS


def straight_through(node: fx.Node) -> fx.Node | None:
    """``y`` where the node is ``x + (y - x)``."""
    if packet(node) not in SUMS or len(node.args) < 2:
        return None
    for mine, other in ((0, 1), (1, 0)):
        kept, step = _itself(node.args[mine]), _itself(node.args[other])
        if kept is None or step is None or packet(step) not in DIFFERENCES:
            continue
        stays, gone = step.args[:2]
        if _itself(gone) is kept and isinstance(stays, fx.Node):
            return _itself(stays)
    return None


def swaps(node: fx.Node) -> bool:
    """Whether a node is ``x + (y - x)``, or the difference in it."""
    if straight_through(node) is not None:
        return True
    current = node
    while len(current.users) == 1:
        current = next(iter(current.users))
        if packet(current) not in COPIES:
            return straight_through(current) is not None
    return False


def _itself(argument: object) -> fx.Node | None:
    """What an argument is a copy of."""
    current: Any = argument
    while isinstance(current, fx.Node):
        source: Any = current.args[0] if current.args else None
        if packet(current) in COPIES:
            current = source
        elif is_pick(current) and str(packet(source)) == "aten.broadcast_tensors":
            current = source.args[0][current.args[1]]
        else:
            return current
    return None

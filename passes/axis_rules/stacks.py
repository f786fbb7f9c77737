"""Matrices looked up in a stack: ``w[index]`` of ``(e, i, o)``, which multiplies what it meets.

A row that is a vector is an embedding; a row of which one axis is contracted and another lives on
is a weight, whoever chose it::

    einsum("btd,btdh->bth", x, w[index])     x.unsqueeze(-2) @ w[index]
"""

import torch
from torch import fx

from mupfx.core.ops import packet
from mupfx.core.program import shape_of
from mupfx.tables.linear_ops import KEEPING

aten = torch.ops.aten


def multiplies(node: fx.Node) -> bool:
    """Whether a product contracts one of the last two axes of a value and keeps the other."""
    return any(_multiplies(user, node) for user in node.users)


def _multiplies(user: fx.Node, node: fx.Node) -> bool:
    if packet(user) is aten.einsum:
        return _labels(user, node)
    if packet(user) in (aten.bmm, aten.matmul):
        return len(shape_of(node) or ()) > 2 and len(shape_of(user) or ()) > 2
    return packet(user) in KEEPING and multiplies(user)


def _labels(user: fx.Node, node: fx.Node) -> bool:
    equation, operands = user.args[:2]
    assert isinstance(equation, str)
    assert isinstance(operands, list | tuple)
    left, _, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    place = list(operands).index(node)
    others = "".join(term for i, term in enumerate(terms) if i != place)
    first, second = terms[place][-2], terms[place][-1]
    contracted = [x for x in (first, second) if x in others and x not in right]
    kept = [x for x in (first, second) if x in right and x not in others]
    return bool(contracted and kept)

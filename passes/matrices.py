"""The matrices that a fused parameter is put together of, among all that the code takes apart.

Rows of queries, keys and values go separate ways. A rotary embedding takes heads apart as well, and
puts them together again; and columns of concatenated inputs are one matrix::

    rows of every 48:  0:2 2:4 4:16 16:18 18:20 20:32 32:48   ->   0:16 16:32 32:48   (heads of 16)
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import accumulate
from operator import mul

from mupfx.core.axes import Axes, Axis, ParameterRole
from mupfx.core.plan import Rows
from mupfx.core.structure import Site
from mupfx.core.vocabulary import Role, SiteKind


def matrices_of(role: ParameterRole, axes: Axes, sites: Iterable[Site]) -> tuple[Rows, ...]:
    """The same of a model as it is, which has no base."""
    rows = tuple(Rows(p.dim, p.start, p.stop, p.period, 0, p.role) for p in role.parts)
    return matrices(rows, role, axes, sites)


def matrices(
    rows: tuple[Rows, ...], role: ParameterRole, axes: Axes, sites: Iterable[Site]
) -> tuple[Rows, ...]:
    """Rows that are a matrix of their own; none where the parameter is one.

    Args:
        rows: All that the code takes apart.
        role: The parameter's role, with the parts that the rows are of.
        axes: Sizes of the factor classes.
        sites: Where attention sums over heads, whose size no cut may divide.
    """
    dims = [dim for dim in role.fan_out if dim not in role.fan_in]
    found = sorted((r for r in rows if r.dim in dims[:1]), key=lambda r: r.start)
    if not _covers(found):
        return ()
    head = _head(found, role, axes, sites)
    whole: list[Rows] = []
    for piece in found:
        if whole and whole[-1].stop % head:
            whole[-1] = _joined(whole[-1], piece)
        else:
            whole.append(piece)
    return tuple(whole) if len(whole) > 1 else ()


def _covers(rows: list[Rows]) -> bool:
    """One after the other, to the end of their period."""
    stops = [0, *(r.stop for r in rows)]
    starts = [r.start for r in rows]
    return bool(rows) and stops[:-1] == starts and {r.period for r in rows} == {stops[-1]}


def _head(rows: list[Rows], role: ParameterRole, axes: Axes, sites: Iterable[Site]) -> int:
    """The size of an attention head, where these rows are of heads; else one."""
    sizes = {axes.size_of(s.classes) for s in sites if s.kind is SiteKind.ATTENTION}
    dim = rows[0].dim
    within = [role.axes[dim], *(part.axis for part in role.parts if part.dim == dim)]
    inner = {size for axis in within for size in _inner(axis, axes)}
    return max(sizes & inner, default=1)


def _inner(axis: Axis, axes: Axes) -> list[int]:
    """Sizes of what is innermost in an axis: of its last factor, its last two, and so on."""
    return list(accumulate((axes.classes[c].size for c in reversed(axis)), mul))


def _joined(first: Rows, second: Rows) -> Rows:
    role = first.role if second.role is Role.HIDDEN else second.role
    return replace(first, stop=second.stop, base_size=first.base_size + second.base_size, role=role)

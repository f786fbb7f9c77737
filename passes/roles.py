"""Roles: what each parameter does, from which of its width axes are contracted.

``fan_in`` and ``fan_out`` are dimensions; a role only asks whether width is among them::

    width in both       hidden          width in fan_out only    input
    width in fan_in     output          nothing contracted       vector
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod

from mupfx.core.axes import Axes, Axis, FactorClass, ParameterRole, Part, Use
from mupfx.core.cuts import Cut, cuts
from mupfx.core.program import Program
from mupfx.core.vocabulary import Kind, Role, Status
from mupfx.tables.linear_ops import JOINS, SUMS

ADDING = frozenset(map(str, SUMS | JOINS))
"""Ops by which a tensor enters a stream, as uses name them."""


def assign_roles(program: Program, axes: Axes) -> dict[str, ParameterRole]:
    """The role of every parameter that the example reached."""
    uses: dict[str, list[Use]] = {}
    for use in axes.uses:
        uses.setdefault(use.parameter, []).append(use)
    whole = _contracted(axes)
    return {
        name: _role(name, program, axes, tuple(uses.get(name, ())), whole)
        for name in axes.parameters
    }


def _role(
    name: str, program: Program, axes: Axes, uses: tuple[Use, ...], whole: frozenset[str]
) -> ParameterRole:
    dims = axes.parameters[name]
    found = tuple((role_of(axes, dims, use), use) for use in uses) or (
        (_uncontracted(axes, dims), _untouched(name, dims)),
    )
    tied_readout = _is_tied(found)
    role, main = _main(found, tied_readout=tied_readout)
    status = _status(axes, dims, found, tied_readout=tied_readout)
    doubt, why = axes.doubts.get(name), _why(axes, role, main)
    return ParameterRole(
        name=name,
        shape=program.shapes[name],
        axes=dims,
        role=role,
        fan_in=main.fan_in or main.index,
        fan_out=main.fan_out,
        status=Status.ASSUMED if doubt and status is Status.CERTAIN else status,
        uses=found,
        tied_to=program.tied.get(name, ()),
        why=f"{why}; {doubt}" if doubt else why,
        tied_readout=tied_readout,
        companion=next((use.companion for _, use in found if use.companion), None),
        parts=tuple(_parts(axes, dims, main, whole)),
        within=main.within,
    )


def _contracted(axes: Axes) -> frozenset[str]:
    """Factors that are contracted as they are: nothing that is fused."""
    used = {c for u in axes.uses for d in u.fan_in for c in axes.parameters[u.parameter][d]}
    return frozenset(used.union(*(match.contracted for match in axes.contractions)))


def _parts(axes: Axes, dims: Sequence[Axis], use: Use, whole: frozenset[str]) -> Iterator[Part]:
    for d, axis in enumerate(dims):
        for cut in cuts(axes.classes, axis, () if d in use.fan_in else whole):
            yield _part(axes, dims, use, d, cut)


def _part(axes: Axes, dims: Sequence[Axis], use: Use, dim: int, cut: Cut) -> Part:
    """One part of a fused parameter as if it were a parameter of its own."""
    own = [*dims[:dim], cut.axis, *dims[dim + 1 :]]
    sizes = [axes.size_of(axis) for axis in own]
    return Part(
        dim=dim,
        start=cut.start,
        stop=cut.stop,
        period=cut.period,
        axis=cut.axis,
        role=role_of(axes, own, use),
        fan_in=prod(sizes[d] for d in use.fan_in or use.index),
        fan_out=prod(sizes[d] for d in use.fan_out),
    )


def role_of(axes: Axes, dims: Sequence[Axis], use: Use) -> Role:
    """The role of one use."""
    into, out = _has_width(axes, dims, use.fan_in), _has_width(axes, dims, use.fan_out)
    if not use.fan_in:
        looked_up = Role.INPUT if use.index else Role.VECTOR
        return looked_up if out else Role.SCALAR
    table = {
        (True, True): Role.HIDDEN,
        (True, False): Role.OUTPUT,
        (False, True): Role.INPUT,
        (False, False): Role.SCALAR,
    }
    return table[into, out]


def _has_width(axes: Axes, dims: Sequence[Axis], chosen: Iterable[int]) -> bool:
    return any(axes.classes[c].kind is Kind.WIDTH for d in chosen for c in dims[d])


def _uncontracted(axes: Axes, dims: Sequence[Axis]) -> Role:
    return Role.VECTOR if _has_width(axes, dims, range(len(dims))) else Role.SCALAR


def _untouched(name: str, dims: Sequence[Axis]) -> Use:
    return Use(name, "", "nothing", (), tuple(range(len(dims))))


def _is_tied(found: Sequence[tuple[Role, Use]]) -> bool:
    """Looked up or added in one place, contracted to a finite axis in another."""
    return any(_enters(role, use) for role, use in found) and any(
        role is Role.OUTPUT for role, _ in found
    )


def _enters(role: Role, use: Use) -> bool:
    """Whether the entries themselves go on: those of an output weight would vanish."""
    added = role is Role.VECTOR and use.op.rpartition(".")[0] in ADDING
    return not use.fan_in and (bool(use.index) or added)


def _main(found: Sequence[tuple[Role, Use]], *, tied_readout: bool) -> tuple[Role, Use]:
    """The use that decides: where a tied table enters, else a contraction before any other."""
    if tied_readout:
        entering = [(r, u) for r, u in found if _enters(r, u)]
        return next(((r, u) for r, u in entering if u.index), entering[0])
    return next(((r, u) for r, u in found if u.fan_in or u.index), found[0])


def _status(
    axes: Axes,
    dims: Sequence[Axis],
    found: Sequence[tuple[Role, Use]],
    *,
    tied_readout: bool,
) -> Status:
    contracting = {role for role, use in found if use.fan_in or use.index}
    if len(contracting) > 1 and not (tied_readout and contracting == {Role.INPUT, Role.OUTPUT}):
        return Status.UNKNOWN
    statuses = [_dim_status(axes, dim) for dim in dims]
    if Status.UNKNOWN in statuses:
        return Status.UNKNOWN
    return Status.ASSUMED if Status.ASSUMED in statuses else Status.CERTAIN


def _dim_status(axes: Axes, dim: Axis) -> Status:
    """A dimension with a factor that surely grows is width, whatever the others do."""
    classes = [axes.classes[c] for c in dim]
    statuses = {c.status for c in classes}
    if Status.UNKNOWN in statuses:
        return Status.UNKNOWN
    widths = {c.status for c in classes if c.kind is Kind.WIDTH}
    if Status.CERTAIN in widths:
        return Status.CERTAIN
    return Status.ASSUMED if Status.ASSUMED in statuses else Status.CERTAIN


def _why(axes: Axes, role: Role, use: Use) -> str:
    dims = axes.parameters[use.parameter]
    made = _words(axes, dims, use.fan_out)
    if use.fan_in:
        text = f"contracts {_words(axes, dims, use.fan_in)} into {made}"
    elif use.index:
        text = f"looked up along {_words(axes, dims, use.index)}, giving {made}"
    elif role is Role.SCALAR:
        text = "no width axis, nothing contracted"
    else:
        text = f"nothing contracted; lies along {made}"
    place = f" in {use.op}" if use.node else ""
    return f"{text}{place}" + (f", {use.where}" if use.where else "")


def _words(axes: Axes, dims: Sequence[Axis], chosen: Iterable[int]) -> str:
    parts = [_axis(axes.classes, dims[d]) for d in chosen if dims[d]]
    return ", ".join(parts) or "1"


def _axis(classes: Mapping[str, FactorClass], axis: Axis) -> str:
    return " x ".join(f"{classes[c].label} {classes[c].size}" for c in axis)

"""Layers that repeat should have grown alike: else an axis grew in only some of them."""

from collections.abc import Iterator

from mupfx.core.axes import Axes, Use
from mupfx.core.base import Ratios, Uneven
from mupfx.core.program import Program
from mupfx.core.structure import Streams


def uneven_growth(
    program: Program, axes: Axes, streams: Streams, ratios: Ratios
) -> Iterator[Uneven]:
    """Branches that run the same ops in the same order, and of which one grew otherwise."""
    first: dict[tuple[int, tuple[str, ...]], list[Use]] = {}
    for ops, uses in _branches(program, axes, streams):
        model = first.setdefault((len(uses), ops), uses)
        for mine, other in zip(uses, model, strict=True):
            yield from _compared(axes, ratios, mine.parameter, other.parameter)


def _branches(
    program: Program, axes: Axes, streams: Streams
) -> Iterator[tuple[tuple[str, ...], list[Use]]]:
    """Ops and parameter uses of every branch, in the order of the graph."""
    order = {node.name: i for i, node in enumerate(program.graph.nodes)}
    targets = {node.name: str(node.target) for node in program.graph.nodes}
    by_node: dict[str, list[Use]] = {}
    for use in axes.uses:
        by_node.setdefault(use.node, []).append(use)
    for branch in streams.branches:
        names = sorted(branch.nodes, key=order.__getitem__)
        uses = [use for name in names for use in by_node.get(name, ())]
        yield tuple(targets[name] for name in names), uses


def _compared(axes: Axes, ratios: Ratios, mine: str, other: str) -> Iterator[Uneven]:
    axes_of = axes.parameters[mine], axes.parameters[other]
    if len(axes_of[0]) != len(axes_of[1]):
        return
    for d, (axis, model) in enumerate(zip(*axes_of, strict=True)):
        grown, expected = ratios.of_axis(axis), ratios.of_axis(model)
        if grown == expected or axes.size_of(axis) != axes.size_of(model):
            continue  # a layer of other sizes grows as it likes
        sizes = _sizes(axes, mine, d), _sizes(axes, other, d)
        yield Uneven(
            where=f"{mine} dimension {d}",
            expected=f"a ratio of {expected}, as {other} dimension {d} ({sizes[1]})",
            found=f"a ratio of {grown} ({sizes[0]})",
        )


def _sizes(axes: Axes, name: str, dim: int) -> str:
    here = axes.size_of(axes.parameters[name][dim])
    base = axes.base_shapes.get(name)
    return f"{here} here" + (f", {base[dim]} at the base" if base else "")

"""Layers that repeat must have grown alike: else an axis grew in only some of them."""

from collections.abc import Iterator, Mapping

from mupfx.core.axes import Axes, Use
from mupfx.core.base import Ratios
from mupfx.core.structure import Streams
from mupfx.errors import BaseError


def require_even_growth(axes: Axes, streams: Streams, ratios: Ratios) -> None:
    """Compare branches that do the same.

    Raises:
        BaseError: A dimension grew by another ratio than in the first branch of its kind.
    """
    first: dict[tuple[object, ...], list[Use]] = {}
    for uses in _branches(axes, streams):
        key = tuple((u.op, u.fan_in, u.fan_out) for u in uses)
        model = first.setdefault(key, uses)
        for mine, other in zip(uses, model, strict=True):
            _compare(axes, ratios, mine.parameter, other.parameter)


def _branches(axes: Axes, streams: Streams) -> Iterator[list[Use]]:
    by_node: dict[str, list[Use]] = {}
    for use in axes.uses:
        by_node.setdefault(use.node, []).append(use)
    for branch in streams.branches:
        yield [use for node, uses in by_node.items() if node in branch.nodes for use in uses]


def _compare(axes: Axes, ratios: Ratios, mine: str, other: str) -> None:
    for d, (axis, model) in enumerate(
        zip(axes.parameters[mine], axes.parameters[other], strict=True)
    ):
        grown, expected = ratios.of_axis(axis), ratios.of_axis(model)
        if grown == expected:
            continue
        sizes = _sizes(axes, mine, d), _sizes(axes, other, d)
        raise BaseError(
            "an axis grew in only some layers",
            where=f"{mine} dimension {d}",
            expected=f"a ratio of {expected}, as {other} dimension {d} ({sizes[1]})",
            found=f"a ratio of {grown} ({sizes[0]})",
            hint="build the base so that every layer shrinks alike",
        )


def _sizes(axes: Axes, name: str, dim: int) -> str:
    classes: Mapping[str, object] = axes.classes
    here = 1
    for c in axes.parameters[name][dim]:
        here *= getattr(classes[c], "size", 1)
    base = axes.base_shapes.get(name)
    return f"{here} here" + (f", {base[dim]} at the base" if base else "")

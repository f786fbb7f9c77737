"""Lint: what must hold of a program and its axes after any pass, as a table of checks.

Each check yields sentences; an analysis shows them as findings, and strict mode refuses them. They
catch a wrong rule, not a wrong model.
"""

from collections.abc import Callable, Iterator
from math import prod

from mupfx.core.axes import Axes
from mupfx.core.program import Program, shape_of
from mupfx.core.vocabulary import Kind

Check = Callable[[Program, Axes], Iterator[str]]


def lint(program: Program, axes: Axes) -> tuple[str, ...]:
    """Every invariant that does not hold."""
    return tuple(text for check in CHECKS for text in check(program, axes))


def _order(program: Program, _: Axes) -> Iterator[str]:
    seen = set()
    for node in program.graph.nodes:
        for source in node.all_input_nodes:
            if source not in seen:
                yield f"{node.name} reads {source.name} before it is made"
        seen.add(node)


def _sizes(program: Program, axes: Axes) -> Iterator[str]:
    for node in program.graph.nodes:
        dims, shape = axes.nodes.get(node.name), shape_of(node)
        if dims is None or shape is None:
            continue
        found = tuple(prod(axes.classes[c].size for c in dim) for dim in dims)
        if found != shape:
            yield f"{node.name} has shape {list(shape)} and axes of sizes {list(found)}"


def _parameters(program: Program, axes: Axes) -> Iterator[str]:
    known = set(program.parameters.values())
    for name in axes.parameters:
        if name not in known:
            yield f"{name} has axes and is no parameter of the program"
    for name in program.shapes:
        if name not in axes.parameters and name not in program.unreached:
            yield f"{name} is reached and has no axes"


def _uses(program: Program, axes: Axes) -> Iterator[str]:
    names = {node.name for node in program.graph.nodes}
    for use in axes.uses:
        rank = len(axes.parameters.get(use.parameter, ()))
        dims = (*use.fan_in, *use.fan_out, *use.index)
        if use.node not in names or set(dims) != set(range(rank)):
            yield f"a use of {use.parameter} at {use.node} accounts for dimensions {sorted(dims)}"


def _classes(_: Program, axes: Axes) -> Iterator[str]:
    for c in axes.classes.values():
        if (c.kind is Kind.FINITE) != (c.reason is not None):
            yield f"class {c.name} is {c.kind} with reason {c.reason}"
        if c.size < 0 or not c.evidence:
            yield f"class {c.name} has size {c.size} and evidence {c.evidence!r}"


CHECKS: tuple[Check, ...] = (_order, _sizes, _parameters, _uses, _classes)

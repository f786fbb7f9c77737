"""Every invariant of an analysis is caught when it is broken on purpose."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import nn

import mupfx
from mupfx.core.axes import Axes
from mupfx.core.program import Program
from mupfx.core.vocabulary import Reason
from mupfx.passes.lint import lint


@cache
def analysis() -> tuple[Program, Axes]:
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
    found = mupfx.analyze(model, torch.ones(1, 3))
    return found.program, found.axes


def swapped(axes: Axes) -> Axes:
    """The two axes of one node change places."""
    name = next(n for n, dims in axes.nodes.items() if len(dims) == 2 and dims[0] != dims[1])
    return replace(axes, nodes={**axes.nodes, name: axes.nodes[name][::-1]})


def renamed(axes: Axes) -> Axes:
    parameters = dict(axes.parameters)
    parameters["nobody"] = parameters.pop("0.weight")
    return replace(axes, parameters=parameters)


def forgetful(axes: Axes) -> Axes:
    first, *rest = axes.uses
    return replace(axes, uses=(replace(first, fan_in=()), *rest))


def contradictory(axes: Axes) -> Axes:
    width = next(c for c in axes.classes.values() if c.reason is None)
    broken = replace(width, reason=Reason.INPUT)
    return replace(axes, classes={**axes.classes, width.name: broken})


def unfounded(axes: Axes) -> Axes:
    name, first = next(iter(axes.classes.items()))
    return replace(axes, classes={**axes.classes, name: replace(first, evidence="")})


def test_a_sound_analysis() -> None:
    assert lint(*analysis()) == ()


@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        (swapped, "axes of sizes"),
        (renamed, "0.weight is reached and has no axes"),
        (renamed, "nobody has axes and is no parameter"),
        (forgetful, "accounts for dimensions"),
        (contradictory, "is width with reason input"),
        (unfounded, "evidence ''"),
    ],
)
def test_each_invariant_can_fail(breaks: Callable[[Axes], Axes], says: str) -> None:
    program, axes = analysis()
    problems = lint(program, breaks(axes))
    assert any(says in problem for problem in problems), problems

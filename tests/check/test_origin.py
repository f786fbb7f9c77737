"""What is wrong with a target as a whole is at the line that defines it."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mupfx.core.finding import Finding, Place
from mupfx.pipeline.checking.origin import located, origin


def passed_on(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return inner


def build(width: int) -> int:
    return width


@passed_on
def decorated(width: int) -> int:
    return width


class Made:
    def __call__(self, width: int) -> int:
        return width

    def build(self, width: int) -> int:
        return width


TARGETS = {
    "function": (build, "def build(width: int) -> int:"),
    "partial": (functools.partial(functools.partial(build), 3), "def build(width: int) -> int:"),
    "decorated": (decorated, "def decorated(width: int) -> int:"),
    "class": (Made, "class Made:"),
    "object": (Made(), "class Made:"),
    "method": (Made().build, "def build(self, width: int) -> int:"),
}


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_is_where_it_is_defined(name: str) -> None:
    target, code = TARGETS[name]
    place = origin(target)
    assert place is not None
    assert place.code == code
    assert Path(place.path).samefile(__file__)
    assert Path(__file__).read_text().splitlines()[place.line - 1].strip() == code


@pytest.mark.parametrize("target", [len, torch.nn.Linear, functools.partial(print)])
def test_what_is_nobodys_own_has_no_place(target: object) -> None:
    assert origin(target) is None


def test_a_finding_with_a_place_keeps_it() -> None:
    here = Place("model.py", 3, "x = x / 2")
    findings = Finding("MUP003", "head", "off", place=here), Finding("MUP013", None, "off")
    first, second = located(findings, build)
    assert first.place == here
    assert second.place == origin(build)

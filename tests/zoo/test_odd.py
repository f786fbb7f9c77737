"""Unusual models: never silently wrong from one instance, and exact beside a base."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from typing import Any

import pytest

import mupfx
from tests.zoo.odd_truth import CASES, OddCase
from tests.zoo.truth import Expected

Found = Mapping[str, Any]
USED_AS = {"input", "hidden", "output"}


def analyzed(case: OddCase, *, based: bool) -> Found:
    model, args, kwargs = case.build(2)
    if not based:
        return mupfx.analyze(model, args, kwargs).to_dict()
    return mupfx.analyze(model, args, kwargs, base=case.build(1)[0]).to_dict()


def width_of(found: Found, parameter: str) -> list[int]:
    axes = found["parameters"][parameter]["axes"]
    return [d for d, axis in enumerate(axes) if any(is_width(found, c) for c in axis)]


def is_width(found: Found, name: str) -> bool:
    return bool(found["classes"][name]["kind"] == "width")


def answer(found: Found, parameter: str, want: Expected) -> tuple[object, ...]:
    """Width axes, role and fans, as far as the truth speaks of them."""
    got, width = found["parameters"][parameter], width_of(found, parameter)
    if want.role == "several" or width != want.width:
        return (width,)
    if want.role not in USED_AS:
        return width, got["role"]
    fans = tuple(tuple(d for d in got[side] if d in width) for side in ("fan_in", "fan_out"))
    return width, got["role"], *fans


def truth(want: Expected) -> tuple[object, ...]:
    if want.role == "several":
        return (want.width,)
    if want.role not in USED_AS:
        return want.width, want.role
    return want.width, want.role, want.fan_in, want.fan_out


def misses(case: OddCase, found: Found) -> Iterator[tuple[str, str, object, object, Expected]]:
    """(parameter, status, answer, truth, expected) wherever they differ."""
    assert not found["unreached"]
    for parameter, got in found["parameters"].items():
        want = next(e for pattern, e in case.parameters.items() if fnmatch(parameter, pattern))
        if answer(found, parameter, want) != truth(want):
            said = answer(found, parameter, want)
            yield parameter, got["status"], said, truth(want), want


@pytest.mark.parametrize("name", CASES)
def test_beside_a_base_every_parameter_is_right(name: str) -> None:
    found = analyzed(CASES[name], based=True)
    assert not list(misses(CASES[name], found))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.alone])
def test_alone_nothing_is_silently_wrong(name: str) -> None:
    """What only a constant in the code keeps finite may be width; what is width must not be lost."""
    found = analyzed(CASES[name], based=False)
    for parameter, status, said, so, want in misses(CASES[name], found):
        grown = set(want.width) <= set(width_of(found, parameter))
        told = status in {"assumed", "unknown"}
        assert told or (want.free and grown), (parameter, said, so)
        assert want.free, (parameter, said, so)


@pytest.mark.parametrize("name", CASES)
def test_every_pattern_speaks_of_some_parameter(name: str) -> None:
    case = CASES[name]
    names = [p for p, _ in case.build(1)[0].named_parameters()]
    first = {next(k for k in case.parameters if fnmatch(p, k)) for p in names}
    assert first == set(case.parameters)


@pytest.mark.parametrize("name", CASES)
def test_shapes_bear_out_which_axes_grow(name: str) -> None:
    """The truth by hand against the shapes at two widths, without the compiler."""
    case = CASES[name]
    (wide, _, _), (narrow, _, _) = case.build(2), case.build(1)
    for (parameter, p), (_, q) in zip(
        wide.named_parameters(), narrow.named_parameters(), strict=True
    ):
        want = next(e for pattern, e in case.parameters.items() if fnmatch(parameter, pattern))
        grew = [d for d, (m, n) in enumerate(zip(p.shape, q.shape, strict=True)) if m != n]
        assert grew == want.width, parameter

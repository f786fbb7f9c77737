"""Ratios: how much every factor class grew, from any form a base can take.

Every form becomes sizes of factor classes at the base. A width class that none of them names grows
like the residual stream.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import prod

from mupfx.core.axes import Axes, Axis, FactorClass
from mupfx.core.base import Ratios
from mupfx.core.ranges import spread
from mupfx.core.structure import Streams
from mupfx.core.vocabulary import Kind, Reason, Status
from mupfx.errors import BaseError

Sizes = Mapping[str, int]
Shapes = Mapping[str, Sequence[int | None]]


def of_model(axes: Axes) -> Ratios:
    """Ratios from a base that was captured: every class carries its size there."""
    ratios = {
        name: c.ratio or Fraction(1)
        for name, c in axes.classes.items()
        if c.kind is Kind.WIDTH and c.ratio is not None
    }
    changed = [
        f"{c.label} is {c.size} here and {c.base_size} at the base; finite ({c.reason}), so ratio 1"
        for c in axes.classes.values()
        if c.kind is Kind.FINITE and c.ratio not in (None, 1) and _is_stored(axes, c.name)
    ]
    return Ratios(ratios, findings=tuple(dict.fromkeys(changed)))


def of_width(axes: Axes, streams: Streams, width: int) -> Ratios:
    """Ratios from the residual stream's width at the base.

    Raises:
        BaseError: There is no stream, or several of different width.
    """
    if width <= 0:
        raise BaseError(f"base={width} is not a width", expected="a positive int")
    name = _main_class(axes, streams, width)
    return of_sizes(axes, streams, {name: width})


def _main_class(axes: Axes, streams: Streams, width: int) -> str:
    found = list(dict.fromkeys(s.factor_class for s in streams.streams if s.factor_class))
    wide = [axes.classes[c] for c in found if axes.classes[c].kind is Kind.WIDTH]
    wide = wide or _stored_width(axes)
    sizes = sorted({c.size for c in wide})
    if len(sizes) == 1:
        return wide[0].name
    if not sizes:
        raise BaseError(
            "no axis of this model is width, so a base width means nothing",
            found="every factor is finite: see mupfx inspect",
            hint='mark one as width: overrides={"c0": "width"}',
        )
    example = wide[0]
    raise BaseError(
        f"base={width} could mean any of several widths",
        expected="one width class",
        found=", ".join(f"{c.label}={c.size} ({_example(axes, c.name)})" for c in wide[:6]),
        hint=f'name one: base={{"{example.label}": {width}}}, or give the base model itself',
    )


def _example(axes: Axes, name: str) -> str:
    """A parameter that has a class, for people to recognise it by."""
    return next((p for p, dims in axes.parameters.items() if any(name in d for d in dims)), "")


def _stored_width(axes: Axes) -> list[FactorClass]:
    """Width classes of parameters, where no residual stream says which is meant."""
    stored = dict.fromkeys(c for dims in axes.parameters.values() for dim in dims for c in dim)
    return [axes.classes[c] for c in stored if axes.classes[c].kind is Kind.WIDTH]


def of_sizes(axes: Axes, streams: Streams, sizes: Sizes) -> Ratios:
    """Ratios from sizes at the base by class name or label.

    Raises:
        BaseError: A name is unknown, or names a factor that is certainly finite.
    """
    given: dict[str, Fraction] = {}
    for word, size in sizes.items():
        for found in named(axes, word):
            given[found.name] = _ratio(found, size)
    main = [s.factor_class for s in streams.streams if s.factor_class in given]
    others = given[main[0]] if main else next(iter(given.values()))
    ratios = {
        c.name: given.get(c.name, others) for c in axes.classes.values() if c.kind is Kind.WIDTH
    }
    return Ratios(_with_wholes(axes, ratios | given) | given)


def named(axes: Axes, word: str) -> list[FactorClass]:
    """Classes of a name or label; of several, written ``c{2..5}``.

    Raises:
        BaseError: There is none.
    """
    return [found for one in spread(word) for found in _named(axes, one)]


def _named(axes: Axes, word: str) -> list[FactorClass]:
    found = [c for c in axes.classes.values() if word in (c.name, c.label)]
    if found:
        return found
    labels = sorted({c.label for c in axes.classes.values() if _is_stored(axes, c.name)})
    raise BaseError(
        f"no factor class is called {word!r}",
        expected=f"one of {', '.join(labels)}",
        hint="mupfx inspect lists them",
    )


def _ratio(found: FactorClass, size: int) -> Fraction:
    if size <= 0:
        raise BaseError(f"base size {size} of {found.label!r} is not positive")
    if found.kind is Kind.FINITE and found.status is Status.CERTAIN and size != found.size:
        raise BaseError(
            f"{found.label!r} is finite and cannot have another size at the base",
            where=f"{found.name}: {found.evidence}",
            expected=str(found.size),
            found=str(size),
            hint=f'if it does grow: overrides={{"{found.label}": "width"}}',
        )
    return Fraction(found.size, size)


def _with_wholes(axes: Axes, ratios: Mapping[str, Fraction]) -> dict[str, Fraction]:
    """A concatenation's ratio from its parts: finite ones stay."""
    found = dict(ratios)
    for c in axes.classes.values():
        if c.name not in found or not c.parts or _length(axes, c.parts) != c.size:
            continue
        base = sum((_base_length(axes, part, found) for part in c.parts), start=Fraction(0))
        found[c.name] = c.size / base
    return found


def in_the_limit(axes: Axes, ratios: Ratios) -> Ratios:
    """Of ever wider models, in which finite parts of a concatenation no longer count."""
    limits = dict(ratios.classes)
    for c in axes.classes.values():
        if c.name in limits and c.parts and _length(axes, c.parts) == c.size:
            limits[c.name] = max(Ratios(limits).of_axis(part) for part in c.parts)
    return Ratios(limits, ratios.depth, ratios.findings)


def _length(axes: Axes, parts: Sequence[Axis]) -> int:
    return sum(prod(axes.classes[c].size for c in part) for part in parts)


def _base_length(axes: Axes, part: Axis, ratios: Mapping[str, Fraction]) -> Fraction:
    return prod(
        (axes.classes[c].size / ratios.get(c, Fraction(1)) for c in part), start=Fraction(1)
    )


def of_shapes(axes: Axes, shapes: Shapes) -> Ratios:
    """Ratios from the base's parameter shapes by name; None stands for a finite dimension.

    Raises:
        BaseError: Names or ranks differ, or no sizes of the classes explain the shapes.
    """
    sizes: dict[str, Fraction] = {
        c.name: Fraction(c.size)
        for c in axes.classes.values()
        if c.kind is Kind.FINITE and c.status is Status.CERTAIN
    }
    equations = list(_equations(axes, shapes))
    for open_too in (False, True):
        if open_too:
            soft = [c for c in axes.classes.values() if c.kind is Kind.FINITE]
            sizes |= {c.name: Fraction(c.size) for c in soft if c.name not in sizes}
        _solve(equations, sizes)
    ratios = {
        name: Fraction(axes.classes[name].size) / size
        for name, size in sizes.items()
        if axes.classes[name].size != size
    }
    return Ratios(ratios | dict.fromkeys(set(sizes) - set(ratios), Fraction(1)))


def _equations(axes: Axes, shapes: Shapes) -> "list[tuple[str, Axis, int]]":
    found = []
    for name, dims in axes.parameters.items():
        if name not in shapes or len(shapes[name]) != len(dims):
            raise BaseError(
                "the base file does not have this parameter with as many dimensions",
                where=name,
                expected=f"{len(dims)} dimensions",
                found=str(list(shapes[name])) if name in shapes else "nothing of that name",
                hint="give the base model instead: it is matched by its graph",
            )
        for axis, size in zip(dims, shapes[name], strict=True):
            if axis and size is not None and not _certainly_finite(axes, axis):
                found.append((name, axis, int(size)))
    return found


def _certainly_finite(axes: Axes, axis: Axis) -> bool:
    return all(
        axes.classes[c].kind is Kind.FINITE and axes.classes[c].status is Status.CERTAIN
        for c in axis
    )


def _solve(equations: Sequence[tuple[str, Axis, int]], sizes: dict[str, Fraction]) -> None:
    before = -1
    while before != len(sizes):
        before = len(sizes)
        for name, axis, size in equations:
            unknown = [c for c in axis if c not in sizes]
            rest = Fraction(size) / prod((sizes[c] for c in axis if c in sizes), start=Fraction(1))
            if len(unknown) == 1:
                sizes[unknown[0]] = rest
            elif not unknown and rest != 1:
                raise BaseError(
                    "an axis grew in only some layers",
                    where=name,
                    expected=f"{prod(sizes[c] for c in axis)}, as elsewhere in the base",
                    found=str(size),
                    hint="every tensor on one axis must have grown alike",
                )


def _is_stored(axes: Axes, name: str) -> bool:
    return any(name in dim for dims in axes.parameters.values() for dim in dims)


def with_overrides(axes: Axes, overrides: Mapping[str, str]) -> Axes:
    """The axes with kinds that the user states.

    Raises:
        BaseError: A class is unknown, or a kind is neither ``width`` nor ``finite``.
    """
    classes = dict(axes.classes)
    for word, kind in overrides.items():
        if kind not in set(Kind):
            raise BaseError(
                f"override {word!r}: {kind!r} is no kind", expected='"width" or "finite"'
            )
        for found in named(axes, word):
            classes[found.name] = replace(
                found,
                kind=Kind(kind),
                status=Status.CERTAIN,
                reason=None if kind == Kind.WIDTH else Reason.USER,
                evidence="stated by the user",
            )
    return replace(axes, classes=classes)

"""What an operation makes of laws: one row for each, by its name in ATen, in place or not.

``weight.normal_(0, 0.02).mul_(0.5)`` is two rows: ``normal``, of the numbers that it is given, and
``mul``, of the law that is there. What has no row makes numbers of numbers, and of anything that
was drawn it makes what is not known.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from mupfx.core.drawn import OPEN, Box, Drawn, Shape, affine, unknown
from mupfx.passes.laws.stores import Stores, number

BEYOND = 6.0
"""In std: what is cut further out than this is not cut."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operation, its arguments by their names in the schema."""

    name: str
    given: Mapping[str, Any]
    stores: Stores
    random: bool

    def tensors(self) -> list[Tensor]:
        """All tensors among its arguments that it reads."""
        read = (value for name, value in self.given.items() if not name.startswith("out"))
        return [t for value in read for t in flat_tensors(value)]

    def law(self, name: str = "self") -> Drawn:
        """The law of an argument; of a number, that number."""
        value = self.given[name]
        if isinstance(value, Tensor):
            return self.stores.read(value)
        return Drawn(Shape.CONSTANT, location=float(value))

    def number(self, name: str, default: float | None = None) -> float | None:
        """An argument's number; None where it has none."""
        value = self.given.get(name)
        return default if value is None else number(value, self.stores)


Rule = Callable[[Call], Drawn | None]


def flat_tensors(value: object) -> Iterable[Tensor]:
    """The tensors in an argument, which may be a list of them."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            yield from flat_tensors(item)


def law_of(call: Call) -> Drawn:
    """The law of what an operation makes."""
    rule = RULES.get(call.name)
    made = None if rule is None else rule(call)
    if made is not None:
        return made
    if call.random:
        return unknown(f"drawn by {call.name}")
    laws = [call.stores.read(t) for t in call.tensors()]
    drawn = [law for law in laws if law.shape not in {Shape.GIVEN, Shape.CONSTANT} or law.parts]
    if drawn:
        return unknown(f"{call.name} of {drawn[0].why or drawn[0].shape}", drawn[0])
    return Drawn(Shape.GIVEN, why=f"computed by {call.name}")


def _normal(call: Call) -> Drawn | None:
    mean, std = call.number("mean", 0.0), call.number("std", 1.0)
    if mean is None or std is None:
        return None
    return _plain(Drawn(Shape.NORMAL, scale=std, location=mean))


def _uniform(call: Call) -> Drawn | None:
    low, high = call.number("from", 0.0), call.number("to", 1.0)
    if low is None or high is None:
        return None
    middle = (low + high) / 2
    return _plain(Drawn(Shape.UNIFORM, scale=high - middle, location=middle))


def _plain(drawn: Drawn) -> Drawn:
    return drawn if drawn.scale else replace(drawn, shape=Shape.CONSTANT)


def _constant(value: float) -> Rule:
    return lambda _: Drawn(Shape.CONSTANT, location=value)


def _filled(call: Call) -> Drawn | None:
    name = next(n for n in ("fill_value", "value") if n in call.given)
    value = call.number(name)
    return None if value is None else Drawn(Shape.CONSTANT, location=value)


def _empty(_: Call) -> Drawn:
    return unknown("memory that was never filled")


def _same(call: Call) -> Drawn | None:
    kind = call.given.get("dtype")
    return call.law() if kind is None or kind.is_floating_point else None


def _copied(call: Call) -> Drawn | None:
    law = call.law("src")
    if not call.given["self"].is_floating_point() and law.shape is not Shape.CONSTANT:
        return None
    alike = law.shape is Shape.CONSTANT and not law.parts
    if alike or law.shape in OPEN or call.given["src"].numel() == call.given["self"].numel():
        return law
    return unknown(f"{law.shape} values, repeated", law)


def _by_each(
    both: Callable[[Drawn, float], Drawn], swapped: Callable[[Drawn, float], Drawn] | None
) -> Rule:
    """An operation of two operands, one of which is a number."""

    def rule(call: Call) -> Drawn | None:
        other = call.given["other"]
        value = _value(call.law("other"), call.number("other"))
        if value is not None and not _spreads(call.given["self"], other):
            return both(call.law(), value)
        mine = _value(call.law(), call.number("self"))
        if mine is not None and swapped is not None and isinstance(other, Tensor):
            return None if _spreads(other, call.given["self"]) else swapped(call.law("other"), mine)
        return None

    return rule


def _value(law: Drawn, single: float | None) -> float | None:
    constant = law.shape is Shape.CONSTANT and not law.parts
    return law.location if constant else single


def _spreads(one: object, other: object) -> bool:
    """Whether the numbers of one are repeated along dimensions of the other."""
    mine = one.shape if isinstance(one, Tensor) else ()
    theirs = other.shape if isinstance(other, Tensor) else ()
    extra = len(theirs) > len(mine)
    return extra or any(n != m for n, m in zip(mine[::-1], theirs[::-1], strict=False) if m != 1)


def _times(law: Drawn, value: float) -> Drawn:
    return affine(law, value)


def _over(law: Drawn, value: float) -> Drawn:
    return unknown("divided by zero", law) if value == 0 else _divided(law, value)


def _divided(law: Drawn, value: float) -> Drawn:
    """Divided, not multiplied by an inverse that was rounded."""
    turned = affine(law, math.copysign(1.0, value))
    parts = tuple((box, _divided(part, value)) for box, part in law.parts)
    size = abs(value)
    return replace(turned, scale=turned.scale / size, location=turned.location / size, parts=parts)


def _shifted(sign: float, turn: float = 1.0) -> Rule:
    def rule(call: Call) -> Drawn | None:
        alpha = call.number("alpha", 1.0) or 0.0
        by_number = _by_each(
            lambda law, value: affine(law, turn, sign * alpha * value),
            lambda law, value: affine(law, sign * alpha, turn * value),
        )
        return by_number(call)

    return rule


def _probit(call: Call) -> Drawn | None:
    """``erfinv`` of uniform numbers is normal, cut where they end."""
    law = call.law()
    if law.shape is not Shape.UNIFORM or law.parts:
        return None
    low, high = (_inverse(law.location + sign * law.scale) for sign in (-1.0, 1.0))
    if math.isnan(low) or math.isnan(high):
        return None
    root = math.sqrt(2)
    return _uncut(Drawn(Shape.TRUNCATED, scale=1 / root, low=low * root, high=high * root))


def _inverse(x: float) -> float:
    return float(torch.special.erfinv(torch.tensor(x, dtype=torch.float64, device="cpu")))


def _uncut(law: Drawn) -> Drawn:
    if law.low < -BEYOND and law.high > BEYOND:
        return replace(law, shape=Shape.NORMAL, low=-math.inf, high=math.inf)
    return law


def _clamped(call: Call) -> Drawn | None:
    """What leaves a law as it is: bounds where it is cut anyway, or far out."""
    low, high = call.number("min", -math.inf), call.number("max", math.inf)
    law = call.law()
    if low is None or high is None or law.parts:
        return None
    if law.shape is Shape.CONSTANT:
        return replace(law, location=min(max(law.location, low), high))
    reach = {Shape.NORMAL: (-BEYOND, BEYOND), Shape.TRUNCATED: (law.low, law.high)}
    reach[Shape.UNIFORM] = (-1.0, 1.0)
    if law.shape not in reach:
        return None
    least, most = reach[law.shape]
    slack = 1e-5 * abs(law.scale)
    ends = sorted(law.location + law.scale * edge for edge in (least, most))
    return law if low <= ends[0] + slack and high >= ends[1] - slack else None


def _padded(call: Call) -> Drawn | None:
    law = call.law()
    same = law.shape is Shape.CONSTANT and call.number("value", 0.0) == law.location
    return law if same and not law.parts else None


def _eye(call: Call) -> Drawn | None:
    rows = int(call.given["n"])
    columns = int(call.given.get("m", rows))
    return Drawn(Shape.EYE, scale=1.0, density=1 / max(rows, columns, 1))


def _joined(call: Call) -> Drawn | None:
    """Tensors one behind the other: each its own part."""
    pieces = [t for t in call.given["tensors"] if t.numel()]
    laws = [call.stores.read(t) for t in pieces]
    dim = int(call.given.get("dim", 0))
    stacked = call.name == "stack"
    places = pieces[0].dim() + stacked if pieces else 0
    if not pieces or any(law.parts for law in laws) or not places:
        return None
    dim %= places
    parts, start = [], 0
    for piece, law in zip(pieces, laws, strict=True):
        sizes = list(piece.shape)
        if stacked:
            sizes.insert(dim, 1)
        box: Box = tuple((start if d == dim else 0, n, 1) for d, n in enumerate(sizes))
        parts.append((box, law))
        start += sizes[dim]
    return replace(laws[0], parts=tuple(parts))


_TIMES = _by_each(_times, _times)

RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("normal", "randn", "randn_like", "normal_functional"), _normal),
    **dict.fromkeys(("uniform", "rand", "rand_like"), _uniform),
    **dict.fromkeys(("zero", "zeros", "zeros_like", "new_zeros"), _constant(0.0)),
    **dict.fromkeys(("ones", "ones_like", "new_ones"), _constant(1.0)),
    **dict.fromkeys(("fill", "full", "full_like", "new_full"), _filled),
    **dict.fromkeys(
        ("empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided",
         "empty_permuted"),
        _empty,
    ),
    **dict.fromkeys(
        ("clone", "_to_copy", "lift_fresh", "lift_fresh_copy", "lift", "positive", "alias_copy",
         "detach_copy", "contiguous"),
        _same,
    ),
    "copy": _copied,
    "mul": _TIMES, "multiply": _TIMES,
    "div": _by_each(_over, None), "divide": _by_each(_over, None),
    "add": _shifted(1.0), "sub": _shifted(-1.0),
    "rsub": _shifted(1.0, -1.0),
    "neg": lambda call: affine(call.law(), -1.0),
    "erfinv": _probit, "special_erfinv": _probit,
    "clamp": _clamped, "clamp_min": _clamped, "clamp_max": _clamped, "clip": _clamped,
    "eye": _eye,
    "constant_pad_nd": _padded,
    "cat": _joined, "stack": _joined,
}  # fmt: skip
"""By the name without the underscore at its end."""

"""Draw the starting values of a converted model anew, from a seed: laws from its plan.

::

    the user's     laws={"head.weight": normal(0.02)}, keep=["rotary.*"]
    captured       what the factory asked for, times the plan's factor
    recognised     uniform, normal, cut normal of the plan's std; zeros
    one value      as it is, where it still is one

Every law is settled before a value is written. Rows of padding stay zero.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from torch import Tensor, fx, nn

from mupfx.core.conversion import ATTRIBUTE, Conversion
from mupfx.core.drawn import Box, Drawn, Shape, affine
from mupfx.core.init_law import Distribution
from mupfx.core.ops import packet
from mupfx.core.plan import ParameterPlan, Plan
from mupfx.core.vocabulary import SiteKind
from mupfx.errors import InitError, did_you_mean
from mupfx.kernels.draw import Draw, constant
from mupfx.kernels.fill import require_values
from mupfx.kernels.names import parameters_of
from mupfx.kernels.start import Start, start_
from mupfx.passes.carry import owners
from mupfx.passes.initial import renew_initial
from mupfx.passes.initialize import distribution_of, one_value
from mupfx.pipeline.lowering import converted
from mupfx.pipeline.starting import Starts, initialise, placed, zeros_of
from mupfx.tables.init_laws import SHAPES

CUTS = {Distribution.TRUNCATED: 2.0, Distribution.TRUNCATED_3: 3.0}
CONSTANT = Drawn(Shape.CONSTANT)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user says: laws of stored values, and what stays, by name or pattern."""

    laws: Mapping[str, Draw] = field(default_factory=dict)
    keep: Collection[str] = ()


def redraw(model: nn.Module, wishes: Wishes, *, seed: int, nested: bool) -> None:
    """Fill the parameters of a converted model in place.

    Raises:
        InitError: How a parameter starts is not known, or there is no memory.
        PlanError: The model was not converted.
    """
    module, conversion = converted(model)
    for name, tensor in parameters_of(module).items():
        require_values(tensor, name)
    settled = settle(module, conversion, wishes)
    tensors, given, planned = settled.tensors, settled.given, settled.planned
    start_({name: tensors[name] for name in given}, given, seed=seed, nested=nested)
    stored = _without_factors(conversion.plan)
    mine = {name: tensors[name] for name in planned}
    initialise(mine, Starts(planned), stored, seed=seed, nested=nested)
    _finish(module, conversion)


@dataclass(frozen=True, slots=True)
class Settled:
    """How parameters start, by name."""

    tensors: Mapping[str, Tensor]
    given: Mapping[str, Start]
    """By laws of the user's."""
    planned: Mapping[str, Drawn]
    """By laws of stored values; what is kept is in neither."""


def settle(module: nn.Module, conversion: Conversion, wishes: Wishes) -> Settled:
    """Choose the law of every parameter; no value is written.

    Raises:
        InitError: How a parameter starts is not known.
    """
    rows, tensors = conversion.plan.parameters, parameters_of(module)
    ties = {o: first for o, first in conversion.plan.aliases.items() if {o, first} <= set(tensors)}
    own = {name: tensor for name, tensor in tensors.items() if name not in ties}
    given = _given(wishes.laws, own)
    kept = _matched(wishes.keep, own) - set(given)
    planned: dict[str, Drawn] = {}
    for name in (name for name in own if name not in kept and name not in given):
        law = _planned(conversion, rows.get(name), name, tensors[name])
        planned[name] = _zeroed(law, _padding(module, name, tensors[name]))
    starts = {
        name: _start(rows.get(name), draw, tensors[name], _padding(module, name, tensors[name]))
        for name, draw in given.items()
    }
    for other, first in ties.items():  # which sharding has cut; values stay alike
        if first in starts:
            starts[other] = replace(starts[first], like=first)
        if first in planned:
            planned[other] = replace(planned[first], like=planned[first].like or first)
    return Settled(tensors, starts, planned)


def _start(row: ParameterPlan | None, draw: Draw, tensor: Tensor, padding: Iterator[Box]) -> Start:
    zeros = (*zeros_of(tensor, None if row is None else row.init), *padding)
    return Start(tuple(tensor.shape), draw, tuple((box, constant(0.0)) for box in zeros))


def _finish(module: nn.Module, conversion: Conversion) -> None:
    sites = conversion.plan.sites.values()
    copied = [s for s in sites if s.kind is SiteKind.INITIAL and s.lowering == "hook"]
    if copied:
        renew_initial(module, copied[0].target[0], [b for s in copied for b in s.target[1:]])
    if conversion.pending is not None:
        setattr(module, ATTRIBUTE, replace(conversion, pending=None))


def _without_factors(plan: Plan) -> Plan:
    """Laws are of stored values here; a tie that was cut has its row twice."""
    rows = {
        name: replace(p, init=replace(p.init, factor=1.0)) for name, p in plan.parameters.items()
    }
    ties = {other: rows[first] for other, first in plan.aliases.items()}
    return replace(plan, parameters=rows | ties)


def _given(laws: Mapping[str, Draw], names: Collection[str]) -> dict[str, Draw]:
    """The user's law of each parameter, an exact name before a pattern."""
    found: dict[str, Draw] = {}
    for pattern, draw in sorted(laws.items(), key=lambda item: item[0] in names):
        for name in _matched([pattern], names):
            if pattern not in names and found.get(name, draw) != draw:
                raise InitError(
                    f"two patterns of laws give {name!r} different ones",
                    found=f"{found[name]} and {draw}",
                    hint=f"add its exact name: laws={{{name!r}: ...}}",
                )
            found[name] = draw
    return found


def _matched(patterns: Collection[str], names: Collection[str]) -> set[str]:
    found: set[str] = set()
    for pattern in patterns:
        some = {name for name in names if name == pattern or fnmatchcase(name, pattern)}
        if not some:
            raise InitError(
                f"{pattern!r} is no parameter of the model",
                expected="a parameter's name, or a pattern such as '*.weight'",
                hint=did_you_mean(pattern, names),
            )
        found |= some
    return found


def _planned(conversion: Conversion, row: ParameterPlan | None, name: str, tensor: Tensor) -> Drawn:
    captured = conversion.drawn.get(name)
    if row is not None and captured is not None and placed(captured):
        return affine(captured, row.init.factor)
    law = None if row is None else _recognised(row, tensor)
    if law is None:
        raise InitError(
            f"how {name!r} starts is no law that can be drawn again",
            where=f"{name} {list(tensor.shape)}",
            found=_found(row),
            hint=f"laws={{{name!r}: mupfx.kernels.normal(std)}} draws it, "
            f"keep=[{name!r}] leaves it as it is",
        )
    return law


def _found(row: ParameterPlan | None) -> str:
    if row is None:
        return "a parameter that was not there when the model was converted"
    words = {None: "no values when the model was converted", "fill": "one value then, several now"}
    return words.get(row.init.law) or f"the law {row.init.law!r}"


def _recognised(row: ParameterPlan, tensor: Tensor) -> Drawn | None:
    """The law of stored values that a plan names, if it says all."""
    distribution, std = distribution_of(row.init.law), row.init.std
    if row.init.law == "zeros":
        return CONSTANT
    if distribution is Distribution.FILL:
        value = one_value(tensor)
        return None if value is None else replace(CONSTANT, location=value)
    if distribution not in SHAPES or std is None or not math.isfinite(std):
        return None
    if distribution is Distribution.UNIFORM:
        return Drawn(Shape.UNIFORM, scale=std * math.sqrt(3))
    cut = CUTS.get(distribution, math.inf)
    shape = Shape.TRUNCATED if distribution in CUTS else Shape.NORMAL
    return Drawn(shape, scale=std / SHAPES[distribution].nominal, low=-cut, high=cut)


def _zeroed(law: Drawn, boxes: Iterator[Box]) -> Drawn:
    known = {box for box, _ in law.parts}
    parts = tuple((box, CONSTANT) for box in boxes if box not in known)
    return replace(law, parts=(*law.parts, *parts))


def _padding(module: nn.Module, name: str, tensor: Tensor) -> Iterator[Box]:
    """Rows that stand for no token, as the modules have them."""
    for row in {index % len(tensor) for index in _padding_rows(module, name, tensor)}:
        yield (row, 1, 1), *((0, n, 1) for n in tensor.shape[1:])


def _padding_rows(module: nn.Module, name: str, tensor: Tensor) -> Iterator[int]:
    for owner, own in owners(module, tensor):
        if isinstance(owner, nn.Embedding | nn.EmbeddingBag) and own == "weight":
            yield from () if owner.padding_idx is None else (owner.padding_idx,)
    for node in module.graph.nodes if isinstance(module, fx.GraphModule) else ():
        if node.op == "call_function" and str(packet(node)) == "aten.embedding":
            table, *rest = node.args
            if len(rest) > 1 and rest[1] >= 0 and getattr(table, "target", None) == name:
                yield rest[1]

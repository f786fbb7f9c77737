"""Build a model in its parametrization, without its ever being there in another.

::

    shapes      factory -> module on the meta device, laws, what was computed
    analysis    as for any model; the base likewise without values
    lowering    hooks, and factors that wait for values
    shard       the user's: fully_shard, parallelize_module, or nothing
    memory      for what each process holds
    values      laws times factors; buffers as they were computed; ties tied again
"""

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from mupfx.core.conversion import ATTRIBUTE
from mupfx.core.plan import Plan
from mupfx.errors import InitError
from mupfx.kernels.names import canonical, parameters_of
from mupfx.passes.laws import Recorded
from mupfx.pipeline.initial import keep_initial
from mupfx.pipeline.lowering import converted
from mupfx.pipeline.starting import Starts, initialise, placed

Model = TypeVar("Model", bound=nn.Module)
Shard = Callable[[Any], object]


@dataclass(frozen=True, slots=True)
class Memory:
    """Where values go, and which."""

    device: torch.device
    shard: Shard | None = None
    seed: int = 0
    nested: bool = False


def factories(
    factory: Callable[..., Model], base: object, sizes: Mapping[str, Any]
) -> tuple[Callable[[], Model], object]:
    """The factory without arguments, and the base: arguments of the factory are another of it."""
    made = _called(factory, sizes)
    if isinstance(base, Mapping) and base and set(base) <= _arguments(factory, sizes):
        return made, _called(factory, {**sizes, **base})
    return made, base


def _called(factory: Callable[..., Model], sizes: Mapping[str, Any]) -> Callable[[], Model]:
    return lambda: factory(**sizes)


def _arguments(factory: Callable[..., object], sizes: Mapping[str, Any]) -> set[str]:
    try:
        named = inspect.signature(factory).parameters
    except (TypeError, ValueError):  # written in C
        return set(sizes)
    return {*named, *sizes}


def require_starts(made: Recorded, plan: Plan, unreached: Collection[str]) -> None:
    """Refuse a parameter that nobody could fill later.

    Args:
        made: What was seen.
        plan: Its factors.
        unreached: Parameters that the example never reached: they start as they are drawn.

    Raises:
        InitError: It was drawn in a way that is not known, or its scale at the base is not; or a
            buffer's numbers were drawn so.
    """
    for name, law in made.buffers.items():
        if name not in made.values and not placed(law):
            raise InitError(
                f"the numbers of the buffer {name!r} are lost: they were made of drawn ones",
                where=f"{name}, {law.source}",
                found=str(law),
                hint="convert the model with its values",
            )
    for name, row in plan.parameters.items():
        law = made.laws[name]
        if name not in made.values and not placed(law):
            raise InitError(
                f"how {name!r} starts is no law that can be drawn again{_more(made, plan, name)}",
                where=f"{name} {list(row.shape)}, {law.source}",
                found=str(law),
                hint="fill it by functions of torch.nn.init, or convert the model with its values",
            )
        if row.init.law is None and name not in unreached:
            raise InitError(
                f"how {name!r} scales from the base is not known",
                where=f"{name} {list(row.shape)}, {law.source}",
                found=str(law),
                hint=f"base=another call of the factory, or init={{{name!r}: 'constant'}}",
            )


def _more(made: Recorded, plan: Plan, first: str) -> str:
    names = [n for n in plan.parameters if n not in made.values and not placed(made.laws[n])]
    others = [name for name in names if name != first]
    return f" (nor {len(others)} more: {', '.join(others[:3])})" if others else ""


@contextmanager
def all_on_meta(model: nn.Module) -> Iterator[None]:
    """Plain attributes too, which moving a module leaves where they are."""
    loose = [
        (module, name, value)
        for module in model.modules()
        for name, value in vars(module).items()
        if isinstance(value, Tensor) and not value.is_meta
    ]
    for module, name, value in loose:
        vars(module)[name] = value.to("meta")
    try:
        yield
    finally:
        for module, name, value in loose:
            vars(module)[name] = value


def materialise(model: Model, made: Recorded, memory: Memory) -> Model:
    """Shard, allocate, and fill a model that was lowered on the meta device."""
    _, conversion = converted(model)
    plan = conversion.plan
    sharded = cast("Model", (memory.shard and memory.shard(model)) or model)
    if memory.device.type == "meta":
        return sharded
    late = {name: b for name, b in _buffers(sharded).items() if not b.is_meta}
    sharded.to_empty(device=memory.device)
    module, _ = converted(sharded)
    _tie(module, plan)
    tensors: dict[str, Tensor] = {**parameters_of(sharded), **_buffers(sharded)}
    starts = Starts({**made.laws, **made.buffers}, {**made.values, **late})
    initialise(tensors, starts, plan, seed=memory.seed, nested=memory.nested)
    keep_initial(module, plan)
    setattr(module, ATTRIBUTE, replace(conversion, pending=None))
    return sharded


def _buffers(model: nn.Module) -> dict[str, Tensor]:
    return {canonical(name, {""}): buffer for name, buffer in model.named_buffers()}


def _tie(module: nn.Module, plan: Plan) -> None:
    """What was one parameter is one again: each place was given memory of its own."""
    every = dict(module.named_parameters(remove_duplicate=False))
    for other, name in plan.aliases.items():
        owner, _, own = other.rpartition(".")
        module.get_submodule(owner).register_parameter(own, every[name])

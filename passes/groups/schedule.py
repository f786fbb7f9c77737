"""Schedulers that set rates outright, in the units of the base.

A floor, a maximum or a threshold is one number for all groups. The scheduler is therefore run while
every group shows what it would have at the base, and the factors are put back after it::

    lr 0.01, 0.0025  ->  0.01, 0.01  ->  (eta_min 0.001)  0.001, 0.001  ->  0.001, 0.00025
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, wraps
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from mupfx.errors import OptimizerError
from mupfx.passes.groups.ratios import require_planned

_RATES = ("lr", "initial_lr", "max_lr", "min_lr", "swa_lr")
"""Entries of a group that schedulers read and write."""
_METHODS = ("__init__", "_initial_step", "_update_lr", "step")
_FLAG = "_mupfx_at_base"
_MARK = "_mupfx_scaled"

_FLOORS = ("eta_min",)
_LISTS = ("min_lrs", "max_lrs", "base_lrs")
_ENTRIES = {"max_lr": "total_steps", "min_lr": "total_steps", "swa_lr": "anneal_epochs"}
"""Entries of a group, and what a scheduler has that put them there."""


def schedule(cls: Any, optimizer: Optimizer, arguments: Mapping[str, Any]) -> Any:
    """Make a scheduler whose every number is meant at the base.

    Raises:
        OptimizerError: A group has no plan, or a scheduler inside was made in other units.
    """
    require_planned(optimizer)
    for inner in _leaves(list(arguments.values())):
        if not _is_scaled(inner):
            raise OptimizerError(
                f"a {type(inner).__name__} inside was made of rates that are scaled already",
                where=cls.__name__,
                hint=f"make it with mupfx.scheduler({type(inner).__name__}, optimizer, ...) too",
            )
    return _at_base(cls)(optimizer, **arguments)


@cache
def _at_base(cls: Any) -> type[Any]:
    """The class, with every method that reads or writes rates run in the units of the base."""
    body: dict[str, Any] = {
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__doc__": cls.__doc__,
        _MARK: True,
        "get_last_lr": _last,
        **{name: _wrapped(getattr(cls, name)) for name in _METHODS if hasattr(cls, name)},
    }
    return type(cls.__name__, (cls,), body)


def _wrapped(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        optimizer = args[0] if method.__name__ == "__init__" else self.optimizer
        with at_base(optimizer):
            return method(self, *args, **kwargs)

    return run


def _last(self: Any) -> list[Any]:
    rates = (group["lr"] for group in self.optimizer.param_groups)
    return [rate.clone() if isinstance(rate, Tensor) else rate for rate in rates]


@contextmanager
def at_base(optimizer: Optimizer) -> Iterator[None]:
    """While inside, every group shows the rates that it would have at the base."""
    if vars(optimizer).get(_FLAG):
        yield
        return
    shown = [_divide(group) for group in optimizer.param_groups]
    vars(optimizer)[_FLAG] = True
    try:
        yield
    finally:
        del vars(optimizer)[_FLAG]
        for group, before in zip(optimizer.param_groups, shown, strict=True):
            _multiply(group, before)


Before = dict[str, tuple[float, float]]
"""By entry: what it was, and what was shown for it."""


def _divide(group: dict[str, Any]) -> Before:
    found = {}
    for key in _RATES:
        if key in group:
            was = float(group[key])
            _put(group, key, was / _factor(group))
            found[key] = (was, float(group[key]))
    return found


def _multiply(group: dict[str, Any], before: Before) -> None:
    """What nobody changed is as it was, to the bit."""
    for key in _RATES:
        if key in group:
            was, shown = before.get(key, (0.0, float("nan")))
            now = float(group[key])
            _put(group, key, was if now == shown else now * _factor(group))


def _put(group: dict[str, Any], key: str, value: float) -> None:
    if isinstance(group[key], Tensor):
        group[key].fill_(value)
    else:
        group[key] = value


def _factor(group: Mapping[str, Any]) -> float:
    factor = group.get("mupfx", {}).get("lr")
    return 1.0 if factor is None else float(factor)


def _leaves(found: object) -> Iterator[Any]:
    """Schedulers among some values, those inside others included."""
    if isinstance(found, list | tuple):
        for entry in found:
            yield from _leaves(entry)
    elif hasattr(found, "_schedulers"):
        yield from _leaves(list(found._schedulers))
    elif isinstance(getattr(found, "optimizer", None), Optimizer):
        yield found


def _is_scaled(scheduler: object) -> bool:
    return hasattr(type(scheduler), _MARK)


def absolute(schedulers: tuple[object, ...]) -> tuple[str, ...]:
    """What of some schedulers is one number for groups whose rates differ, a sentence each."""
    return tuple(
        f"{type(scheduler).__name__}: {what}; make it with "
        f"mupfx.scheduler({type(scheduler).__name__}, optimizer, ...)"
        for scheduler in _leaves(list(schedulers))
        if not _is_scaled(scheduler)
        for what in _outright(scheduler)
    )


def _outright(scheduler: Any) -> Iterator[str]:
    groups = scheduler.optimizer.param_groups
    if len({_factor(group) for group in groups}) == 1:
        return
    for name in _FLOORS:
        if getattr(scheduler, name, 0):
            yield f"{name}={getattr(scheduler, name):g} is the same for all groups"
    for name in _LISTS:
        if _out_of_ratio(groups, [float(value) for value in getattr(scheduler, name, [])]):
            yield f"{name} does not stand in the planned ratios"
    for name, trait in _ENTRIES.items():
        entries = [float(group[name]) for group in groups if name in group]
        if hasattr(scheduler, trait) and _out_of_ratio(groups, entries):
            yield f"{name} does not stand in the planned ratios"


def _out_of_ratio(groups: list[dict[str, Any]], values: list[float]) -> bool:
    if len(values) != len(groups) or not any(values):
        return False
    units = [value / _factor(group) for value, group in zip(values, groups, strict=True)]
    return max(units) > min(units) * (1 + 1e-5)

"""Single faults that can be put into any target: a number of one tensor, a hook, a schedule.

Each takes a factory and gives one. Tensors are chosen by the patterns of ``fnmatch``.
"""

import functools
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LambdaLR, OneCycleLR

from tests.mutants.models.common import BASE, Factory, Made


def _spoiled(factory: Factory, fault: Callable[[float, Made], Made]) -> Factory:
    """The factory with something done to what it makes; it takes the same arguments."""

    @functools.wraps(factory)
    def spoiled(*args: Any, **kwargs: Any) -> Made:
        width = kwargs["width"] if "width" in kwargs else args[0]
        return fault(width / BASE, factory(*args, **kwargs))

    return spoiled


def _chosen(model: nn.Module, pattern: str) -> list[nn.Parameter]:
    found = [p for name, p in model.named_parameters() if fnmatchcase(name, pattern)]
    if not found:
        raise LookupError(f"no parameter matches {pattern}")
    return found


def optimizers(made: Made) -> list[Optimizer]:
    return list(made[1]) if isinstance(made[1], list | tuple) else [made[1]]


def init(factory: Factory, pattern: str, power: float) -> Factory:
    """Values times growth to a power."""

    def fault(growth: float, made: Made) -> Made:
        with torch.no_grad():
            for parameter in _chosen(made[0], pattern):
                parameter.mul_(growth**power)
        return made

    return _spoiled(factory, fault)


def zeroed(factory: Factory, pattern: str) -> Factory:
    """Values that start at zero."""

    def change(_: float, made: Made) -> Made:
        with torch.no_grad():
            for parameter in _chosen(made[0], pattern):
                parameter.zero_()
        return made

    return _spoiled(factory, change)


def optimizer_rate(factory: Factory, position: int, power: float) -> Factory:
    """All rates of one of several optimizers."""

    def fault(growth: float, made: Made) -> Made:
        for group in optimizers(made)[position].param_groups:
            group["lr"] *= growth**power
        return made

    return _spoiled(factory, fault)


def setting(
    factory: Factory, pattern: str, key: str, change: Callable[[float, float], float]
) -> Factory:
    """A number of the optimizer's, for some tensors: ``change(number, growth)``."""

    def fault(growth: float, made: Made) -> Made:
        chosen = {id(p) for p in _chosen(made[0], pattern)}
        for optimizer in optimizers(made):
            for group in [*optimizer.param_groups]:
                _split(optimizer, group, chosen, {key: change(group.get(key, 0.0), growth)})
        return made

    return _spoiled(factory, fault)


def _split(
    optimizer: Optimizer, group: dict[str, Any], chosen: set[int], new: dict[str, Any]
) -> None:
    taken = [p for p in group["params"] if id(p) in chosen]
    group["params"] = [p for p in group["params"] if id(p) not in chosen]
    if taken:
        rest = {key: value for key, value in group.items() if not key.startswith("param")}
        optimizer.add_param_group({**rest, **new, "params": taken})
    if not group["params"]:
        optimizer.param_groups = [g for g in optimizer.param_groups if g is not group]


def rate(factory: Factory, pattern: str, power: float) -> Factory:
    """Learning rates times growth to a power."""
    return setting(factory, pattern, "lr", lambda lr, growth: lr * growth**power)


def decay(factory: Factory, pattern: str, power: float, *, at_base: float | None = None) -> Factory:
    """Weight decay times growth to a power."""
    return setting(
        factory,
        pattern,
        "weight_decay",
        lambda old, growth: (old if at_base is None else at_base) * growth**power,
    )


def eps(factory: Factory, pattern: str, power: float, *, at_base: float) -> Factory:
    """Adam's eps, from a value at the base."""
    return setting(factory, pattern, "eps", lambda _, growth: at_base * growth**power)


def one_rate(factory: Factory, *, value: float | None = None) -> Factory:
    """Every group at one rate."""

    def fault(_: float, made: Made) -> Made:
        for optimizer in optimizers(made):
            for group in optimizer.param_groups:
                group["lr"] = optimizer.defaults["lr"] if value is None else value
        return made

    return _spoiled(factory, fault)


def forgotten(factory: Factory, pattern: str) -> Factory:
    """Tensors that no optimizer has."""

    def fault(_: float, made: Made) -> Made:
        chosen = {id(p) for p in _chosen(made[0], pattern)}
        for optimizer in optimizers(made):
            for group in optimizer.param_groups:
                group["params"] = [p for p in group["params"] if id(p) not in chosen]
        return made

    return _spoiled(factory, fault)


def frozen(factory: Factory, pattern: str) -> Factory:
    """Tensors in the optimizer that get no gradient."""

    def fault(_: float, made: Made) -> Made:
        for parameter in _chosen(made[0], pattern):
            parameter.requires_grad = False
        return made

    return _spoiled(factory, fault)


def twice(factory: Factory, pattern: str, lr: float) -> Factory:
    """Tensors that a second optimizer has too."""

    def fault(_: float, made: Made) -> Made:
        second = SGD(_chosen(made[0], pattern), lr=lr)
        return (made[0], [*optimizers(made), second], *made[2:])

    return _spoiled(factory, fault)


def pinned_by_warm_up(factory: Factory, lr: float) -> Factory:
    """The training loop's warm-up sets ``lr`` of every group, in a hook before each step."""

    def fault(_: float, made: Made) -> Made:
        for optimizer in optimizers(made):
            done = [0]

            def warm_up(
                taken: Optimizer, *_args: object, count: list[int] = done, **_kwargs: object
            ) -> None:
                count[0] += 1
                for group in taken.param_groups:
                    group["lr"] = lr * min(1.0, count[0] / 2)

            optimizer.register_step_pre_hook(warm_up)
        return made

    return _spoiled(factory, fault)


def scheduled(factory: Factory, make: Callable[[Optimizer], Any]) -> Factory:
    """A schedule beside the optimizer, as a mapping with ``scheduler``."""

    def fault(_: float, made: Made) -> Any:
        model, optimizer, batch, loss = made
        return {
            "model": model,
            "optimizer": optimizer,
            "batch": batch,
            "loss": loss,
            "scheduler": make(optimizer),
        }

    return _spoiled(factory, fault)


def one_cycle(optimizer: Optimizer) -> Any:
    """One ``max_lr`` for every group."""
    return OneCycleLR(optimizer, max_lr=3e-3, total_steps=40)


def one_cycle_each(optimizer: Optimizer) -> Any:
    """A ``max_lr`` a group."""
    peaks = [group["lr"] for group in optimizer.param_groups]
    return OneCycleLR(optimizer, max_lr=peaks, total_steps=40)


def warm_up_each(optimizer: Optimizer) -> Any:
    """A factor on every group's own rate."""
    return LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 4))


def constant_each(optimizer: Optimizer) -> Any:
    return ConstantLR(optimizer, factor=0.5, total_iters=2)


def cosine(optimizer: Optimizer) -> Any:
    """Down to zero."""
    return CosineAnnealingLR(optimizer, T_max=100)


def cosine_floor(optimizer: Optimizer) -> Any:
    """Down to one number for every group, soon."""
    return CosineAnnealingLR(optimizer, T_max=3, eta_min=1e-3)


def far_floor(optimizer: Optimizer) -> Any:
    """Down to one number for every group, long after a check has ended."""
    return CosineAnnealingLR(optimizer, T_max=10000, eta_min=1e-3)


def undone(optimizer: Optimizer) -> Any:
    """Factors that a list gives to each group, and that take out what groups had."""
    first, *others = optimizer.param_groups
    factors = [1.0, *(first["lr"] / group["lr"] for group in others)]
    return LambdaLR(optimizer, [functools.partial(_constant, factor) for factor in factors])


def _constant(factor: float, _step: int) -> float:
    return factor


def clipped_in_hook(factory: Factory, norm: float) -> Factory:
    """Gradients clipped by their common norm, in a hook before each step."""

    def fault(_: float, made: Made) -> Made:
        for optimizer in optimizers(made):
            optimizer.register_step_pre_hook(functools.partial(_clip, norm))
        return made

    return _spoiled(factory, fault)


def _clip(norm: float, optimizer: Optimizer, *_: object) -> None:
    torch.nn.utils.clip_grad_norm_(_held(optimizer), norm)


def _held(optimizer: Optimizer) -> Iterator[Tensor]:
    for group in optimizer.param_groups:
        yield from group["params"]


def clipped_by_value(factory: Factory, value: float) -> Factory:
    def fault(_: float, made: Made) -> Made:
        for optimizer in optimizers(made):
            optimizer.register_step_pre_hook(functools.partial(_clip_value, value))
        return made

    return _spoiled(factory, fault)


def _clip_value(value: float, optimizer: Optimizer, *_: object) -> None:
    torch.nn.utils.clip_grad_value_(_held(optimizer), value)


def only(factory: Factory, count: int) -> Factory:
    """The first things that a target makes; the model alone is not a tuple."""

    def fault(_: float, made: Made) -> Any:
        return made[0] if count == 1 else made[:count]

    return _spoiled(factory, fault)

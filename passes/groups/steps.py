"""What changes from step to step of an optimizer, and so is not a number in a group.

RAdam's first steps divide by nothing, and take SGD's learning rate; Adafactor's take no rate above
``1/sqrt(step)``, which is to be a factor of that. Around a step, and only there, the groups read::

    {"lr": 0.0025, ...}  ->  {"lr": 0.01, ...}     schedulers and checkpoints see the left one
"""

from collections.abc import Iterator, Mapping
from math import sqrt
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

Group = dict[str, Any]

RECTIFIED = 5
"""RAdam divides by the second moment once the length of its average is above this."""


class StepRules:
    """A hook before every step of one optimizer, and one after it."""

    def __init__(self) -> None:
        self._kept: list[Group] | None = None
        self._late: set[int] = set()
        """Parameters whose first steps are over."""

    def attach(self, optimizer: Optimizer) -> None:
        """Register the hooks."""
        optimizer.register_step_pre_hook(self.before)
        optimizer.register_step_post_hook(self.after)
        optimizer.register_load_state_dict_post_hook(self.forget)

    def before(self, optimizer: Optimizer, args: object, kwargs: object) -> None:
        """Give every group the numbers of this step."""
        del args, kwargs
        self._restore(optimizer)
        groups = [new for group in optimizer.param_groups for new in self._now(optimizer, group)]
        self._kept, optimizer.param_groups = optimizer.param_groups, groups

    def after(self, optimizer: Optimizer, args: object, kwargs: object) -> None:
        """Put the user's groups back."""
        del args, kwargs
        self._restore(optimizer)

    def forget(self, optimizer: Optimizer) -> None:
        """Other state, other steps."""
        del optimizer
        self._late.clear()

    def _restore(self, optimizer: Optimizer) -> None:
        if self._kept is not None:  # also after a step that raised
            optimizer.param_groups, self._kept = self._kept, None

    def _now(self, optimizer: Optimizer, group: Group) -> Iterator[Group]:
        record = group.get("mupfx", {})
        if record.get("first_steps"):
            yield from self._by_phase(optimizer, group, record["first_steps"])
        elif record.get("cap"):
            yield from _by_cap(optimizer, group, float(record["lr"]))
        else:
            yield group

    def _by_phase(
        self, optimizer: Optimizer, group: Group, factors: Mapping[str, float]
    ) -> Iterator[Group]:
        early = [p for p in group["params"] if self._is_early(optimizer, group, p)]
        if not early:
            yield group
            return
        moved = {key: group[key] * factor for key, factor in factors.items()}
        yield {**group, **moved, "params": early}
        chosen = {id(p) for p in early}
        late = [p for p in group["params"] if id(p) not in chosen]
        if late:
            yield {**group, "params": late}

    def _is_early(self, optimizer: Optimizer, group: Group, parameter: Tensor) -> bool:
        if id(parameter) in self._late:
            return False
        early = rectification(_next_step(optimizer, parameter), group["betas"][1]) <= RECTIFIED
        if not early:
            self._late.add(id(parameter))
        return early


def rectification(step: int, beta: float) -> float:
    """The length of RAdam's simple moving average at a step.

    >>> [rectification(step, 0.999) > RECTIFIED for step in (5, 6)]
    [False, True]
    """
    decayed = float(beta) ** step
    return 2 / (1 - float(beta)) - 1 - 2 * step * decayed / (1 - decayed)


def _by_cap(optimizer: Optimizer, group: Group, factor: float) -> Iterator[Group]:
    """A rate above the cap is lowered to its share of it; the decay of a step stays."""
    steps: dict[int, list[Tensor]] = {}
    for parameter in group["params"]:
        steps.setdefault(_next_step(optimizer, parameter), []).append(parameter)
    for step, parameters in steps.items():
        lr = min(group["lr"], factor / sqrt(step))
        decay = group["weight_decay"] * group["lr"] / lr if lr else group["weight_decay"]
        yield {**group, "params": parameters, "lr": lr, "weight_decay": decay}


def _next_step(optimizer: Optimizer, parameter: Tensor) -> int:
    taken = optimizer.state[parameter].get("step", 0) if parameter in optimizer.state else 0
    return int(taken) + 1


def needs_rules(group: Mapping[str, Any]) -> bool:
    """Whether a group's numbers change from step to step by a factor that is not one."""
    record = group.get("mupfx", {})
    first = any(factor != 1 for factor in record.get("first_steps", {}).values())
    return first or (bool(record.get("cap")) and record["lr"] != 1)


def has_rules(optimizer: Optimizer) -> bool:
    """Whether the hooks are there; copying or unpickling an optimizer loses them."""
    hooks = optimizer._optimizer_step_pre_hooks.values()
    return any(isinstance(getattr(hook, "__self__", None), StepRules) for hook in hooks)

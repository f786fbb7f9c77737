"""Learning rates as they are in the steps, whoever sets them: a schedule, a loop, the optimizer.

An optimizer of one's own may set them once more before it lets the class that it is made of step,
so they are read as each ``step`` of its classes begins; the last is in force::

    scheduled  {head.weight: 0.01}      in force  {head.weight: 0.001}
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any

from torch.optim import Optimizer

from mupfx.core.setup import Setup


class Rates:
    """Learning rates by parameter, as they are when an update is made."""

    def __init__(self, setup: Setup) -> None:
        self._optimizers = setup.optimizers
        self._names = {id(p): name for name, p in setup.model.named_parameters()}
        self.steps: list[dict[str, float]] = []
        """Those in force."""
        self.scheduled: list[dict[str, float]] = []
        """Those that the optimizer is called with."""

    def given(self) -> dict[str, float]:
        """Before any schedule: what a scheduler keeps as the initial rate, else the rate."""
        found: dict[str, float] = {}
        for optimizer in self._optimizers:
            found |= self._of(optimizer, "initial_lr")
        return found

    def families(self) -> dict[str, str]:
        """Class of the optimizer, by parameter."""
        return {
            name: type(optimizer).__name__
            for optimizer in self._optimizers
            for group in optimizer.param_groups
            for name in self._members(group)
        }

    def begin(self) -> None:
        """A step comes."""
        self.steps.append({})
        self.scheduled.append({})

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Inside, every step of an optimizer is seen after all that others do before it."""

        def note(optimizer: Optimizer, *_: Any) -> None:
            if self.steps and any(optimizer is known for known in self._optimizers):
                rates = self._of(optimizer, "lr")
                self.steps[-1] |= rates
                self.scheduled[-1] = rates | self.scheduled[-1]

        with ExitStack() as stack:
            for optimizer in self._optimizers:
                stack.callback(optimizer.register_step_pre_hook(note).remove)
            for kind in dict.fromkeys(k for o in self._optimizers for k in _bases(o)):
                stack.enter_context(_noted(kind, note))
            yield

    def _of(self, optimizer: Optimizer, entry: str) -> dict[str, float]:
        return {
            name: float(group.get(entry, group["lr"]))
            for group in optimizer.param_groups
            if "lr" in group
            for name in self._members(group)
        }

    def _members(self, group: Mapping[str, Any]) -> Iterator[str]:
        names = (self._names.get(id(p)) for p in group["params"])
        return (name for name in names if name is not None)


def _bases(optimizer: Optimizer) -> list[type]:
    """Classes whose step an optimizer's own step may call."""
    kinds = [kind for kind in type(optimizer).__mro__ if "step" in vars(kind)]
    return [kind for kind in kinds[1:] if kind is not Optimizer]


@contextmanager
def _noted(kind: Any, note: Callable[..., None]) -> Iterator[None]:
    """Within, a class's step says that it begins; hooks on steps run as often as they did."""
    step = vars(kind)["step"]

    @wraps(step)
    def noted(optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        note(optimizer)
        return step(optimizer, *args, **kwargs)

    kind.step = noted
    try:
        yield
    finally:
        kind.step = step


def pinned(schedulers: Sequence[Any]) -> Iterator[str]:
    """Schedulers whose one maximum has replaced the rates of all groups."""
    for scheduler in schedulers:
        groups = getattr(getattr(scheduler, "optimizer", None), "param_groups", ())
        kept = [group["max_lr"] for group in groups if "max_lr" in group]
        peaks = [float(rate) for rate in kept or getattr(scheduler, "max_lrs", [])]
        if len(peaks) > 1 and max(peaks) == min(peaks):
            yield (
                f"{type(scheduler).__name__} sets the rate of all {len(peaks)} groups by one "
                f"maximum of {peaks[0]:g}, whatever it was before"
            )


def floors(schedulers: Sequence[Any]) -> Iterator[float]:
    """Rates that are not gone below, where they are one number for all groups."""
    for scheduler in schedulers:
        yield from floors(getattr(scheduler, "_schedulers", ()))
        lowest = getattr(scheduler, "eta_min", None) or getattr(scheduler, "min_lrs", None)
        each = [float(rate) for rate in (lowest if isinstance(lowest, list) else [lowest or 0.0])]
        if min(each, default=0.0) > 0 and max(each) == min(each):
            yield each[0]
